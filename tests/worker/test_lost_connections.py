"""What is left when connections are killed, and what the database refuses."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import jobs
import ledger
import psycopg
import pytest
from books import LIVE, check_the_books, count
from support import WITHIN_S, captured_events, until

from chancy_core.app import Chancy
from chancy_core.store.bounded import BoundedAsyncConnection, BoundedConnection
from chancy_core.store.session import WorkerConnection
from chancy_core.values.job import Job
from chancy_core.values.queue import Queue
from chancy_core.worker import Worker, duty, standby
from chancy_core.worker.heartbeat import Heartbeat

ROLES = ("chancy claim", "chancy finish")


@pytest.fixture
def backends(monkeypatch) -> dict[str, list[int]]:
    """The server processes of this process's connections, by application_name, in the order in which they began."""
    found: dict[str, list[int]] = defaultdict(list)

    def note(connection: Any) -> Any:
        found[connection.info.get_parameters().get("application_name", "")].append(connection.info.backend_pid)
        return connection

    connect, connect_sync = BoundedAsyncConnection.connect, BoundedConnection.connect

    async def noted(*args: Any, **kwargs: Any) -> Any:
        return note(await connect(*args, **kwargs))

    monkeypatch.setattr(BoundedAsyncConnection, "connect", noted)
    monkeypatch.setattr(BoundedConnection, "connect", lambda *args, **kwargs: note(connect_sync(*args, **kwargs)))
    return found


@pytest.mark.parametrize(
    ("settings", "roles"), [({}, ROLES), ({"pooler": True, "notifications": True}, (*ROLES, "chancy listen"))]
)
async def test_killed_connections_lose_nothing(new_chancy, dsn, book, backends, monkeypatch, settings, roles):
    """While a worker's connections are killed at random, jobs with one attempt all succeed, and none runs twice."""
    # Whoever fails again and again waits longer and longer, and would be spared.
    monkeypatch.setattr(duty, "LONGEST_PAUSE_S", 0.2)
    number = 3000
    killed: Counter[str] = Counter()
    async with new_chancy(**settings) as chancy:
        await chancy.migrate()
        await chancy.declare(Queue("q", executor=ledger.EXECUTOR, executor_options={"path": str(book)}))
        with captured_events() as events:
            async with (
                await psycopg.AsyncConnection.connect(dsn, autocommit=True) as killer,
                # Long, so that a rescue, which spends an attempt, cannot make up for what should not have been lost.
                Worker(chancy, lease_s=30, concurrency=40),
            ):
                await chancy.push_many("q", [Job.from_func(jobs.sleep, kwargs={"seconds": 0.01})] * number)
                dice = random.Random(5)
                deadline = time.monotonic() + 5 * WITHIN_S
                while await count(chancy, LIVE):
                    assert time.monotonic() < deadline, Counter(event["event"] for event in events)
                    if killed.total() < 40:
                        role = dice.choice(roles)
                        if await kill_latest(killer, backends[role]):
                            killed[role] += 1
                    await asyncio.sleep(dice.uniform(0, 0.1))
        finished = await check_the_books_of(chancy, book, number)
    assert set(killed) == set(roles)
    # An attempt whose claim was not heard of was handed back unspent: more claims, but no second attempt.
    assert {(state, attempts, errors) for _, state, attempts, _, _, errors in finished} == {("succeeded", 1, 0)}
    assert not [event for event in events if event["event"] == "jobs_rescued"]


async def kill_latest(killer: psycopg.AsyncConnection[Any], pids: list[int]) -> bool:
    """Kill a role's latest connection; whether there was one."""
    if not pids:
        return False
    return (await (await killer.execute("SELECT pg_terminate_backend(%s)", (pids.pop(),))).fetchone())[0]


async def check_the_books_of(chancy: Chancy, book: Path, number: int) -> list[tuple[Any, ...]]:
    finished = await check_the_books(chancy, book, number)
    # One run was begun of each: those that were claimed unheard never were.
    assert len(ledger.read(book)) == number
    return finished


async def test_a_connection_that_is_killed_while_idle_comes_back(chancy, dsn, backends):
    """A worker whose idle connection is killed hears notifications again, and keeps its lease."""
    # Nobody would look by himself within the test.
    await chancy.declare(Queue("q", polling_interval=600))
    async with (
        await psycopg.AsyncConnection.connect(dsn, autocommit=True) as killer,
        Worker(chancy, lease_s=60) as running,
    ):
        with captured_events() as events:
            for _ in range(3):
                await until(lambda: backends["chancy claim"])
                assert await kill_latest(killer, backends["chancy claim"])
                await until(lambda: backends["chancy claim"])
                reference = await chancy.push("q", Job.from_func(jobs.noop))
                assert (await reference.wait(timeout=WITHIN_S)).worker == running.name
    assert not [event for event in events if event["event"] == "lease_lost"]


async def renewed_by(chancy: Chancy, *, seconds: float) -> None:
    """Wait until the only worker's lease ends so much later than it does now."""

    async def ends_at() -> datetime:
        async with chancy.pool.connection() as connection:
            found = await connection.execute(f"SELECT lease_until FROM {chancy.settings.schema}.workers")
            return (await found.fetchone())[0]

    until_at = await ends_at() + timedelta(seconds=seconds)

    async def later() -> bool:
        return await ends_at() >= until_at

    await until(later)


async def test_a_worker_whose_heart_does_not_beat_keeps_its_lease(chancy, dsn, backends, monkeypatch):
    """While beats fail, whatever the reason, a thread renews the lease; once they succeed, its connection is closed."""
    beat = Heartbeat._beat

    async def failing(_: Heartbeat) -> None:
        raise psycopg.errors.LockNotAvailable("somebody rebuilds the table")

    async def rests() -> bool:
        async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as connection:
            found = await connection.execute(
                "SELECT FROM pg_stat_activity WHERE pid = %s", backends["chancy heartbeat"]
            )
            return found.rowcount == 0

    with captured_events() as events:
        async with Worker(chancy, lease_s=4) as running:
            monkeypatch.setattr(Heartbeat, "_beat", failing)
            await until(lambda: backends["chancy heartbeat"])
            await renewed_by(chancy, seconds=6)
            monkeypatch.setattr(Heartbeat, "_beat", beat)
            assert running.lease_held
            assert len(backends["chancy heartbeat"]) == 1
            await until(rests)
            assert (await (await chancy.push(Job.from_func(jobs.noop))).wait(timeout=WITHIN_S)).worker == running.name
    assert not [event for event in events if event["event"] == "lease_lost"]


async def test_an_idle_worker_holds_one_connection(chancy, backends, query, monkeypatch):
    """Until it has run a job, a worker that is notified holds one connection, and asks for no other."""
    # On a busy machine a beat may be late by more than the thread beside it waits for; and rarely by more than this.
    monkeypatch.setattr(standby, "LATE", 0.6)
    names = (
        "SELECT application_name FROM pg_stat_activity WHERE application_name ~ '^chancy .' AND query LIKE '%%{s}%%'"
    )

    async def asks_for_none() -> bool:
        """While its lease is renewed twice."""
        backends.clear()
        await renewed_by(chancy, seconds=4)
        return backends.keys() <= {"chancy"}

    async with Worker(chancy, lease_s=6):
        await until(asks_for_none)
        assert query(names) == [("chancy claim",)]


@pytest.fixture
def lose_answers(monkeypatch) -> Callable[[str, int], None]:
    """`lose_answers(flow, times)`: what a worker did is committed, but its connection is lost before the answer."""
    left: Counter[str] = Counter()
    run = WorkerConnection.run

    async def losing(self: WorkerConnection, flow: Any) -> Any:
        answer = await run(self, flow)
        if answer and left[flow.__name__]:
            left[flow.__name__] -= 1
            await self.close()
            raise psycopg.OperationalError("the connection was lost")
        return answer

    monkeypatch.setattr(WorkerConnection, "run", losing)
    return lambda flow, times: left.update({flow: times})


async def test_jobs_whose_claim_was_never_heard_of_are_handed_back(chancy, lose_answers, book):
    """A claim commits, but its answer is lost: the jobs do not wait for a lease that never ends, and run once."""
    await chancy.declare(Queue("q", executor=ledger.EXECUTOR, executor_options={"path": str(book)}))
    async with Worker(chancy, lease_s=30, concurrency=10):
        with captured_events() as events:
            lose_answers("_claim_flow", 1)
            references = await chancy.push_many("q", [Job.from_func(jobs.noop)] * 30)
            finished = await chancy.wait_for_jobs(references, timeout=WITHIN_S)
    assert {(job.state, job.attempts) for job in finished} == {("succeeded", 1)}
    assert [event["count"] for event in events if event["event"] == "claims_unheard"] == [10]
    assert sum(job.claims == 2 for job in finished) == 10
    await check_the_books_of(chancy, book, 30)


async def test_outcomes_whose_write_was_never_heard_of_are_kept_once(chancy, lose_answers, book):
    """A finish commits, but its answer is lost: writing it again changes nothing, and no job runs again."""
    await chancy.declare(Queue("q", executor=ledger.EXECUTOR, executor_options={"path": str(book)}))
    lose_answers("_finish", 3)
    async with Worker(chancy, lease_s=30, concurrency=10):
        references = await chancy.push_many("q", [Job.from_func(jobs.noop)] * 30)
        finished = await chancy.wait_for_jobs(references, timeout=WITHIN_S)
    assert {(job.state, job.attempts, job.claims) for job in finished} == {("succeeded", 1, 1)}
    await check_the_books_of(chancy, book, 30)


async def test_a_result_that_the_database_refuses_does_not_lose_its_job(chancy):
    """A result that cannot be stored is left out, with a note that says why, and its neighbours keep theirs."""
    await rows_none(
        chancy, "ALTER TABLE {schema}.finished_jobs ADD CONSTRAINT no_poison CHECK (result::text <> '\"poison\"')"
    )
    values = ["poison" if n == 13 else n for n in range(50)]
    async with Worker(chancy):
        references = await chancy.push_many([Job.from_func(jobs.echo, kwargs={"value": value}) for value in values])
        finished = await chancy.wait_for_jobs(references, timeout=WITHIN_S)
    assert {job.state for job in finished} == {"succeeded"}
    assert [job.result for job in finished] == [None if value == "poison" else value for value in values]
    assert "no_poison" in finished[13].note
    assert {job.note for job in finished if job is not finished[13]} == {None}


async def test_an_outcome_that_the_database_refuses_holds_up_nobody(chancy):
    """An outcome that cannot be stored in any form waits, and is not lost, while all others are written."""
    await rows_none(
        chancy, "ALTER TABLE {schema}.finished_jobs ADD CONSTRAINT no_poison CHECK (kwargs::text <> '{\"value\":13}')"
    )
    with captured_events() as events:
        running = Worker(chancy)
        await running.start()

        def refusals() -> int:
            return len([event for event in events if event["event"] == "outcome_refused"])

        references = await chancy.push_many([Job.from_func(jobs.echo, kwargs={"value": n}) for n in range(50)])
        others = [reference for n, reference in enumerate(references) if n != 13]
        await chancy.wait_for_jobs(others, timeout=WITHIN_S)
        await (await chancy.push(Job.from_func(jobs.noop))).wait(timeout=WITHIN_S)
        stuck = await references[13].get()
        assert (stuck.state, stuck.worker) == ("running", running.name)
        # It rests for a while after each try.
        before = refusals()
        await until(lambda: refusals() > before)
        await rows_none(chancy, "ALTER TABLE {schema}.finished_jobs DROP CONSTRAINT no_poison")
        finished = await references[13].wait(timeout=2 * WITHIN_S)
        await running.stop()
    assert (finished.state, finished.result, finished.attempts) == ("succeeded", 13, 1)


async def rows_none(chancy: Chancy, statement: str) -> None:
    async with chancy.pool.connection() as connection:
        await connection.execute(statement.replace("{schema}", chancy.settings.schema))
