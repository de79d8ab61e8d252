"""What the tests of operations share: jobs by the hundred, and what became of each."""

from __future__ import annotations

from typing import Any

from chancy import Chancy, Job, JobFilter
from chancy_dashboard.acting.operations import store
from chancy_dashboard.acting.operations.advancing import LEASE_S, advance
from chancy_dashboard.acting.operations.begin import begin
from chancy_dashboard.acting.operations.values import Operation

MAIL = JobFilter(funcs="app.mail")


async def mails(chancy: Chancy, count: int, **fields: Any) -> list[Any]:
    """So many jobs that wait."""
    return list(await chancy.push_many("default", [Job(func="app.mail", **fields)] * count))


async def failed(chancy: Chancy, query: Any, count: int, **fields: Any) -> list[Any]:
    """So many jobs that have failed."""
    refs = await mails(chancy, count, **fields)
    query(
        "WITH gone AS (DELETE FROM {s}.jobs WHERE id = ANY (%s) RETURNING *) "
        "INSERT INTO {s}.finished_jobs (id, queue, func, priority, state, max_attempts, attempts, claims, created_at, "
        "started_at, unique_key, kwargs) "
        "SELECT id, queue, func, priority, 'failed', max_attempts, 1, claims + 1, created_at, now(), unique_key, "
        "kwargs FROM gone",
        [one.identifier for one in refs],
    )
    return refs


async def begun(chancy: Chancy, word: str, wanted: JobFilter = MAIL, **more: Any) -> Operation:
    """An operation whose jobs are counted."""
    return await begin(chancy, word, wanted, by="ada", source="192.0.2.1", **more)


async def go_on(chancy: Chancy, holder: str = "test") -> Operation | None:
    """Take what has to be advanced, and advance it as far as it goes."""
    taken = await store.take(chancy, holder, LEASE_S)
    return None if taken is None else await advance(chancy, taken)
