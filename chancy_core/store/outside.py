"""Steps of a migration that are part of no transaction: making and dropping indexes while everybody works.

If `CREATE INDEX CONCURRENTLY` fails, or its session is killed, it leaves an index that nobody can use, and that every
write has to keep. Such a one is dropped before it is made again.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Final

import psycopg

from chancy_core.errors import SchemaError
from chancy_core.store.flow import Flow, Query
from chancy_core.store.migrationfiles import Migration
from chancy_core.store.registry import quoted
from chancy_core.store.sqltext import statements_in
from chancy_core.store.statements import statement

# How long it waits for each transaction that began before it. Nobody else waits meanwhile.
WAITS: Final = "5min"
# How long it may take to clear up after a failure, before that is left to the next attempt.
CLEARS_WITHIN: Final = "5s"


def apply_outside(schema: str, migration: Migration) -> Flow[None]:
    """Apply one step, in a session that holds the lock of the schema's migrations.

    Raises:
        SchemaError: it failed, or other transactions did not end in time.
    """
    index = migration.makes_index
    try:
        yield Query(f"SET lock_timeout = '{WAITS}'".encode())
        # It takes as long as the table is large.
        yield Query(b"SET statement_timeout = 0")
        if index is not None and (yield from _is_ready(schema, index)):
            return
        (only,) = statements_in(migration.sql)
        yield Query(only.replace("{schema}", quoted(schema)).encode())
    except psycopg.Error as error:
        raise (yield from _explained(schema, migration, error)) from error
    finally:
        with suppress(psycopg.Error):
            yield Query(b"RESET lock_timeout")
            yield Query(b"RESET statement_timeout")


def _is_ready(schema: str, index: str) -> Flow[bool]:
    """Whether the index is there already, and whole. One that is not is dropped."""
    rows = yield Query(statement("find_index", schema), {"index": index})
    if rows and not rows[0][0]:
        yield Query(_drop(schema, index))
        return False
    return bool(rows)


def _drop(schema: str, index: str) -> bytes:
    return f'DROP INDEX CONCURRENTLY IF EXISTS {quoted(schema)}."{index}"'.encode()


def _explained(schema: str, migration: Migration, error: psycopg.Error) -> Flow[BaseException]:
    left = ""
    if migration.makes_index is not None:
        try:
            yield Query(f"SET lock_timeout = '{CLEARS_WITHIN}'".encode())
            rows = yield Query(statement("find_index", schema), {"index": migration.makes_index})
            if rows and not rows[0][0]:
                yield Query(_drop(schema, migration.makes_index))
        except psycopg.Error:
            left = f" The index {migration.makes_index} is left unfinished: the next attempt drops it first."
    if not isinstance(error, psycopg.errors.LockNotAvailable):
        return SchemaError(
            f"{migration} failed: {type(error).__name__}: {error.diag.message_primary or error}.{left} What was "
            "applied before it stays. Run `chancy migrate` again once that is mended."
        )
    old = ""
    with suppress(psycopg.Error):
        rows = yield Query(statement("find_old_transactions", schema))
        old = "; ".join(
            f"session {pid} ({name or 'no name'}, user {user or '?'}, {age_s or 0:.0f} s)"
            for pid, user, name, age_s in rows
        )
    return SchemaError(
        f"{migration} waited {WAITS} for transactions that began before it, and gave up; nobody had to wait for it."
        f"{left} The oldest are: {old or 'none that this role may see'}. Let them end (or pg_terminate_backend them), "
        "and run `chancy migrate` again: what was applied before it stays."
    )
