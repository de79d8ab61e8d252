"""What has to be true of the jobs of a schema, whatever was killed meanwhile."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import ledger
from support import WITHIN_S, until

from chancy_core.app import Chancy


async def rows(chancy: Chancy, query: str, *parameters: object) -> list[tuple[Any, ...]]:
    async with chancy.pool.connection() as connection:
        text = query.replace("{schema}", chancy.settings.schema)
        return await (await connection.execute(text, parameters)).fetchall()


async def count(chancy: Chancy, query: str, *parameters: object) -> int:
    return (await rows(chancy, query, *parameters))[0][0]


def counts(chancy: Chancy, query: str, at_least: int) -> Callable[[], Awaitable[bool]]:
    async def condition() -> bool:
        return await count(chancy, query) >= at_least

    return condition


FINISHED = "SELECT count(*) FROM {schema}.finished_jobs"
LIVE = "SELECT count(*) FROM {schema}.jobs"


async def all_done(chancy: Chancy, number: int, within_s: float = 10 * WITHIN_S) -> None:
    """Wait until so many jobs have finished, and none is left."""

    async def done() -> bool:
        await asyncio.sleep(0.05)
        return await count(chancy, LIVE) == 0 and await count(chancy, FINISHED) >= number

    await until(done, within_s)


async def check_the_books(chancy: Chancy, book: Path, number: int) -> list[tuple[Any, ...]]:
    """Each job has one outcome, which belongs to a run that was begun, and no run was begun twice.

    Returns:
        The finished jobs: id, state, attempts, claims, worker, number of errors.
    """
    finished = await rows(
        chancy,
        "SELECT id::text, state, attempts, claims, worker, coalesce(jsonb_array_length(errors), 0)"
        " FROM {schema}.finished_jobs",
    )
    assert len(finished) == number
    assert len({row[0] for row in finished}) == number
    assert await count(chancy, LIVE) == 0
    assert await count(chancy, FINISHED + " WHERE attempts > max_attempts") == 0
    runs = ledger.read(book)
    begun = Counter((run["id"], run["claims"]) for run in runs)
    assert set(begun.values()) == {1}
    by_run = {(run["id"], run["claims"]): run["worker"] for run in runs}
    for id_, _, attempts, claims, worker, _ in finished:
        # The accepted outcome is that of the job's last run, where it ran.
        assert by_run[id_, claims] == worker
        assert (id_, claims + 1) not in by_run
        assert attempts <= claims
    return finished
