"""What is stored of operations."""

from __future__ import annotations

import json
import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

import psycopg

from chancy import Chancy, Hit, Hits
from chancy.plugin import Statements, opened, with_connection
from chancy_dashboard.acting.operations.values import Operation, State

SQL: Final = Statements("chancy_dashboard.acting.operations.sql")
# A batch takes some 20 ms, and holds its locks no longer.
BATCH: Final = 500
# How long one waits for somebody to confirm it, and how long what came of it is kept.
UNCONFIRMED_S: Final = 3600.0
KEPT_S: Final = 90 * 86_400.0

Connection = psycopg.AsyncConnection[Any]


async def insert(chancy: Chancy, operation: Mapping[str, Any]) -> None:
    """Store a new operation; and forget old ones, because nobody else does."""
    schema = chancy.settings.schema
    values = {**operation, "options": json.dumps(operation["options"])}

    async def write(connection: Connection) -> None:
        await SQL.rows(connection, schema, "insert_operation", **values)
        await SQL.rows(connection, schema, "forget_operations", unconfirmed_s=UNCONFIRMED_S, kept_s=KEPT_S)

    await with_connection(await opened(chancy), write)


async def get(chancy: Chancy, id_: uuid.UUID) -> Operation | None:
    """One operation; None: there is none of that id, or not any more."""
    found = await _ask(chancy, "find_operations", id=id_, limit=1)
    return found[0] if found else None


async def latest(chancy: Chancy, limit: int) -> list[Operation]:
    """Operations, the newest first."""
    return await _ask(chancy, "find_operations", id=None, limit=limit)


async def take(chancy: Chancy, holder: str, lease_s: float, id_: uuid.UUID | None = None) -> Operation | None:
    """Take an operation to advance it; None: there is none, or others advance it."""
    found = await _ask(chancy, "take_operation", id=id_, holder=holder, lease_s=lease_s)
    return found[0] if found else None


async def confirm(chancy: Chancy, id_: uuid.UUID, *, found: int, by: str, reason: str) -> Operation | None:
    """Let an operation begin, or go on; None: it cannot, or it is about another number of jobs."""
    rows = await _ask(chancy, "confirm_operation", id=id_, found=found, confirmed_by=by, reason=reason)
    return rows[0] if rows else None


async def stop(chancy: Chancy, id_: uuid.UUID) -> Operation | None:
    """Have an operation stopped; None: it does not run."""
    rows = await _ask(chancy, "stop_operation", id=id_)
    return rows[0] if rows else None


async def release(chancy: Chancy, operation: Operation) -> None:
    """Let another process advance it."""
    await _ask(chancy, "release_operation", id=operation.id, term=operation.term)


# -- in the transaction of whoever advances it -------------------------------------------------


async def hold(connection: Connection, schema: str, operation: Operation, lease_s: float) -> Operation | None:
    """Lock it, and read it anew; None: another process has taken it."""
    rows = await SQL.dicts(connection, schema, "hold_operation", id=operation.id, term=operation.term, lease_s=lease_s)
    return _made(rows[0]) if rows else None


async def write_found(connection: Connection, schema: str, operation: Operation, found: Hits) -> None:
    """Keep what was found, and how far was looked."""
    batch = operation.batches
    for start in range(0, len(found.hits), BATCH):
        hits = found.hits[start : start + BATCH]
        await SQL.rows(
            connection,
            schema,
            "insert_targets",
            operation=operation.id,
            batch=batch,
            ids=[hit.id for hit in hits],
            states=[hit.state for hit in hits],
            claims=[hit.claims for hit in hits],
        )
        batch += 1
    by_state = Counter(operation.by_state) + Counter(hit.state for hit in found.hits)
    await SQL.rows(
        connection,
        schema,
        "write_found",
        id=operation.id,
        after=found.next,
        counted=found.next is None,
        found=operation.found + len(found.hits),
        by_state=json.dumps(by_state),
        batches=batch,
    )


async def read_targets(connection: Connection, schema: str, operation: Operation) -> list[Hit]:
    """The jobs of the batch that is next."""
    ((ids, states, claims),) = await SQL.rows(
        connection, schema, "read_targets", operation=operation.id, batch=operation.next_batch
    )
    return [Hit(*one) for one in zip(ids, states, claims, strict=True)]


async def write_done(
    connection: Connection, schema: str, operation: Operation, done: Mapping[str, int], skipped: Mapping[str, int]
) -> None:
    """Keep what came of that batch."""
    await SQL.rows(
        connection,
        schema,
        "write_done",
        id=operation.id,
        next_batch=operation.next_batch + 1,
        done=json.dumps(Counter(operation.done) + Counter(done)),
        skipped=json.dumps(Counter(operation.skipped) + Counter(skipped)),
    )


async def end(
    connection: Connection,
    schema: str,
    operation: Operation,
    state: State,
    *,
    error: str | None = None,
    fresh: int | None = None,
) -> None:
    """End it. What it was about is forgotten where it cannot go on."""
    await SQL.rows(connection, schema, "end_operation", id=operation.id, state=state.value, error=error, fresh=fresh)
    if state is State.DONE:
        await SQL.rows(connection, schema, "forget_targets", id=operation.id)


async def count_strangers(connection: Connection, schema: str, operation: Operation, ids: Sequence[uuid.UUID]) -> int:
    """How many of these jobs it is not about."""
    ((count,),) = await SQL.rows(connection, schema, "count_strangers", operation=operation.id, ids=list(ids))
    return int(count)


async def _ask(chancy: Chancy, name: str, **params: Any) -> list[Operation]:
    async def ask(connection: Connection) -> list[dict[str, Any]]:
        return await SQL.dicts(connection, chancy.settings.schema, name, **params)

    return [_made(row) for row in await with_connection(await opened(chancy), ask)]


def _made(row: Mapping[str, Any]) -> Operation:
    return Operation(**{**row, "state": State(row["state"])})
