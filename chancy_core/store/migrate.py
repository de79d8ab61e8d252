"""Migrations: forward, numbered, owned; one runner at a time; all of them or none."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from contextlib import suppress
from importlib.resources import files
from typing import Final, NamedTuple

import psycopg
from psycopg.sql import Identifier, Literal

from chancy_core.errors import SchemaError
from chancy_core.store.flow import Flow, Query

KERNEL: Final = "kernel"
# A migration that waits for a lock makes every later statement on that table wait behind it: it gives up soon instead.
LOCK_TIMEOUT: Final = "5s"


class Migration(NamedTuple):
    """One step of one owner's tables.

    Attributes:
        owner: the kernel, or a plugin's name.
        version: counts up from 1, without gaps, for each owner.
        sql: one or more statements; `{schema}` stands for the quoted schema.
    """

    owner: str
    version: int
    sql: str


def read_migrations(owner: str, package: str) -> list[Migration]:
    """The files `0001_….sql`, `0002_….sql` … of a package, in their order.

    Raises:
        SchemaError: a number is missing or given twice.
    """
    found = []
    for file in sorted(files(package).iterdir(), key=lambda file: file.name):
        number = file.name.partition("_")[0]
        if file.name.endswith(".sql") and number.isdigit() and int(number) > 0:
            found.append(Migration(owner, int(number), file.read_text(encoding="utf-8")))
    if [migration.version for migration in found] != list(range(1, len(found) + 1)):
        raise SchemaError(
            f"The migrations of {owner} are numbered {[m.version for m in found]}: count from 1, without gaps."
        )
    return found


def kernel_migrations() -> list[Migration]:
    """The kernel's own."""
    return read_migrations(KERNEL, "chancy_core.store.migrations")


def applied(schema: str) -> Flow[dict[str, int] | None]:
    """The version each owner has reached; None if the schema was never set up.

    Raises:
        SchemaError: this role may not look.
    """
    table = f"{schema}.migrations"
    try:
        ((exists,),) = yield Query(b"SELECT to_regclass(%(table)s) IS NOT NULL", {"table": table})
        if not exists:
            return None
        rows = yield Query(f"SELECT owner, max(version) FROM {_quoted(schema)}.migrations GROUP BY owner".encode())
    except psycopg.errors.InsufficientPrivilege as error:
        raise SchemaError(
            f"No permission to use the schema {schema!r}: {error.diag.message_primary}. Let its owner run: "
            f"GRANT USAGE ON SCHEMA {_quoted(schema)} TO <this role>; GRANT SELECT, INSERT, UPDATE, DELETE ON ALL "
            f"TABLES IN SCHEMA {_quoted(schema)} TO <this role>;"
        ) from error
    return dict(rows)


def problem(schema: str, versions: dict[str, int] | None, wanted: Sequence[Migration]) -> SchemaError | None:
    """What stands between a database at `versions` and code that knows `wanted`, if anything does."""
    run_this = (
        f"Run `chancy migrate` (or `await chancy.migrate()`) with schema={schema!r} before starting "
        "applications and workers."
    )
    if versions is None:
        return SchemaError(f"The schema {schema!r} has not been set up. {run_this}")
    latest = {migration.owner: migration.version for migration in wanted}
    for owner, version in latest.items():
        have = versions.get(owner, 0)
        if have < version:
            return SchemaError(
                f"The schema {schema!r} is at version {have} of {owner}, and this code needs {version}. {run_this}"
            )
    kernel = versions.get(KERNEL, 0)
    if kernel > latest.get(KERNEL, 0):
        return SchemaError(
            f"The schema {schema!r} is at version {kernel} of {KERNEL}, made by a newer chancy-core; this one "
            f"knows {latest.get(KERNEL, 0)}. Upgrade it: pip install --upgrade chancy-core."
        )
    return None


def migrate(schema: str, wanted: Sequence[Migration]) -> Flow[list[Migration]]:
    """Bring a schema up to date, in one transaction.

    Returns:
        The migrations that were applied.

    Raises:
        SchemaError: the schema was made by newer code, may not be created, or a lock could not be had.
    """
    try:
        # Whatever the default of the database is: who had to wait sees what the one before did.
        yield Query(b"BEGIN ISOLATION LEVEL READ COMMITTED")
        # Two at once: the second waits here and then finds nothing to do. The key is the schema's.
        yield Query(
            b"SELECT pg_advisory_xact_lock(%(key)s)",
            {"key": 0x6368616E << 32 | zlib.crc32(schema.encode())},
        )
        yield Query(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'".encode())
        done = yield from _apply_missing(schema, wanted)
        yield Query(b"COMMIT")
    except BaseException as error:
        with suppress(psycopg.Error):
            yield Query(b"ROLLBACK")
        if isinstance(error, psycopg.Error):
            raise _explained(schema, error) from error
        raise
    return done


def _apply_missing(schema: str, wanted: Sequence[Migration]) -> Flow[list[Migration]]:
    ((exists,),) = yield Query(b"SELECT to_regnamespace(%(schema)s) IS NOT NULL", {"schema": schema})
    if not exists:
        # Not IF NOT EXISTS: that asks for the permission even when there is nothing to create.
        yield Query(f"CREATE SCHEMA {_quoted(schema)}".encode())
    versions = (yield from applied(schema)) or {}
    newer = problem(schema, versions, wanted) if versions.get(KERNEL, 0) > _latest(wanted) else None
    if newer:
        raise newer
    if not versions:
        yield Query(_filled(_registry(), schema))
    done = []
    for migration in wanted:
        if migration.version > versions.get(migration.owner, 0):
            try:
                yield Query(_filled(_text(migration), schema))
            except psycopg.Error as error:
                raise _explained(schema, error, migration) from error
            yield Query(
                f"INSERT INTO {_quoted(schema)}.migrations (owner, version) "
                f"VALUES ({_literal(migration.owner)}, {migration.version})".encode()
            )
            done.append(migration)
    return done


def _latest(wanted: Sequence[Migration]) -> int:
    return max((m.version for m in wanted if m.owner == KERNEL), default=0)


def _registry() -> str:
    return files("chancy_core.store.migrations").joinpath("0000_migrations.sql").read_text(encoding="utf-8")


def _filled(sql: str, schema: str) -> bytes:
    return sql.replace("{schema}", _quoted(schema)).encode()


def _quoted(schema: str) -> str:
    return Identifier(schema).as_string(None)


def _text(migration: Migration) -> str:
    if migration.owner == KERNEL:
        return migration.sql
    # A plugin's COMMIT would leave half of everything behind. In here the server refuses it.
    return f"DO LANGUAGE plpgsql {_literal(f'BEGIN EXECUTE {_literal(migration.sql)}; END')}"


def _literal(text: str) -> str:
    return Literal(text).as_string(None)


def _explained(schema: str, error: psycopg.Error, migration: Migration | None = None) -> BaseException:
    if isinstance(error, psycopg.errors.InsufficientPrivilege):
        return SchemaError(
            f"No permission to set up the schema {schema!r}: {error.diag.message_primary}. Let an administrator "
            f"run: CREATE SCHEMA {_quoted(schema)} AUTHORIZATION <this role>; or GRANT CREATE ON DATABASE."
        )
    if isinstance(error, psycopg.errors.LockNotAvailable):
        return SchemaError(
            f"The migration of schema {schema!r} waited {LOCK_TIMEOUT} for a lock and gave up, so that nobody has "
            "to wait behind it; nothing was changed. Look for long transactions in pg_stat_activity and run it again."
        )
    if migration is not None and migration.owner != KERNEL and not isinstance(error, psycopg.OperationalError):
        return SchemaError(
            f"Migration {migration.version} of the plugin {migration.owner!r} failed, and nothing was changed: "
            f"{type(error).__name__}: {error.diag.message_primary or error}. Repair or uninstall the plugin (or set "
            f"enabled = false in [plugins.{migration.owner}]), and run `chancy migrate` again."
        )
    return error
