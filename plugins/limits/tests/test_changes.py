"""Queues that change while workers run, and workers that do not get to the end of a claim."""

from __future__ import annotations

import asyncio
import signal
from typing import Any

import psycopg
import pytest

from chancy import Job, Queue, State, Worker
from chancy.plugins.limits import Limits
from chancy.testing import WITHIN_S

NAP = Job(func="limited_jobs.nap")
LONG = NAP.with_kwargs(seconds=3600)
# A polling interval that no test waits for.
NEVER_S = 3600


async def states(chancy: Any, queue: str = "api") -> dict[str, int]:
    return (await chancy.count_jobs()).get(queue, {})


async def test_limits_change_while_workers_run(new_chancy: Any, until: Any) -> None:
    """A limit that is raised, set and taken away reaches workers that wait, at once."""
    async with new_chancy() as chancy, Worker(chancy, grace_s=0):
        await chancy.declare(Queue("api", global_concurrency=2, polling_interval=NEVER_S))
        await chancy.push_many("api", [LONG] * 20)
        await until(lambda: has(chancy, running=2, pending=18))
        await chancy.declare(Queue("api", global_concurrency=5, polling_interval=NEVER_S), upsert=True)
        await until(lambda: has(chancy, running=5, pending=15))
        await chancy.declare(Queue("api", rate_limit=3, rate_limit_window=3600, polling_interval=NEVER_S), upsert=True)
        await until(lambda: has(chancy, running=8, pending=12))
        await chancy.declare(Queue("api", polling_interval=NEVER_S), upsert=True)
        await until(lambda: has(chancy, running=20))


async def has(chancy: Any, **expected: int) -> bool:
    return await states(chancy) == expected


async def test_a_paused_and_a_deleted_queue(new_chancy: Any, until: Any) -> None:
    """Pausing, purging and declaring anew work for limited queues as for others; the window outlives a deletion."""
    async with new_chancy() as chancy, Worker(chancy):
        limited = Queue("api", rate_limit=5, rate_limit_window=3600, polling_interval=NEVER_S)
        await chancy.declare(limited)
        await chancy.wait_for_jobs(await chancy.push_many("api", [NAP] * 3), timeout=WITHIN_S)
        await chancy.pause_queue("api")
        waiting = await chancy.push_many("api", [NAP] * 4)
        await (await chancy.push(NAP)).wait(timeout=WITHIN_S)
        assert await states(chancy) == {"pending": 4}
        await chancy.resume_queue("api")
        await chancy.wait_for_jobs(waiting[:2], timeout=WITHIN_S)
        assert await states(chancy) == {"pending": 2}
        assert await chancy.delete_queue("api") == 2
        assert (await waiting[3].get()).state is State.CANCELLED
        await chancy.declare(limited)
        again = await chancy.push("api", NAP)
        await (await chancy.push(NAP)).wait(timeout=WITHIN_S)
        assert (await again.get()).state is State.PENDING
        await chancy.declare(Queue("api"), upsert=True)
        await again.wait(timeout=WITHIN_S)


async def test_other_queues_do_not_wait(new_chancy: Any, dsn: str, schema: str, query: Any) -> None:
    """Whoever holds one queue's lock stops that queue only, and its workers ask again soon after it is gone."""
    async with new_chancy() as chancy, Worker(chancy):
        for name in ("api", "other"):
            await chancy.declare(Queue(name, rate_limit=1000, polling_interval=NEVER_S))
        async with await psycopg.AsyncConnection.connect(dsn) as holder:
            lock = f"chancy.limits {schema} api"
            await holder.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [lock])
            stuck = await chancy.push("api", NAP)
            for queue in ("other", "default", "other"):
                await (await chancy.push(queue, NAP)).wait(timeout=WITHIN_S)
            assert (await stuck.get()).state is State.PENDING
            await holder.rollback()
            await stuck.wait(timeout=WITHIN_S)


async def test_a_worker_that_is_stopped_in_a_claim_holds_nobody_up(
    new_chancy: Any, start: Any, until: Any, query: Any
) -> None:
    """A process that is stopped (SIGSTOP) while it holds the lock loses it, and claims nothing then."""
    async with new_chancy() as chancy:
        await chancy.declare(Queue("api", rate_limit=1000, polling_interval=0.1))
        (process,) = await asyncio.to_thread(start, 1, "20", "stop")
        first = await chancy.push("api", NAP)
        await until(lambda: _stopped(process.pid))
        async with Worker(chancy):
            assert (await first.wait(timeout=WITHIN_S)).state is State.SUCCEEDED
        process.send_signal(signal.SIGCONT)
        assert query("SELECT sum(count)::int FROM {s}.limits_starts") == [(1,)]


def _stopped(pid: int) -> bool:
    with open(f"/proc/{pid}/stat") as stat:  # noqa: PTH123
        return stat.read().rpartition(")")[2].split()[0] == "T"


@pytest.mark.parametrize("interval", [0, -1.0, None, float("nan")])
def test_a_bad_interval_is_refused(interval: Any) -> None:
    """The interval of sweeps is a number of seconds."""
    with pytest.raises(ValueError, match=r"interval is .*: give seconds from 0\.01 to"):
        Limits(interval=interval)


async def test_behind_a_transaction_pooler(new_chancy: Any) -> None:
    """With `pooler`, each claim brings its settings with it, and limits hold all the same."""
    async with new_chancy(pooler=True) as chancy, Worker(chancy, grace_s=0):
        await chancy.declare(Queue("api", global_concurrency=2, polling_interval=0.1))
        references = await chancy.push_many("api", [NAP.with_kwargs(seconds=0.05)] * 8)
        jobs = await chancy.wait_for_jobs(references, timeout=WITHIN_S)
    assert {job.state for job in jobs} == {State.SUCCEEDED}
