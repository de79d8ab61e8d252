"""What is left when things are killed: workers, connections, the whole server."""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import signal
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import hard_jobs
import jobs
import ledger
import psycopg
import pytest
from books import FINISHED, LIVE, all_done, check_the_books, count, counts
from children import Child, nursery
from support import WITHIN_S, captured_events, until

from chancy_core import embedded
from chancy_core.app import Chancy
from chancy_core.embedded import watcher
from chancy_core.errors import EmbeddedUnavailable
from chancy_core.store import tries
from chancy_core.store.bounded import BoundedAsyncConnection, BoundedConnection
from chancy_core.store.session import WorkerConnection
from chancy_core.values.job import Job
from chancy_core.values.queue import Queue
from chancy_core.worker import Stopped, Worker, duty, standby
from chancy_core.worker.heartbeat import Heartbeat


@pytest.fixture
def new_child(tmp_path, dsn, schema):
    with nursery(tmp_path, dsn, schema) as new:
        yield new


@pytest.fixture
def book(tmp_path) -> Path:
    """Where the runs are written down."""
    path = tmp_path / "ledger"
    path.touch()
    return path


# -- killed and stopped workers ------------------------------------------------------------


async def freeze_while_it_runs_jobs(chancy: Chancy, child: Child) -> int:
    """Stop a worker's process in a moment when it runs jobs; how many."""
    query = "SELECT count(*) FROM {schema}.jobs WHERE state = 'running' AND worker = %s"
    deadline = time.monotonic() + WITHIN_S
    while time.monotonic() < deadline:
        child.send(signal.SIGSTOP)
        # What it had sent before is still done; then it is quiet.
        before, held = -1, await count(chancy, query, child.name)
        while held != before:
            await asyncio.sleep(0.1)
            before, held = held, await count(chancy, query, child.name)
        if held:
            return held
        child.send(signal.SIGCONT)
        await asyncio.sleep(0.005)
    raise AssertionError("it never ran a job")


async def test_a_worker_killed_among_three_loses_and_doubles_nothing(chancy, new_child, book):
    """Of 20,000 jobs on three workers, one killed in the middle, all succeed, once, within their attempts."""
    number = 20_000
    await chancy.declare(Queue("many", executor=ledger.EXECUTOR, executor_options={"path": str(book)}))
    children = [new_child(worker={"lease_s": 5, "concurrency": 50}) for _ in range(3)]
    for child in children:
        await asyncio.to_thread(child.ready)
    job = Job.from_func(jobs.sleep, kwargs={"seconds": 0.002}, max_attempts=3, keep_result=False)
    await chancy.push_many("many", (job for _ in range(number)))
    await until(counts(chancy, FINISHED, number // 10))
    victim = children[1]
    held = await freeze_while_it_runs_jobs(chancy, victim)
    assert await count(chancy, FINISHED) < number
    victim.send(signal.SIGKILL)
    victim.wait()
    await all_done(chancy, number)
    finished = await check_the_books(chancy, book, number)
    assert {row[1] for row in finished} == {"succeeded"}
    rescued = [row for row in finished if row[5]]
    assert len(rescued) == held
    assert {(row[2], row[3], row[5]) for row in rescued} == {(2, 2, 1)}
    assert {row[2] for row in finished if not row[5]} == {1}
    assert await count(chancy, "SELECT count(*) FROM {schema}.workers WHERE worker = %s", victim.name) == 0
    assert [child.alive for child in children] == [True, False, True]


async def test_a_worker_that_was_stopped_for_too_long_gives_up_its_jobs(chancy, new_child, book, tmp_path):
    """A process frozen beyond its lease: its jobs ran elsewhere, its outcomes are dropped, and it works again."""
    await chancy.declare(
        Queue("shared", tags=["frozen", "other"], executor=ledger.EXECUTOR, executor_options={"path": str(book)})
    )
    await chancy.declare(Queue("own", tags=["frozen"]))
    frozen = new_child(worker={"lease_s": 3, "tags": ["frozen"]})
    frozen.ready()
    door = tmp_path / "door"
    job = Job.from_func(hard_jobs.until_exists_sync, kwargs={"path": str(door)}, max_attempts=2)
    references = await chancy.push_many("shared", [job] * 20)
    # Claimed is not begun.
    await until(lambda: len(ledger.read(book)) == 20)
    frozen.send(signal.SIGSTOP)
    door.touch()
    async with Worker(chancy, tags=["other"], lease_s=3) as other:
        finished = await chancy.wait_for_jobs(references, timeout=WITHIN_S)
        assert {(j.state, j.attempts, j.claims, j.worker) for j in finished} == {("succeeded", 2, 2, other.name)}
        assert {tuple((e.type, e.attempt, e.worker) for e in j.errors) for j in finished} == {
            (("WorkerLost", 1, frozen.name),)
        }
        frozen.send(signal.SIGCONT)
        again = await chancy.push("own", Job.from_func(hard_jobs.pid))
        assert (await again.wait(timeout=WITHIN_S)).result == frozen.process.pid
        await until(lambda: "outcomes_stale" in frozen.said())
        # It takes its part of the common work, too.
        await other.stop()
        more = await chancy.push_many("shared", [job] * 5)
        assert {j.worker for j in await chancy.wait_for_jobs(more, timeout=WITHIN_S)} == {frozen.name}
    await check_the_books_of_shared(chancy, book)


async def check_the_books_of_shared(chancy: Chancy, book: Path) -> None:
    assert await count(chancy, FINISHED + " WHERE queue = 'shared'") == 25
    assert await count(chancy, "SELECT count(DISTINCT id) FROM {schema}.finished_jobs WHERE queue = 'shared'") == 25
    assert set(Counter((run["id"], run["claims"]) for run in ledger.read(book)).values()) == {1}
    assert len(ledger.read(book)) == 45


async def test_a_job_that_kills_its_process_is_not_immortal(chancy, new_child):
    """A job that ends its process at each attempt fails after max_attempts, and its errors name the lost workers."""
    await chancy.declare(Queue("deadly", tags=["brave"]))
    reference = await chancy.push("deadly", Job.from_func(hard_jobs.poison, max_attempts=3))
    dead = []
    async with Worker(chancy, lease_s=2):
        for _ in range(3):
            child = new_child(worker={"lease_s": 2, "tags": ["brave"]})
            await asyncio.to_thread(child.ready)
            dead.append(child.name)
            assert await asyncio.to_thread(child.wait) == 1
        failed = await reference.wait(timeout=WITHIN_S)
        # Whoever comes next is left in peace.
        survivor = new_child(worker={"lease_s": 2, "tags": ["brave"]})
        await asyncio.to_thread(survivor.ready)
        later = await chancy.push("deadly", Job.from_func(hard_jobs.pid))
        assert (await later.wait(timeout=WITHIN_S)).result == survivor.process.pid
    assert (failed.state, failed.attempts, failed.claims) == ("failed", 3, 3)
    assert [(e.attempt, e.type, e.worker) for e in failed.errors] == [
        (attempt, "WorkerLost", name) for attempt, name in enumerate(dead, 1)
    ]
    assert "lease" in failed.note


# -- lost connections ----------------------------------------------------------------------

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


async def test_an_idle_worker_holds_one_connection(chancy, backends, monkeypatch):
    """Until it has run a job, a worker that is notified holds one connection, and has asked for no other."""
    # On a busy machine a beat may be late by more than the thread beside it waits for.
    monkeypatch.setattr(standby, "LATE", 0.6)
    async with Worker(chancy, lease_s=6):
        await renewed_by(chancy, seconds=4)
        assert {name: len(pids) for name, pids in backends.items() if name != "chancy"} == {"chancy claim": 1}


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


# -- what the database refuses -------------------------------------------------------------


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


# -- a server that goes away ---------------------------------------------------------------


class Server:
    """A server for one test, that can be stopped and started again."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._share = embedded.acquire(directory)
        self.dsn = self._share.dsn

    def stop(self, how: signal.Signals) -> None:
        """Stop it: SIGINT is a fast shutdown, SIGQUIT an immediate one. Returns once it is gone."""
        pid = watcher.postmaster(str(self._directory / "data"))
        assert pid is not None
        os.kill(pid, how)
        lock = str(self._directory / "server.lock")
        _until_sync(lambda: not watcher.is_locked(lock))

    def start(self) -> None:
        before, self._share = self._share, embedded.acquire(self._directory)
        before.close()
        assert self._share.dsn == self.dsn

    def close(self) -> None:
        self._share.close()
        locks = [str(self._directory / name) for name in ("server.lock", "watcher.lock")]
        _until_sync(lambda: not any(watcher.is_locked(lock) for lock in locks))


def _until_sync(condition: Callable[[], bool], within_s: float = WITHIN_S) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


@pytest.fixture
def server() -> Iterator[Server]:
    """A server of the test's own, which no other test uses."""
    folder = Path(tempfile.mkdtemp(prefix="chancy-crash-", dir="/tmp")).resolve()
    folder.chmod(0o755)
    try:
        own = Server(folder / "pg")
    except EmbeddedUnavailable as error:
        pytest.skip(str(error))
    yield own
    own.close()
    shutil.rmtree(folder)


@pytest.mark.parametrize("how", [signal.SIGQUIT, signal.SIGINT], ids=["immediate", "fast"])
async def test_a_restart_of_the_database_loses_nothing(server, tmp_path, book, how, monkeypatch):
    """PostgreSQL is restarted in the middle of 5,000 jobs: all are stored and succeed, and no process dies."""
    # A busy machine takes its time to start a server.
    monkeypatch.setattr(tries, "AGAIN_S", 2 * WITHIN_S)
    number, schema = 5000, "crash"
    with nursery(tmp_path, server.dsn, schema) as new_child:
        async with Chancy(server.dsn, schema=schema, discover=False) as chancy:
            await chancy.migrate()
            await chancy.declare(Queue("many", executor=ledger.EXECUTOR, executor_options={"path": str(book)}))
            children = [new_child(worker={"lease_s": 2, "concurrency": 20}) for _ in range(2)]
            for child in children:
                await asyncio.to_thread(child.ready)
            job = Job.from_func(jobs.sleep, kwargs={"seconds": 0.01}, max_attempts=3, keep_result=False)
            await chancy.push_many("many", [job] * (number // 2))
            left = iter(range(number - number // 2))

            async def push() -> list[Any]:
                # Whoever pushes sees nothing of the restart.
                return [await chancy.push("many", job) for _ in left]

            pushing = [asyncio.create_task(push()) for _ in range(20)]
            await until(counts(chancy, FINISHED, number // 10))
            await asyncio.to_thread(server.stop, how)
            assert not all(task.done() for task in pushing)
            await asyncio.to_thread(server.start)
            pushed = [reference for task in pushing for reference in await task]
            assert len(set(pushed)) == number - number // 2
            await all_done(chancy, number)
            finished = await check_the_books(chancy, book, number)
            assert {row[1] for row in finished} == {"succeeded"}
            assert all(child.alive for child in children)
            for child in children:
                child.send(signal.SIGTERM)
                assert await asyncio.to_thread(child.wait) == Stopped.DRAINED


async def test_a_database_away_for_longer_than_the_lease(server, tmp_path):
    """While the database is away, a worker stops its jobs in time; back, they run again with no attempt spent."""
    async with Chancy(server.dsn, schema="crash", discover=False) as chancy:
        await chancy.migrate()
        door = tmp_path / "door"
        with captured_events() as events:
            async with Worker(chancy, lease_s=2) as running:
                job = Job.from_func(hard_jobs.until_exists, kwargs={"path": str(door)})
                references = await chancy.push_many([job] * 10)
                await until(lambda: running.running == 10)
                await asyncio.to_thread(server.stop, signal.SIGINT)
                await until(lambda: any(event["event"] == "jobs_stopped" for event in events))
                await until(lambda: not running.running)
                door.touch()
                await asyncio.to_thread(server.start)
                finished = await chancy.wait_for_jobs(references, timeout=WITHIN_S)
        assert {(j.state, j.attempts, j.worker) for j in finished} == {("succeeded", 1, running.name)}
        assert all(j.claims >= 2 for j in finished)
        assert not [event for event in events if event["event"] == "duty_failed"]


async def test_outcomes_outlast_an_outage(server):
    """What ended while the database was away is written when it is back, and does not run again."""
    async with Chancy(server.dsn, schema="crash", discover=False) as chancy:
        await chancy.migrate()
        hard_jobs.gate.clear()
        async with Worker(chancy, lease_s=30) as running:
            references = await chancy.push_many([Job.from_func(hard_jobs.until_gate)] * 10)
            await until(lambda: running.running == 10)
            await asyncio.to_thread(server.stop, signal.SIGQUIT)
            hard_jobs.gate.set()
            await until(lambda: running.unwritten == 10)
            await asyncio.to_thread(server.start)
            finished = await chancy.wait_for_jobs(references, timeout=WITHIN_S)
        assert {(j.state, j.attempts, j.claims, j.result) for j in finished} == {("succeeded", 1, 1, "let through")}


async def test_a_heartbeat_that_a_blocked_loop_cannot_end_loses_no_lease(new_chancy, query, monkeypatch):
    """Behind a pooler, where a heartbeat is a transaction, a job that blocks the loop in the middle costs no lease."""
    real = Heartbeat._look
    held: list[bool] = []

    def blocked(self: Heartbeat) -> Any:
        answer = yield from real(self)
        if not held:
            time.sleep(6)
            held.append(query("SELECT lease_until > now() FROM {s}.workers")[0][0])
        return answer

    monkeypatch.setattr(Heartbeat, "_look", blocked)
    async with new_chancy(pooler=True) as chancy:
        await chancy.migrate()
        async with Worker(chancy, lease_s=5):
            await until(lambda: held)
            # The connection that was ended is replaced.
            await (await chancy.push(Job.from_func(jobs.echo))).wait(timeout=WITHIN_S)
    assert held == [True]


async def test_a_worker_that_cannot_be_registered_leaves_no_connection(chancy, query):
    """A worker whose start fails once it listens has no connection afterwards."""
    query("ALTER TABLE {s}.workers ADD CONSTRAINT nobody CHECK (worker IS NULL)")
    with pytest.raises(psycopg.errors.CheckViolation):
        await Worker(chancy).start()
    left = (
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'chancy claim' AND query LIKE '%%{s}.workers%%'"
    )
    await until(lambda: query(left) == [(0,)])
