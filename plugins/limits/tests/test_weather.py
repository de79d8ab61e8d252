"""What the database does, and rows by somebody's hand: a limited queue is claimed from again by itself."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import psycopg
import pytest

from chancy import Job, Queue, State, Worker

NAP = Job(func="limited_jobs.nap")


@pytest.fixture
def events(caplog: Any) -> Any:
    """The events of one name that were logged, as their fields."""
    caplog.set_level(logging.INFO, "chancy")
    return lambda name: [record.fields for record in caplog.records if getattr(record, "event", None) == name]


async def test_the_clock_that_is_set_back_stops_no_limited_queue(new_chancy: Any, query: Any, events: Any) -> None:
    """Starts that lie an hour ahead, as they then do, count from now: jobs start a window later. It is said once."""
    async with new_chancy() as chancy, Worker(chancy):
        await chancy.declare(Queue("api", rate_limit=5, rate_limit_window=1, polling_interval=0.1))
        await chancy.wait_for_jobs(await chancy.push_many("api", [NAP] * 5), timeout=60)
        await asyncio.to_thread(query, "UPDATE {s}.limits_starts SET at = at + interval '1 hour'")
        jobs = await chancy.wait_for_jobs(await chancy.push_many("api", [NAP] * 5), timeout=60)
        assert {job.state for job in jobs} == {State.SUCCEEDED}
        assert query("SELECT max(at) < now() + interval '1 minute' FROM {s}.limits_starts") == [(True,)]
    assert [fields["queue"] for fields in events("starts_pulled")] == ["api"]


async def test_starts_that_are_pulled_count_for_a_whole_window(new_chancy: Any, query: Any, until: Any) -> None:
    """Setting the clock back is no way round a limit: what was started just before still counts."""
    async with new_chancy() as chancy, Worker(chancy):
        await chancy.declare(Queue("api", rate_limit=5, rate_limit_window=600, polling_interval=0.05))
        await chancy.wait_for_jobs(await chancy.push_many("api", [NAP] * 5), timeout=60)
        await asyncio.to_thread(query, "UPDATE {s}.limits_starts SET at = at + interval '1 hour'")
        late = await chancy.push("api", NAP)
        await until(lambda: query("SELECT max(at) < now() + interval '5 minutes' FROM {s}.limits_starts")[0][0])
        assert query("SELECT sum(count)::int FROM {s}.limits_starts") == [(5,)]
        assert (await late.get()).state is State.PENDING


@pytest.mark.parametrize(
    ("at", "count"),
    [("infinity", 5), ("-infinity", 5), ("200000-01-01", 2147483647), ("4000-01-01 BC", 1), ("now", 2147483647)],
)
async def test_a_start_that_somebody_wrote_costs_no_more_than_a_window(
    new_chancy: Any, query: Any, at: str, count: int
) -> None:
    """Whatever its time and its number, the queue is claimed from once it has left the window."""
    async with new_chancy() as chancy, Worker(chancy):
        await chancy.declare(Queue("api", rate_limit=5, rate_limit_window=1, polling_interval=0.1))
        await asyncio.to_thread(
            query,
            "INSERT INTO {s}.limits_starts VALUES ('api', %s, %s), ('api', now() + interval '2 h', %s)",
            at,
            count,
            count,
        )
        job = await (await chancy.push("api", NAP)).wait(timeout=60)
        assert job.state is State.SUCCEEDED
        assert not chancy.plugins.failures


async def test_a_lock_on_the_starts_delays_and_that_is_all(
    new_chancy: Any, events: Any, dsn: str, schema: str, until: Any
) -> None:
    """While somebody holds the table nothing is claimed from that queue and nobody is blamed; afterwards it goes on."""
    async with new_chancy() as chancy, Worker(chancy):
        await chancy.declare(Queue("api", rate_limit=50, rate_limit_window=1, polling_interval=0.05))
        await (await chancy.push("api", NAP)).wait(timeout=60)
        async with await psycopg.AsyncConnection.connect(dsn) as holder:
            await holder.execute(f'LOCK TABLE "{schema}".limits_starts'.encode())
            late = await chancy.push("api", NAP)
            await until(lambda: events("hook_put_off"), within_s=60)
            assert (await (await chancy.push(NAP)).wait(timeout=60)).state is State.SUCCEEDED
            assert (await late.get()).state is State.PENDING
        assert (await late.wait(timeout=60)).state is State.SUCCEEDED
        assert not chancy.plugins.failures
