"""The schema of a test process, and a Chancy for it: made once, since tests roll back what they do in it."""

from __future__ import annotations

from typing import Any, Final

import psycopg

from chancy_core.app import Chancy
from chancy_core.store import run_sync
from chancy_core.store.flow import Flow, Query
from chancy_core.store.registry import quoted
from chancy_core.store.statements import statement
from chancy_core.testing.spares import new_name

_SQL: Final = "chancy_core.testing.sql"


class Home:
    """A schema that one test after the other finds clean. One in which something was left is replaced.

    Args:
        dsn: the database.
    """

    def __init__(self, dsn: str) -> None:
        self._dsn: Final = dsn
        self._chancy: Chancy | None = None
        # What it looked like when it was made.
        self._made: list[Any] = []

    def chancy(self) -> Chancy:
        """A Chancy for it, which is open, with the plugins that are installed."""
        if self._chancy is not None and self._chancy.opening.is_closed:
            self.end()
        if self._chancy is None:
            chancy = Chancy(self._dsn, schema=new_name())
            chancy.sync_open()
            self._chancy = chancy
            self._made = self._look(chancy.settings.schema)
        return self._chancy

    def tidy(self) -> None:
        """A test has ended: if it has left anything, the next one finds another schema."""
        chancy = self._chancy
        # One that a test has closed is as good as used.
        if chancy is not None and (chancy.opening.is_closed or self._look(chancy.settings.schema) != self._made):
            self.end()

    def _look(self, schema: str) -> list[Any]:
        """Each table with its rows, as little as tells whether they are the same."""
        with psycopg.connect(self._dsn, autocommit=True) as connection:
            return run_sync(connection, _looked(schema))

    def end(self) -> None:
        """Drop it."""
        chancy, self._chancy = self._chancy, None
        if chancy is None:
            return
        chancy.sync_close()
        with psycopg.connect(self._dsn, autocommit=True) as connection:
            connection.execute(b"SET client_min_messages = error")
            connection.execute(f"DROP SCHEMA IF EXISTS {quoted(chancy.settings.schema)} CASCADE".encode())


def _looked(schema: str) -> Flow[list[Any]]:
    tables = yield Query(statement("find_tables", schema, _SQL), {"schema": schema})
    look = statement("look_into_table", schema, _SQL)
    names = [name for (name,) in tables]
    # Without parameters, so that a per cent sign in a name is one.
    of_each = [
        look.replace(b"{number}", str(number).encode()).replace(b"{table}", quoted(name).encode())
        for number, name in enumerate(names)
    ]
    found = yield Query(b" UNION ALL ".join(of_each), {})
    return [(names[number], *rest) for number, *rest in sorted(found)]
