"""Migrations: forward, numbered, owned; one runner at a time.

What belongs into a transaction is applied in one, all of it or none. What cannot be in one, such as `CREATE INDEX
CONCURRENTLY`, is a step of its own, which is mended and done again if somebody was killed in the middle of it.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from contextlib import suppress
from importlib.resources import files
from typing import Final

import psycopg
from psycopg.sql import Literal

from chancy_core.errors import SchemaError
from chancy_core.store.flow import Flow, Query
from chancy_core.store.migrationerrors import explained
from chancy_core.store.migrationfiles import KERNEL, Migration, check_migration, kernel_migrations, read_migrations
from chancy_core.store.outside import apply_outside
from chancy_core.store.registry import Applied, applied, edited, problem, quoted, refusal_of_edited, too_new
from chancy_core.store.statements import statement

__all__ = ["KERNEL", "Migration", "applied", "kernel_migrations", "migrate", "problem", "read_migrations"]

# A migration that waits for a lock makes every later statement on that table wait behind it: it gives up soon instead.
LOCK_TIMEOUT: Final = "5s"
# How often whoever waits for another runner asks again. Waiting for the lock itself would hold a snapshot, and a runner
# that makes an index concurrently waits for old snapshots: each would wait for the other.
AGAIN: Final = b"SELECT pg_sleep(0.2)"


def migrate(schema: str, wanted: Sequence[Migration], *, pooler: bool = False) -> Flow[list[Migration]]:
    """Bring a schema up to date: in one transaction, but for the steps that are to be outside of any.

    Args:
        schema: its name.
        wanted: what it needs, in the order in which it is applied.
        pooler: whether a transaction pooler stands in between.

    Returns:
        The migrations that were applied.

    Raises:
        SchemaError: the schema was made by newer code, or by migrations that were edited since; it may not be created;
            a lock could not be had; or a migration is wrong.
    """
    for migration in wanted:
        check_migration(migration)
    done: list[Migration] = []
    while True:
        some, missing = yield from _apply_some(schema, wanted)
        done += some
        if not missing:
            return done
        if missing[0].in_transaction:
            # The registry has just got its columns.
            continue
        if pooler:
            raise SchemaError(
                f"{missing[0]} cannot be applied through a transaction pooler, because it needs a session of its "
                f"own{_so_far(done)}. Run `chancy --dsn … migrate` with the address of PostgreSQL itself, and "
                "CHANCY_POOLER=false."
            )
        done += yield from _apply_next(schema, missing[0], wanted)


def _apply_some(schema: str, wanted: Sequence[Migration]) -> Flow[tuple[list[Migration], list[Migration]]]:
    """Apply in one transaction what can be next. Returns that, and what is missing then."""
    try:
        yield from _begin(schema)
        done, missing = yield from _apply_missing(schema, wanted)
        yield Query(b"COMMIT")
    except BaseException as error:
        with suppress(psycopg.Error):
            yield Query(b"ROLLBACK")
        if isinstance(error, psycopg.Error):
            raise explained(schema, error, lock_timeout=LOCK_TIMEOUT) from error
        raise
    return done, missing


def _begin(schema: str) -> Flow[None]:
    while True:
        # Whatever the default of the database is: who had to wait sees what the one before did.
        yield Query(b"BEGIN ISOLATION LEVEL READ COMMITTED")
        # Two at once: the second waits here and then finds nothing to do.
        ((alone,),) = yield Query(b"SELECT pg_try_advisory_xact_lock(%(key)s)", {"key": _key(schema)})
        if alone:
            break
        yield Query(b"ROLLBACK")
        yield Query(AGAIN)
    yield Query(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'".encode())
    # A name without its schema is found nowhere then, instead of in a schema that the role happens to have in its path.
    yield Query(b"SET LOCAL search_path = ''")


def _key(schema: str) -> int:
    return 0x6368616E << 32 | zlib.crc32(schema.encode())


def _apply_missing(schema: str, wanted: Sequence[Migration]) -> Flow[tuple[list[Migration], list[Migration]]]:
    ((exists,),) = yield Query(b"SELECT to_regnamespace(%(schema)s) IS NOT NULL", {"schema": schema})
    if not exists:
        # Not IF NOT EXISTS: that asks for the permission even when there is nothing to create.
        yield Query(f"CREATE SCHEMA {quoted(schema)}".encode())
    found = yield from applied(schema)
    _refuse(schema, found or {}, wanted)
    missing = [one for one in wanted if one.version > _version(found, one.owner)]
    if not missing:
        return [], []
    if not (yield from _has_columns(schema)):
        yield Query(filled(registry(), schema).encode())
        if found:
            # By itself: whoever wants to look at the registry would wait for all that follows.
            return [], missing
    done: list[Migration] = []
    oldest = {owner: one.oldest for owner, one in (found or {}).items()}
    for migration in missing:
        # Nobody uses the tables of a schema that is only being made.
        if found and not migration.in_transaction:
            break
        yield from _apply(schema, migration)
        yield _record(schema, migration, oldest)
        done.append(migration)
    return done, missing[len(done) :]


def _apply(schema: str, migration: Migration) -> Flow[None]:
    try:
        yield Query(filled(text_of_step(migration), schema).encode())
    except psycopg.Error as error:
        raise explained(schema, error, migration, lock_timeout=LOCK_TIMEOUT) from error


def _apply_next(schema: str, migration: Migration, wanted: Sequence[Migration]) -> Flow[list[Migration]]:
    """Apply one step outside of a transaction, unless somebody else has done so meanwhile."""
    while True:
        ((alone,),) = yield Query(b"SELECT pg_try_advisory_lock(%(key)s)", {"key": _key(schema)})
        if alone:
            break
        yield Query(AGAIN)
    try:
        found = yield from applied(schema)
        _refuse(schema, found or {}, wanted)
        if _version(found, migration.owner) != migration.version - 1:
            return []
        yield from apply_outside(schema, migration)
        yield _record(schema, migration, {owner: one.oldest for owner, one in (found or {}).items()})
    finally:
        with suppress(psycopg.Error):
            yield Query(b"SELECT pg_advisory_unlock(%(key)s)", {"key": _key(schema)})
    return [migration]


def _refuse(schema: str, found: dict[str, Applied], wanted: Sequence[Migration]) -> None:
    newer = too_new(schema, found, wanted)
    if newer:
        raise newer
    changed = edited(found, wanted)
    if changed:
        raise refusal_of_edited(schema, changed)


def _version(found: dict[str, Applied] | None, owner: str) -> int:
    return found[owner].version if found and owner in found else 0


def _record(schema: str, migration: Migration, oldest: dict[str, int]) -> Query:
    """The statement that records a step; and who can live with it, which later steps go on from."""
    params = {
        "owner": migration.owner,
        "version": migration.version,
        "oldest": oldest_after(migration, oldest),
        "checksum": migration.checksum,
    }
    return Query(statement("record_migration", schema), params)


def oldest_after(migration: Migration, oldest: dict[str, int]) -> int:
    """The oldest version of the owner's code that works with the tables after a step; kept in `oldest`, by owner."""
    if not migration.compatible or migration.owner not in oldest:
        oldest[migration.owner] = migration.version
    return oldest[migration.owner]


def _has_columns(schema: str) -> Flow[bool]:
    rows = yield Query(
        b"SELECT 1 FROM pg_attribute WHERE attrelid = to_regclass(%(table)s) AND attname = 'checksum'",
        {"table": f"{schema}.migrations"},
    )
    return bool(rows)


def registry() -> str:
    """The statements that make the registry, or bring it up to date."""
    return files("chancy_core.store.migrations").joinpath("0000_migrations.sql").read_text(encoding="utf-8")


def filled(sql: str, schema: str) -> str:
    """Statements with the name of a schema in them."""
    return sql.replace("{schema}", quoted(schema))


def text_of_step(migration: Migration) -> str:
    """What a step is in the transaction of all of them."""
    if migration.owner == KERNEL:
        return migration.inside
    # A plugin's COMMIT would leave half of everything behind. In here the server refuses it.
    return f"DO LANGUAGE plpgsql {_literal(f'BEGIN EXECUTE {_literal(migration.inside)}; END')}"


def _literal(text: str) -> str:
    return Literal(text).as_string(None)


def _so_far(done: Sequence[Migration]) -> str:
    return f" (applied before it: {', '.join(f'{one.owner} {one.version}' for one in done)})" if done else ""
