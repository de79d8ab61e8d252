"""What went wrong with a migration, in words that say what to do."""

from __future__ import annotations

from typing import Final

import psycopg

from chancy_core.errors import SchemaError
from chancy_core.store.migrationfiles import KERNEL, Migration
from chancy_core.store.registry import quoted
from chancy_core.store.sqltext import statements_in

# What the server says of a name that it looks for, or would make, in the search_path, which is empty.
_NOWHERE: Final = (
    psycopg.errors.InvalidSchemaName,
    psycopg.errors.UndefinedTable,
    psycopg.errors.UndefinedFunction,
    psycopg.errors.UndefinedObject,
)
# So much of a statement is shown.
_SHOWN: Final = 80


def explained(
    schema: str, error: psycopg.Error, migration: Migration | None = None, *, lock_timeout: str
) -> BaseException:
    """The error to raise for one of a migration's statements."""
    if isinstance(error, psycopg.errors.InsufficientPrivilege):
        return SchemaError(
            f"No permission to set up the schema {schema!r}: {error.diag.message_primary}. Let an administrator "
            f"run: CREATE SCHEMA {quoted(schema)} AUTHORIZATION <this role>; or GRANT CREATE ON DATABASE."
        )
    if isinstance(error, psycopg.errors.LockNotAvailable):
        return SchemaError(
            f"The migration of schema {schema!r} waited {lock_timeout} for a lock and gave up, so that nobody has "
            "to wait behind it; nothing was changed. Look for long transactions in pg_stat_activity and run it again."
        )
    if migration is not None and migration.owner != KERNEL and not isinstance(error, psycopg.OperationalError):
        return SchemaError(
            f"Migration {migration.version} of the plugin {migration.owner!r} failed, and nothing was changed: "
            f"{type(error).__name__}: {error.diag.message_primary or error}.{_unqualified(error, migration)} Repair or "
            f"uninstall the plugin (or set enabled = false in [plugins.{migration.owner}]), and run `chancy migrate` "
            "again."
        )
    return error


def _unqualified(error: psycopg.Error, migration: Migration) -> str:
    """That a name lacks its schema, if that may be what is wrong; and where."""
    if not isinstance(error, _NOWHERE):
        return ""
    bare = [text for text in statements_in(migration.sql) if "{schema}" not in text]
    shown = f", as in {bare[0][:_SHOWN]!r}" if bare else ""
    where = f" in {migration.file}" if migration.file else ""
    return (
        f" A name without its schema{where}{shown}? Write {{schema}}. before each table and the like, and the schema "
        "of an extension before what is the extension's: migrations are applied with an empty search_path."
    )
