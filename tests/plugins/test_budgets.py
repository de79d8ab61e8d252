"""Limits across all workers: asked for at each claim, never exceeded, and free when they are not used."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from keepers import ECHO, NEVER_S, keeper
from support import WITHIN_S, captured_events, until

from chancy import Budget, Job, Plugin, Queue, State, Worker, hookimpl
from chancy_core.store.session import WorkerConnection

SLEEP = Job(func="jobs.sleep", kwargs={"seconds": 3600})


RAISED = [ValueError("no"), asyncio.CancelledError(), SystemExit(3), KeyboardInterrupt()]


class Opinion(Plugin):
    """Enforces nothing, and has an opinion, or none."""

    name = "opinion"

    def __post_init__(self) -> None:
        self.answer: int | None = None
        self.calls = 0

    @hookimpl
    async def claim_budget(self):
        self.calls += 1
        return self.answer


async def test_the_smallest_answer_wins(new_chancy):
    """Each claim takes what the most careful plugin allows; None is no opinion; after a 0 nobody else is asked."""
    careful, opinion = keeper(lambda wanted, _: Budget(min(wanted, 5), again_in_s=0.01)), Opinion()
    async with new_chancy(plugins=[careful, opinion], plugin_order=["opinion"]) as chancy:
        await chancy.declare(Queue("api", concurrency=10, global_concurrency=9))
        references = await chancy.push_many("api", [ECHO] * 20)
        with captured_events() as events:
            async with Worker(chancy):
                await chancy.wait_for_jobs(references, timeout=WITHIN_S)
                counts = [e["count"] for e in events if e["event"] == "jobs_claimed"]
                assert (max(counts), sum(counts)) == (5, 20)
                assert careful.asked[0] == ("api", 10)
                opinion.answer = 0
                waiting = await chancy.push("api", ECHO)
                # A claim under way may have had the answer of before: of the second one it is known that it has not.
                for _ in range(2):
                    asked, calls = len(careful.asked), opinion.calls
                    await chancy.push("api", ECHO)
                    await until(lambda calls=calls: opinion.calls > calls)
                await (await chancy.push(ECHO)).wait(timeout=WITHIN_S)
                assert len(careful.asked) == asked
                assert (await waiting.get()).state is State.PENDING


async def test_queues_without_limits_pay_nothing(new_chancy, monkeypatch):
    """Although a plugin is there, nobody asks it, no claim has a transaction, and no connection more is opened."""
    keeps = keeper()

    def no_transaction(self: Any) -> Any:
        raise AssertionError("a transaction was begun")

    opened = set()
    open_ = WorkerConnection._open

    async def noting(self: Any) -> Any:
        opened.add(self._name)
        return await open_(self)

    monkeypatch.setattr(WorkerConnection, "_open", noting)
    monkeypatch.setattr(WorkerConnection, "transaction", no_transaction)
    async with new_chancy(plugins=[keeps]) as chancy, Worker(chancy):
        await chancy.wait_for_jobs(await chancy.push_many([ECHO] * 50), timeout=WITHIN_S)
    assert opened == {"chancy claim", "chancy finish"}
    assert keeps.asked == []


def _raising(error: BaseException) -> Callable[[int, Any], Any]:
    def answer(wanted: int, connection: Any) -> Any:
        raise error

    return answer


async def _hang(wanted: int, connection: Any) -> int:
    await asyncio.sleep(3600)
    return wanted


async def _hang_in_sql(wanted: int, connection: Any) -> int:
    await connection.execute("SELECT pg_sleep(60)")
    return wanted


async def _bad_sql(wanted: int, connection: Any) -> int:
    await connection.execute("SELECT nonsense")
    return wanted


async def _swallowed_sql(wanted: int, connection: Any) -> int:
    try:
        await connection.execute("SELECT nonsense")
    except psycopg.Error:
        return wanted
    raise AssertionError


async def _commit(wanted: int, connection: Any) -> int:
    await connection.execute("COMMIT")
    return wanted


async def _roll_back(wanted: int, connection: Any) -> int:
    await connection.execute("ROLLBACK")
    return wanted


async def _close(wanted: int, connection: Any) -> int:
    await connection.close()
    return wanted


async def _refuse_taken(count: int) -> None:
    raise ValueError("not written down")


WRONG = [
    *(pytest.param(_raising(error), id=type(error).__name__) for error in RAISED),
    *(
        pytest.param(lambda wanted, _, answer=answer: answer, id=repr(answer))
        for answer in (None, -1, True, 2.0, "3", [1], Budget(-1), Budget(1, again_in_s=-1), Budget(1, taken=3))
    ),
    _hang,
    _hang_in_sql,
    _bad_sql,
    _swallowed_sql,
    _commit,
    _roll_back,
    _close,
    pytest.param(lambda wanted, _: Budget(wanted, taken=_refuse_taken), id="taken"),
]


@pytest.mark.parametrize("wrong", WRONG)
async def test_a_limit_that_cannot_be_checked_is_not_exceeded(new_chancy, wrong, monkeypatch):
    """Whatever goes wrong in the hook, nothing is claimed, it is told and counted, and other queues do not notice."""
    monkeypatch.setattr("chancy_core.plugins.budgets.CLAIM_BUDGET_S", 0.1)
    keeps = keeper(wrong)
    with captured_events() as events:
        async with new_chancy(plugins=[keeps]) as chancy:
            await chancy.declare(Queue("api", rate_limit=5, polling_interval=0.02))
            reference = await chancy.push("api", ECHO)
            async with Worker(chancy, grace_s=1):
                for _ in range(3):
                    assert (await (await chancy.push(ECHO)).wait(timeout=WITHIN_S)).state is State.SUCCEEDED
                await until(lambda: chancy.plugins.failures["keeper", "claim_budget"] >= 2)
                job = await reference.get()
                assert (job.state, job.attempts, job.claims) == (State.PENDING, 0, 0)
                keeps.answer = lambda wanted, _: wanted
                assert (await reference.wait(timeout=WITHIN_S)).attempts == 1
    told = [e for e in events if e["event"] == "hook_failed"]
    assert [(e["plugin"], e["hook"]) for e in told] == [("keeper", "claim_budget")]
    assert not [e for e in events if e["event"] in {"database_lost", "duty_failed"}]


async def test_an_answer_of_0_may_leave_the_transaction_failed(new_chancy):
    """A lock that could not be had is no failure: the worker asks again as soon as it was told."""

    async def no_lock(wanted: int, connection: Any) -> Budget:
        try:
            await connection.execute("SELECT 1 / 0")
        except psycopg.Error:
            return Budget(0, again_in_s=0.01)
        raise AssertionError

    keeps = keeper(no_lock)
    async with new_chancy(plugins=[keeps]) as chancy, Worker(chancy):
        await chancy.declare(Queue("api", rate_limit=5, polling_interval=NEVER_S))
        reference = await chancy.push("api", ECHO)
        await until(lambda: len(keeps.asked) > 3)
        assert (await reference.get()).state is State.PENDING
        keeps.answer = lambda wanted, _: wanted
        await reference.wait(timeout=WITHIN_S)
        assert not chancy.plugins.failures


async def test_what_taken_writes_commits_with_the_claim(new_chancy, query, schema):
    """It is told the number that was claimed, not the one that was allowed; without jobs it is told nothing."""

    def answer(wanted: int, connection: Any) -> Budget:
        async def taken(count: int) -> None:
            await connection.execute(f'INSERT INTO "{schema}".notes VALUES (%s)'.encode(), [count])

        return Budget(min(wanted, 7), taken=taken)

    keeps = keeper(answer)
    async with new_chancy(plugins=[keeps]) as chancy:
        await chancy.declare(Queue("api", global_concurrency=50, polling_interval=0.05))
        query("CREATE TABLE {s}.notes (count integer)")
        await chancy.push_many("api", [SLEEP] * 3)
        async with Worker(chancy, grace_s=0):
            await until(lambda: query("SELECT id FROM {s}.jobs WHERE state = 'running'"))
            asked = len(keeps.asked)
            await until(lambda: len(keeps.asked) > asked + 2)
            assert query("SELECT count FROM {s}.notes") == [(3,)]
            assert query("SELECT DISTINCT jobs.xmin::text = notes.xmin::text FROM {s}.jobs, {s}.notes") == [(True,)]
