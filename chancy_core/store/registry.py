"""The registry: which steps were applied to a schema, and whether this code can work with what they made."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import psycopg
from psycopg.sql import Identifier

from chancy_core.errors import SchemaError
from chancy_core.store.flow import Flow, Query
from chancy_core.store.migrationfiles import KERNEL, Migration
from chancy_core.store.statements import statement

# What the setting `schema` is if nobody says anything: a command need not name it.
USUAL: Final = "chancy"


class Applied(NamedTuple):
    """What was applied of one owner's migrations.

    Attributes:
        version: the last of them.
        oldest: the oldest version of the owner's code that works with the tables as they are.
        checksums: of each that has one, by its version.
    """

    version: int
    oldest: int
    checksums: Mapping[int, str]


def quoted(schema: str) -> str:
    """The name of a schema as statements have it."""
    return Identifier(schema).as_string(None)


def applied(schema: str) -> Flow[dict[str, Applied] | None]:
    """What was applied, for each owner; None if the schema was never set up.

    Raises:
        SchemaError: this role may not look.
    """
    table = f"{schema}.migrations"
    try:
        ((exists,),) = yield Query(b"SELECT to_regclass(%(table)s) IS NOT NULL", {"table": table})
        if not exists:
            return None
        rows = yield Query(statement("read_registry", schema))
    except psycopg.errors.InsufficientPrivilege as error:
        raise SchemaError(
            f"No permission to use the schema {schema!r}: {error.diag.message_primary}. Let its owner run: "
            f"GRANT USAGE ON SCHEMA {quoted(schema)} TO <this role>; GRANT SELECT, INSERT, UPDATE, DELETE ON ALL "
            f"TABLES IN SCHEMA {quoted(schema)} TO <this role>;"
        ) from error
    found: dict[str, Applied] = {}
    for owner, version, oldest, checksum in rows:
        checksums = {**found[owner].checksums} if owner in found else {}
        if checksum is not None:
            checksums[version] = checksum
        # Older code did not say who can live with what it applied: nobody but those who know it.
        found[owner] = Applied(version, version if oldest is None else oldest, checksums)
    return found


def problem(schema: str, found: Mapping[str, Applied] | None, wanted: Sequence[Migration]) -> SchemaError | None:
    """What stands between a schema, and code that knows `wanted`, if anything does."""
    named = "" if schema == USUAL else f" --schema {shlex.quote(schema)}"
    run_this = f"Run `chancy{named} migrate` (or `await chancy.migrate()`) before starting applications and workers."
    if found is None:
        return SchemaError(f"The schema {schema!r} has not been set up. {run_this}")
    for owner, version in _latest(wanted).items():
        have = found[owner].version if owner in found else 0
        if have < version:
            return SchemaError(
                f"The schema {schema!r} is at version {have} of {owner}, and this code needs {version}. {run_this}"
            )
    return too_new(schema, found, wanted)


def too_new(schema: str, found: Mapping[str, Applied], wanted: Sequence[Migration]) -> SchemaError | None:
    """What newer code has done to a schema that this code cannot work with, if it has."""
    # Code without any migration of its own has no tables, and nothing to fear.
    for owner, version in {KERNEL: 0, **_latest(wanted)}.items():
        has = found.get(owner)
        if has is not None and has.version > version and has.oldest > version:
            name = "chancy-core" if owner == KERNEL else f"version of the plugin {owner!r}"
            return SchemaError(
                f"The schema {schema!r} is at version {has.version} of {owner}, made by a newer {name}, after which "
                f"code older than version {has.oldest} does not work any more; this one knows {version}. Upgrade it"
                + (": pip install --upgrade chancy-core." if owner == KERNEL else ".")
            )
    return None


def edited(found: Mapping[str, Applied], wanted: Sequence[Migration]) -> list[Migration]:
    """The migrations whose statements are not those that were applied."""
    return [
        migration
        for migration in wanted
        if migration.owner in found
        and found[migration.owner].checksums.get(migration.version, migration.checksum) != migration.checksum
    ]


def refusal_of_edited(schema: str, changed: Sequence[Migration]) -> SchemaError:
    """What to say of migrations that were edited after they had been applied."""
    names = ", ".join(map(str, changed))
    accept = " ".join(
        f"UPDATE {quoted(schema)}.migrations SET checksum = NULL WHERE owner = '{one.owner}' "
        f"AND version = {one.version};"
        for one in changed
    )
    return SchemaError(
        f"{names}: its statements are not those that were applied to the schema {schema!r}, so that this schema is "
        "not what a new one would be. Nothing was changed. Undo the edit, and write what is to change as a migration "
        "of its own; a schema without jobs that matter can be dropped. If you know that both come to the same: "
        f"{accept}"
    )


def _latest(wanted: Sequence[Migration]) -> dict[str, int]:
    return {migration.owner: migration.version for migration in wanted}
