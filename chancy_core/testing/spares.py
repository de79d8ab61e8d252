"""Schemas that tests hand on: to make one takes a tenth of a second, to give an empty one another name takes nothing.

When a test has ended, its schema is emptied and kept, if its tables are still exactly what the migrations made of them
and hold little; otherwise it is dropped. The next test of the same process that needs the same migrations gets it.
"""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from itertools import chain
from typing import Any, Final, NamedTuple, TypeAlias

import psycopg
from psycopg.rows import namedtuple_row

from chancy_core.errors import ChancyError
from chancy_core.store.flow import Flow, Query, run_sync
from chancy_core.store.migrate import Migration, migrate
from chancy_core.store.registry import applied, quoted
from chancy_core.store.statements import statement

# What was applied: owner, version, checksum of each step.
Steps: TypeAlias = frozenset[tuple[str, int, str]]
# A model has to be made first, which pays when a few tests need the same.
WORTH_A_MODEL: Final = 3
# One test needs one, and more than a few lie about for nothing.
AT_MOST: Final = 3
# A process that a test has left behind may hold a lock for ever: its schema is not worth waiting for.
LOCK_TIMEOUT: Final = "2s"


class Model(NamedTuple):
    """A schema that no test uses: what all with the same migrations look like when they are new.

    Attributes:
        schema: its name.
        parts: a digest of its parts.
        filled: its tables that have rows from the beginning.
    """

    schema: str
    parts: str
    filled: list[str]


class Spares:
    """The schemas that tests of this process have left to those after them.

    Attributes:
        dsn: the database in which they are.
    """

    def __init__(self, dsn: str) -> None:
        self.dsn = dsn
        self._connection: psycopg.Connection[Any] | None = None
        self._open: set[str] = set()
        self._made: Counter[Steps] = Counter()
        self._wanted: dict[Steps, list[Migration]] = {}
        self._models: dict[Steps, Model] = {}
        self._waiting: dict[Steps, list[str]] = {}

    def expect(self, schema: str) -> None:
        """A test may be given one under this name."""
        self._open.add(schema)

    def migrate(self, schema: str, wanted: Sequence[Migration], *, pooler: bool = False) -> Flow[list[Migration]]:
        """Like `chancy_core.store.migrate.migrate`, but a schema that is missing may be one that was left."""
        steps = frozenset((one.owner, one.version, one.checksum) for one in wanted)
        if schema in self._open:
            self._wanted[steps] = list(wanted)
            spares = self._waiting.get(steps)
            if spares and (yield from _rename(spares[-1], schema)):
                spares.pop()
                return list(wanted)
        self._made[steps] += 1
        return (yield from migrate(schema, wanted, pooler=pooler))

    def end(self, schema: str) -> None:
        """The test has ended: keep its schema for another one, or drop it."""
        self._open.discard(schema)
        try:
            kept = self._kept(self._connected(), schema)
        except (psycopg.Error, ChancyError):
            # Somebody still holds a lock on it or has ended this session, or its tables cannot be emptied or read.
            kept = False
        if not kept:
            _drop(self._connected(), schema)

    def drop(self) -> None:
        """Drop all that is left."""
        connection = self._connected()
        for schema in chain(*self._waiting.values(), (model.schema for model in self._models.values())):
            _drop(connection, schema)
        connection.close()

    def _connected(self) -> psycopg.Connection[Any]:
        """One connection for all: half of the work is to get to know the catalogs."""
        with suppress(psycopg.Error):
            if self._connection is not None:
                self._connection.execute(b"SELECT")
                return self._connection
        self._connection = psycopg.connect(self.dsn, autocommit=True)
        self._connection.execute(b"SET client_min_messages = error")
        return self._connection

    def _kept(self, connection: psycopg.Connection[Any], schema: str) -> bool:
        found = _described(connection, schema)
        if found is None or not (found.untouched and found.small):
            return False
        steps = _steps(connection, schema)
        model = self._model(connection, steps)
        waiting = self._waiting.setdefault(steps, [])
        if model is None or model.parts != found.parts or len(waiting) >= AT_MOST:
            return False
        spare = new_name()
        with connection.transaction():
            connection.execute(_emptying(schema, spare, found, model).encode())
        waiting.append(spare)
        return True

    def _model(self, connection: psycopg.Connection[Any], steps: Steps) -> Model | None:
        if steps not in self._models and steps in self._wanted and self._made[steps] >= WORTH_A_MODEL:
            schema = new_name()
            run_sync(connection, migrate(schema, self._wanted[steps]))
            found = _described(connection, schema)
            filled = [name for name in found.holding if _has_rows(connection, schema, name)]
            self._models[steps] = Model(schema, found.parts, filled)
        return self._models.get(steps)


def new_name() -> str:
    """The name of a schema that nobody else has."""
    return f"test_{secrets.token_hex(6)}"


def _rename(spare: str, schema: str) -> Flow[bool]:
    try:
        renamed = statement("rename_schema", schema, "chancy_core.testing.sql")
        yield Query(renamed.replace(b"{spare}", spare.encode()))
    except psycopg.Error:
        # There is one of that name already; or this is another server, or a role that may not.
        return False
    return True


def _described(connection: psycopg.Connection[Any], schema: str) -> Any:
    described = statement("describe_schema", schema, "chancy_core.testing.sql")
    with connection.cursor(row_factory=namedtuple_row) as cursor:
        return cursor.execute(described, {"schema": schema}).fetchone()


def _steps(connection: psycopg.Connection[Any], schema: str) -> Steps:
    found = run_sync(connection, applied(schema)) or {}
    return frozenset(
        (owner, version, checksum) for owner, one in found.items() for version, checksum in one.checksums.items()
    )


def _has_rows(connection: psycopg.Connection[Any], schema: str, table: str) -> bool:
    return bool(connection.execute(f'SELECT FROM {quoted(schema)}."{table}" LIMIT 1'.encode()).rowcount)


def _emptying(schema: str, spare: str, found: Any, model: Model) -> str:
    """Give it another name and the rows of its model, when nobody is inside any more.

    Whoever waits for one of these locks, or comes later, finds no schema of the name it knows.
    """
    tables = ", ".join(f'{quoted(schema)}."{name}"' for name in found.tables)
    return "; ".join(
        [
            f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'",
            f"LOCK TABLE {tables} IN ACCESS EXCLUSIVE MODE",
            f"ALTER SCHEMA {quoted(schema)} RENAME TO {quoted(spare)}",
            *(f'DELETE FROM {quoted(spare)}."{name}"' for name in found.holding),
            *(
                f'INSERT INTO {quoted(spare)}."{name}" OVERRIDING SYSTEM VALUE '
                f'SELECT * FROM {quoted(model.schema)}."{name}"'
                for name in model.filled
            ),
            *(f"SELECT setval('{quoted(spare)}.\"{name}\"', 1, false)" for name in found.sequences),
        ]
    )


def _drop(connection: psycopg.Connection[Any], schema: str) -> None:
    connection.execute(f"DROP SCHEMA IF EXISTS {quoted(schema)} CASCADE".encode())
