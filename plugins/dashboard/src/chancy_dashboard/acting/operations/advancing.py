"""One step of an operation after the other, each in a transaction of its own that also keeps what came of it.

Whoever takes an operation raises its term. Each step begins by locking the operation's row, in that term: so two
processes never do the same step, and one that was silent for so long that another took over does nothing any more. A
batch of jobs and the number of the next one are written together: whatever is killed, and whichever answer is lost, a
batch is done once.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from typing import Any, Final

from msgspec.structs import replace

from chancy import Acted, Chancy, Hit
from chancy.errors import ChancyError
from chancy.plugin import is_outage, log, opened, text_of
from chancy_dashboard.acting.operations import store
from chancy_dashboard.acting.operations.values import Operation, State, changes

# Longer than a step takes on a machine that does a hundred other things. So long, a killed process is not replaced.
LEASE_S: Final = 30.0
# So many are found in one go, and for so long, until progress is told.
FOUND_AT_ONCE: Final = 10_000
LOOK_S: Final = 0.5
# How long it is looked, at the end, for jobs that came meanwhile.
LOOK_AGAIN_S: Final = 1.0
# After a batch the workers have the database for that share of its time.
REST: Final = 0.8
# A step that could not be done because the database was away is tried again so often, so long after another.
TRIES: Final = 10
PAUSE_S: Final = 0.5


async def advance(chancy: Chancy, operation: Operation) -> Operation | None:
    """Advance an operation that was taken, until it waits for somebody, or is over.

    Returns:
        What it is then; None: another process has taken it.

    Raises:
        psycopg.Error, ChancyError: the database is away, and was so for several tries. It goes on where it was.
    """
    failures = 0
    while True:
        began = time.monotonic()
        try:
            next_ = await _step(chancy, operation)
        except Exception as error:
            failures += 1
            if not is_outage(error):
                return await _failed(chancy, operation, error)
            if failures == TRIES:
                raise
            await asyncio.sleep(PAUSE_S)
            continue
        failures = 0
        if next_ is None or not next_.state.moves:
            return next_
        if next_.next_batch > operation.next_batch:
            await asyncio.sleep((time.monotonic() - began) * REST)
        operation = next_


async def _step(chancy: Chancy, operation: Operation) -> Operation | None:
    if operation.state is State.COUNTING:
        return await _count(chancy, operation)
    if operation.next_batch < operation.batches:
        return await _act(chancy, operation)
    return await _finish(chancy, operation)


async def _count(chancy: Chancy, operation: Operation) -> Operation | None:
    """Look for some more of its jobs."""
    found = await chancy.find_hits(
        operation.wanted, action=operation.action, limit=FOUND_AT_ONCE, after=operation.after, within_s=LOOK_S
    )
    schema, pool = chancy.settings.schema, await opened(chancy)
    async with pool.connection() as connection, connection.transaction():
        held = await store.hold(connection, schema, operation, LEASE_S)
        if held is None or held.state is not State.COUNTING:
            return held
        if held.after != operation.after:
            # This was kept already, and the answer was lost.
            return held
        await store.write_found(connection, schema, held, found)
        return await store.hold(connection, schema, operation, LEASE_S if found.next else 0)


async def _act(chancy: Chancy, operation: Operation) -> Operation | None:
    """Do it to the next batch."""
    schema, pool = chancy.settings.schema, await opened(chancy)
    async with pool.connection() as connection, connection.transaction():
        held = await store.hold(connection, schema, operation, LEASE_S)
        if held is None or not held.state.moves:
            return held
        if held.state is State.STOPPING:
            await store.end(connection, schema, held, State.STOPPED)
        elif held.next_batch < held.batches:
            hits = await store.read_targets(connection, schema, held)
            acted = await _do(chancy, held, hits, connection)
            await store.write_done(connection, schema, held, acted.done, acted.skipped)
        return await store.hold(connection, schema, operation, LEASE_S)


async def _do(chancy: Chancy, operation: Operation, hits: list[Hit], connection: Any) -> Acted:
    match operation.action:
        case "cancel_jobs":
            return await chancy.cancel_jobs(hits, reason=operation.reason or None, connection=connection)
        case "retry_jobs":
            return await chancy.retry_jobs(hits, connection=connection)
        case "delete_jobs":
            return await chancy.delete_jobs(hits, connection=connection)
        case _:
            return await chancy.update_jobs(hits, **changes(operation.options), connection=connection)


async def _finish(chancy: Chancy, operation: Operation) -> Operation | None:
    """All batches are done: look for what came meanwhile, and say that it is over."""
    fresh = await _count_fresh(chancy, operation)
    schema, pool = chancy.settings.schema, await opened(chancy)
    async with pool.connection() as connection, connection.transaction():
        held = await store.hold(connection, schema, operation, LEASE_S)
        if held is None or not held.state.moves:
            return held
        await store.end(connection, schema, held, State.DONE, fresh=fresh)
        return replace(held, state=State.DONE, fresh=fresh)


async def _count_fresh(chancy: Chancy, operation: Operation) -> int | None:
    """How many jobs match by now that were not counted, as far as there is time to look; None: it is not known."""
    fresh, after, until = 0, None, time.monotonic() + LOOK_AGAIN_S
    schema, pool = chancy.settings.schema, await opened(chancy)
    try:
        while True:
            found = await chancy.find_hits(
                operation.wanted, action=operation.action, limit=FOUND_AT_ONCE, after=after, within_s=LOOK_S
            )
            if found.hits:
                async with pool.connection() as connection:
                    ids: list[uuid.UUID] = [hit.id for hit in found.hits]
                    fresh += await store.count_strangers(connection, schema, operation, ids)
            after = found.next
            if after is None or time.monotonic() > until:
                return fresh
    except Exception as error:  # noqa: BLE001 -- everything is done by then
        log.warning("dashboard_operation_not_counted_again", operation=str(operation.id), error=text_of(error))
        return None


async def _failed(chancy: Chancy, operation: Operation, error: Exception) -> Operation | None:
    """What it could not do is no outage: it ends, and what was done before stays done."""
    told = str(error) if isinstance(error, ChancyError) else text_of(error)
    log.error("dashboard_operation_failed", operation=str(operation.id), error=told)
    schema, pool = chancy.settings.schema, await opened(chancy)
    async with pool.connection() as connection, connection.transaction():
        held = await store.hold(connection, schema, operation, LEASE_S)
        if held is None or not held.state.moves:
            return held
        await store.end(connection, schema, held, State.FAILED, error=told[:2000])
        return replace(held, state=State.FAILED, error=told[:2000])
