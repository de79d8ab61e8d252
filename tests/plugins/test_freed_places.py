"""Limits across all workers: whoever waits for a place comes back when there is one."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from keepers import ECHO, NEVER_S, Keeper, keeper
from support import WITHIN_S, until

from chancy import Budget, Chancy, Job, Queue, State, Worker, hookimpl


async def test_a_worker_comes_back_when_the_budget_does(new_chancy):
    """It asks again when the plugin said, although neither a notification nor the polling interval would wake it."""
    asked_at: list[float] = []

    def answer(wanted: int, connection: Any) -> Any:
        asked_at.append(time.monotonic())
        return wanted if len(asked_at) > 5 else Budget(0, again_in_s=0.1)

    async with new_chancy(plugins=[keeper(answer)]) as chancy:
        await chancy.declare(Queue("api", rate_limit=5, polling_interval=NEVER_S))
        reference = await chancy.push("api", ECHO)
        async with Worker(chancy):
            await reference.wait(timeout=WITHIN_S)
    assert all(later - earlier >= 0.1 for earlier, later in pairwise(asked_at[:6])), asked_at


async def test_pushes_do_not_wake_who_waits_for_a_budget(new_chancy):
    """While a queue's budget is used up, a hundred pushes are no reason to ask for it again."""
    keeps = keeper(lambda wanted, _: Budget(0, again_in_s=NEVER_S))
    async with new_chancy(plugins=[keeps]) as chancy, Worker(chancy):
        await chancy.declare(Queue("api", rate_limit=5, polling_interval=NEVER_S))
        await until(lambda: keeps.asked)
        for _ in range(100):
            await chancy.push("api", ECHO)
        await (await chancy.push(ECHO)).wait(timeout=WITHIN_S)
        assert len(keeps.asked) <= 3


def _one_at_a_time(chancy: Chancy) -> Callable[[int, Any], Any]:
    async def answer(wanted: int, connection: Any) -> int:
        cursor = await connection.execute(
            f"""SELECT count(*) FROM "{chancy.settings.schema}".jobs WHERE state = 'running'""".encode()
        )
        ((running,),) = await cursor.fetchall()
        return max(1 - running, 0)

    return answer


@pytest.mark.parametrize(("notifications", "polling_interval"), [(True, NEVER_S), (False, 0.3)])
async def test_room_is_heard_of_on_other_workers(new_chancy, notifications, polling_interval):
    """A job that ends on one worker lets the other claim: by a notification, or else at its polling interval."""
    keeps = [keeper(), keeper()]
    settings = {"notifications": notifications}
    async with new_chancy(plugins=keeps[:1], **settings) as one, new_chancy(plugins=keeps[1:], **settings) as two:
        keeps[0].answer, keeps[1].answer = _one_at_a_time(one), _one_at_a_time(two)
        await one.declare(Queue("api", global_concurrency=1, polling_interval=polling_interval))
        first = Worker(one, grace_s=WITHIN_S)
        await first.start()
        holder = await one.push("api", Job(func="jobs.sleep", kwargs={"seconds": 1.0}))
        await until(lambda: first.running == 1)
        async with Worker(two):
            waiting = await one.push("api", ECHO)
            await until(lambda: keeps[1].asked)
            # It stops claiming, so that it does not take the room that it leaves.
            await first.stop()
            assert (await holder.get()).state is State.SUCCEEDED
            assert (await waiting.wait(timeout=WITHIN_S)).state is State.SUCCEEDED


async def test_room_left_here_is_taken_at_once(new_chancy):
    """One slot for all, and a long polling interval: a worker goes from job to job by itself."""
    keeps = keeper()
    async with new_chancy(plugins=[keeps], notifications=False) as chancy, Worker(chancy):
        keeps.answer = _one_at_a_time(chancy)
        await chancy.declare(Queue("api", global_concurrency=1, polling_interval=NEVER_S), upsert=True)
        references = await chancy.push_many("api", [ECHO] * 30)
        await chancy.wait_for_jobs(references, timeout=WITHIN_S)


async def test_changed_limits_wake_who_waits(new_chancy):
    """A worker that waits for a budget asks again when the queue is declared otherwise, and knows the new limit."""
    seen: list[int | None] = []

    class Seeing(Keeper):
        @hookimpl
        async def claim_budget(self, queue, wanted):
            seen.append(queue.rate_limit)
            return 0 if queue.rate_limit == 1 else wanted

    async with new_chancy(plugins=[Seeing()]) as chancy, Worker(chancy):
        await chancy.declare(Queue("api", rate_limit=1, polling_interval=NEVER_S))
        reference = await chancy.push("api", ECHO)
        await until(lambda: seen)
        await chancy.declare(Queue("api", rate_limit=2, polling_interval=NEVER_S), upsert=True)
        await reference.wait(timeout=WITHIN_S)
        await chancy.declare(Queue("api", rate_limit=1, polling_interval=NEVER_S), upsert=True)
        await until(lambda: seen[-1] == 1)
        blocked = await chancy.push("api", ECHO)
        await chancy.declare(Queue("api", polling_interval=NEVER_S), upsert=True)
        await blocked.wait(timeout=WITHIN_S)
    assert set(seen) == {1, 2}


async def test_a_limited_queue_is_not_claimed_ahead(new_chancy):
    """However short its jobs, a worker asks for no more of a limited queue than it has free slots for."""
    keeps = keeper()
    async with new_chancy(plugins=[keeps]) as chancy:
        await chancy.declare(Queue("api", concurrency=2, rate_limit=1_000_000))
        references = await chancy.push_many("api", [ECHO] * 500)
        async with Worker(chancy):
            await chancy.wait_for_jobs(references, timeout=WITHIN_S)
    assert max(wanted for _, wanted in keeps.asked) == 2


async def test_a_row_that_cannot_be_read_fails_after_its_claim(new_chancy, query):
    """In a limited queue, too, a row that somebody wrote by hand fails, and holds nobody up."""
    async with new_chancy(plugins=[keeper()]) as chancy:
        await chancy.declare(Queue("api", global_concurrency=5))
        odd = await chancy.push("api", ECHO)
        fine = await chancy.push("api", ECHO)
        query("UPDATE {s}.jobs SET limits = '[3]' WHERE id = %s", odd.identifier)
        async with Worker(chancy):
            assert (await fine.wait(timeout=WITHIN_S)).state is State.SUCCEEDED
            assert (await odd.wait(timeout=WITHIN_S)).state is State.FAILED
