"""What `migrate` would do, without doing it: which steps, and as a script for somebody who may change the schema."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from psycopg.sql import Literal

from chancy_core.errors import SchemaError
from chancy_core.store.migrate import LOCK_TIMEOUT, filled, oldest_after, registry, text_of_step
from chancy_core.store.migrationfiles import Migration
from chancy_core.store.registry import Applied, edited, quoted, refusal_of_edited, too_new

_BEGIN: Final = (
    f"BEGIN ISOLATION LEVEL READ COMMITTED;\nSET LOCAL lock_timeout = '{LOCK_TIMEOUT}';\nSET LOCAL search_path = '';"
)


def missing_of(found: Mapping[str, Applied] | None, wanted: Sequence[Migration]) -> list[Migration]:
    """The steps that have not been applied, in the order in which they would be."""
    have = {owner: one.version for owner, one in (found or {}).items()}
    return [one for one in wanted if one.version > have.get(one.owner, 0)]


def refusal(schema: str, found: Mapping[str, Applied] | None, wanted: Sequence[Migration]) -> SchemaError | None:
    """Why `migrate` would refuse: newer code made the schema, or steps were edited; None if it would not."""
    newer = too_new(schema, found or {}, wanted)
    if newer is not None:
        return newer
    changed = edited(found or {}, wanted)
    return refusal_of_edited(schema, changed) if changed else None


def script(schema: str, found: Mapping[str, Applied] | None, wanted: Sequence[Migration]) -> Iterator[str]:
    """The statements that would be run, in parts."""
    oldest = {owner: one.oldest for owner, one in (found or {}).items()}
    yield _BEGIN
    if found is None:
        yield f"CREATE SCHEMA IF NOT EXISTS {quoted(schema)};"
    yield filled(registry(), schema).strip()
    open_ = True
    for step in missing_of(found, wanted):
        # Nobody uses the tables of a schema that is only being made.
        inside = step.in_transaction or not found
        if inside is not open_:
            yield _BEGIN if inside else "COMMIT;"
            open_ = inside
        yield _step(schema, step, oldest, text_of_step(step) if inside else step.sql)
    if open_:
        yield "COMMIT;"


def _step(schema: str, step: Migration, oldest: dict[str, int], sql: str) -> str:
    values = ", ".join(
        Literal(value).as_string(None)
        for value in (step.owner, step.version, oldest_after(step, oldest), step.checksum)
    )
    return (
        f"-- {step}\n{filled(sql, schema).strip().rstrip(';')};\n"
        f"INSERT INTO {quoted(schema)}.migrations (owner, version, oldest, checksum) VALUES ({values});"
    )
