"""Claim, finish, release, rescue and promote, statement by statement: in any order, and at the same time."""

from __future__ import annotations

import random
import threading
import time
import uuid
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import psycopg
import pytest
import uuid_utils
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from support import WITHIN_S

from chancy_core.app import Chancy
from chancy_core.store import Store, run_sync
from chancy_core.store.jobrows import job_row
from chancy_core.store.jobs import cancel_jobs, retry_jobs
from chancy_core.store.pushes import insert_jobs
from chancy_core.store.storedjobs import claimed_job
from chancy_core.values.fields import PRIORITY_MAX, PRIORITY_MIN
from chancy_core.values.job import Job
from chancy_core.worker.floors import LOWEST_ID
from chancy_core.worker.rescue import ERROR, NOTE

WORKERS = ("a", "b", "c")
QUEUES = ("default", "other")
# "due" is a retrying job whose time has come.
LIVE_STATES = {"pending", "running", "retrying", "due"}


class Run(NamedTuple):
    """What a claim handed out."""

    id: uuid.UUID
    claims: int


class Database:
    """The statements under test, on one connection, as the worker sends them."""

    def __init__(self, dsn: str, schema: str) -> None:
        self.store = Store(schema, notifications=False)
        self.schema = schema
        self.connection = psycopg.connect(dsn, autocommit=True)
        # Somebody who holds rows for as long as he likes.
        self.holder = psycopg.connect(dsn)

    def close(self) -> None:
        self.connection.close()
        self.holder.close()

    def ask(self, name: str, **params: Any) -> list[tuple[Any, ...]]:
        """Run a statement of the kernel."""

        def flow():
            return (yield self.store.query(name, **params))

        return run_sync(self.connection, flow())

    def sql(self, text: str, *params: Any) -> list[tuple[Any, ...]]:
        cursor = self.connection.execute(text.replace("{schema}", f'"{self.schema}"'), params)
        return cursor.fetchall() if cursor.description else []

    def push(
        self,
        queue: str,
        max_attempts: int,
        *,
        unique_key: str | None = None,
        count: int = 1,
        expires_at: datetime | None = None,
    ) -> list[uuid.UUID]:
        """Push jobs; the ids of those that were stored."""
        job = Job("f.f", max_attempts=max_attempts, unique_key=unique_key, expires_at=expires_at)
        rows = [job_row(job, queue, str(uuid_utils.uuid7()), 1000) for _ in range(count)]
        taken = run_sync(self.connection, insert_jobs(self.store, rows, ()))
        return [uuid.UUID(row.id) for row in rows if row.id not in taken]

    def claim(self, worker: str, queue: str, limit: int) -> list[Run]:
        rows = self.ask(
            "claim_jobs",
            queue=queue,
            worker=worker,
            limit=limit,
            bytes=1 << 20,
            refused=[],
            unable=None,
            low=[PRIORITY_MIN],
            high=[PRIORITY_MAX],
            floor=[LOWEST_ID],
        )
        return [Run(job.id, job.claims) for job in map(claimed_job, rows)]

    def finish(self, runs: list[Run], state: str) -> list[uuid.UUID]:
        runs = sorted(runs)
        none = [None] * len(runs)
        ids, claims = [run.id for run in runs], [run.claims for run in runs]
        rows = self.ask(
            "finish_jobs",
            id=ids,
            claims=claims,
            state=[state] * len(runs),
            result=none,
            errors=none,
            note=none,
            run_s=[0.0] * len(runs),
            peak=None,
            meta=None,
        )
        return [row[0] for row in rows]

    def finish_impatiently(self, runs: list[Run], state: str) -> list[uuid.UUID]:
        with self.connection.transaction():
            self.connection.execute("SET LOCAL lock_timeout = '1ms'")
            return self.finish(runs, state)

    def finish_free(self, runs: list[Run], state: str) -> tuple[list[uuid.UUID], set[uuid.UUID]]:
        """As a worker that waits for no lock: those that were accepted, and those that somebody holds."""
        with self.connection.transaction():
            free = {row[0] for row in self.ask("lock_runs", id=[run.id for run in runs])}
            accepted = self.finish([run for run in runs if run.id in free], state)
        left = {(run.id, run.claims) for run in runs if run.id not in accepted}
        found = self.ask("find_runs", id=[id_ for id_, _ in left])
        return accepted, {id_ for id_, claims, worker, _, _, live in found if live and worker and (id_, claims) in left}

    def hold(self, ids: list[uuid.UUID]) -> None:
        text = f'SELECT FROM "{self.schema}".jobs WHERE id = ANY (%s) ORDER BY id FOR UPDATE'
        self.holder.execute(text.encode(), [ids])

    def let_go(self) -> None:
        self.holder.rollback()

    def release(self, runs: list[Run], delay_s: float | None, refund: int) -> list[uuid.UUID]:
        runs = sorted(runs)
        none = [None] * len(runs)
        rows = self.ask(
            "release_jobs",
            id=[run.id for run in runs],
            claims=[run.claims for run in runs],
            delay_s=[delay_s] * len(runs),
            refund=[refund] * len(runs),
            errors=none,
            note=none,
            meta=None,
            options=None,
        )
        return [row[0] for row in rows]

    def rescue(self, limit: int = 500) -> dict[uuid.UUID, str]:
        rows = self.ask(
            "rescue_jobs", me="rescuer", orphans=True, limit=limit, only=None, grace_s=0.0, error=ERROR, note=NOTE
        )
        return {id_: state for id_, _, state, _ in rows}

    def promote(self, limit: int = 1000) -> int:
        return len(self.ask("promote_jobs", limit=limit))

    def cancel(self, ids: list[uuid.UUID]) -> dict[uuid.UUID, str]:
        return run_sync(self.connection, cancel_jobs(self.store, ids, "why"))

    def sweep(self, limit: int = 1000) -> list[uuid.UUID]:
        return [row[0] for row in self.ask("sweep_jobs", limit=limit)]

    def retry(self, ids: list[uuid.UUID]) -> list[uuid.UUID]:
        return run_sync(self.connection, retry_jobs(self.store, ids))

    def renew(self, worker: str) -> None:
        """As the heartbeat: renew, and register again if the worker is not known any more."""
        if not self.ask("renew_lease", worker=worker, lease_s=3600.0):
            self.ask("register_worker", worker=worker, tags=[], lease_s=3600.0)

    def expire(self, worker: str) -> None:
        self.sql("UPDATE {schema}.workers SET lease_until = now() - interval '1 s' WHERE worker = %s", worker)

    def forget(self) -> None:
        self.ask("forget_workers", grace_s=0.0)

    def live(self) -> dict[uuid.UUID, tuple[str, int, int, str | None]]:
        rows = self.sql("SELECT id, state, attempts, claims, worker FROM {schema}.jobs")
        return {row[0]: row[1:] for row in rows}

    def finished(self) -> dict[uuid.UUID, tuple[str, int, int]]:
        rows = self.sql("SELECT id, state, attempts, claims FROM {schema}.finished_jobs")
        assert len({row[0] for row in rows}) == len(rows)
        return {row[0]: row[1:] for row in rows}

    def empty(self) -> None:
        self.sql("TRUNCATE {schema}.jobs, {schema}.finished_jobs, {schema}.workers")


@pytest.fixture
def database(dsn: str, schema: str) -> Iterator[Database]:
    with Chancy(dsn, schema=schema, discover=False) as chancy:
        chancy.sync_migrate()
    found = Database(dsn, schema)
    found.sql("INSERT INTO {schema}.queues (name, executor) VALUES ('other', 'x')")
    yield found
    found.close()


# -- any order -----------------------------------------------------------------------------


class Known(NamedTuple):
    """What a job must look like."""

    state: str
    attempts: int
    max_attempts: int
    claims: int
    worker: str | None = None
    cancel: bool = False


class Model(RuleBasedStateMachine):
    """Three workers do what they may in any order, and remember every run they were ever given."""

    database: Database

    def __init__(self) -> None:
        super().__init__()
        self.jobs: dict[uuid.UUID, Known] = {}
        self.outcomes: Counter[uuid.UUID] = Counter()
        self.runs: list[Run] = []
        self.leases: dict[str, bool] = {}

    @initialize()
    def begin(self) -> None:
        self.database.empty()
        for worker in WORKERS:
            self.renew(worker)

    @rule(queue=st.sampled_from(QUEUES), max_attempts=st.integers(1, 3), count=st.integers(1, 3))
    def push(self, queue: str, max_attempts: int, count: int) -> None:
        for id_ in self.database.push(queue, max_attempts, count=count):
            self.jobs[id_] = Known("pending", 0, max_attempts, 0)

    @rule(worker=st.sampled_from(WORKERS), queue=st.sampled_from(QUEUES), limit=st.integers(1, 4))
    def claim(self, worker: str, queue: str, limit: int) -> None:
        runs = self.database.claim(worker, queue, limit)
        assert not runs or self.leases.get(worker)
        assert len(runs) <= limit
        for run in runs:
            job = self.jobs[run.id]
            # A claim takes what is pending, spends an attempt, and raises `claims`.
            assert (job.state, run.claims, job.cancel) == ("pending", job.claims + 1, False)
            self.jobs[run.id] = job._replace(
                state="running", attempts=job.attempts + 1, claims=run.claims, worker=worker
            )
        self.runs += runs

    def current(self, runs: list[Run]) -> set[uuid.UUID]:
        """The jobs of those runs that have not been overtaken."""
        return {r.id for r in runs if self.jobs[r.id].state == "running" and self.jobs[r.id].claims == r.claims}

    def some_runs(self, data: st.DataObject) -> list[Run]:
        """Runs to report on: mostly of jobs that are not over, overtaken runs of such jobs first of all."""
        live = [run for run in self.runs if self.jobs[run.id].state in LIVE_STATES]
        overtaken = [run for run in live if run.claims < self.jobs[run.id].claims]
        return data.draw(
            st.lists(
                st.one_of(st.sampled_from(part) for part in (overtaken, live, self.runs) if part),
                min_size=1,
                max_size=3,
                unique=True,
            )
        )

    @precondition(lambda self: self.runs)
    @rule(data=st.data(), state=st.sampled_from(["succeeded", "failed", "cancelled"]))
    def finish(self, data: st.DataObject, state: str) -> None:
        runs = self.some_runs(data)
        expected = self.current(runs)
        accepted = self.database.finish(runs, state)
        assert Counter(accepted) == Counter(expected)
        for id_ in accepted:
            self.outcomes[id_] += 1
            self.jobs[id_] = self.jobs[id_]._replace(state=state, worker=None)

    @precondition(lambda self: self.runs)
    @rule(data=st.data(), state=st.sampled_from(["succeeded", "failed"]))
    def finish_while_somebody_holds_rows(self, data: st.DataObject, state: str) -> None:
        """Rows that are locked are left for later, and only those; a write that waits for them changes nothing."""
        runs = self.some_runs(data)
        expected = self.current(runs)
        held = set(data.draw(st.lists(st.sampled_from(sorted(expected)), unique=True))) if expected else set()
        self.database.hold(sorted(held))
        if held:
            with pytest.raises(psycopg.errors.LockNotAvailable):
                self.database.finish_impatiently(runs, state)
        accepted, locked = self.database.finish_free(runs, state)
        self.database.let_go()
        assert Counter(accepted) == Counter(expected - held)
        assert locked == held
        for id_ in accepted:
            self.outcomes[id_] += 1
            self.jobs[id_] = self.jobs[id_]._replace(state=state, worker=None)

    @precondition(lambda self: self.runs)
    @rule(data=st.data(), state=st.sampled_from(["succeeded", "failed"]))
    def finish_without_an_answer(self, data: st.DataObject, state: str) -> None:
        """What was recorded but never answered is refused when it is sent again, and found to be what was sent."""
        runs = self.some_runs(data)
        workers = {run: self.jobs[run.id].worker for run in runs}
        accepted = set(self.database.finish(runs, state))
        for id_ in accepted:
            self.outcomes[id_] += 1
            self.jobs[id_] = self.jobs[id_]._replace(state=state, worker=None)
        assert self.database.finish(runs, state) == []
        rows = self.database.ask("find_runs", id=[run.id for run in runs])
        found = {Run(id_, claims): (worker, is_, live) for id_, claims, worker, is_, _, live in rows}
        for run in runs:
            if run.id in accepted and run.claims == self.jobs[run.id].claims:
                assert found[run] == (workers[run], state, False)

    @rule(worker=st.sampled_from(WORKERS), queue=st.sampled_from(QUEUES))
    def read_only(self, worker: str, queue: str) -> None:
        """While the database is read-only, whatever is tried changes nothing."""
        self.database.sql("SET default_transaction_read_only = on")
        try:
            for act in (
                lambda: self.database.claim(worker, queue, 3),
                lambda: self.database.finish(self.runs[:3], "succeeded"),
                self.database.rescue,
                self.database.promote,
                self.database.sweep,
            ):
                with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
                    act()
        finally:
            self.database.sql("SET default_transaction_read_only = off")

    @rule(queue=st.sampled_from(QUEUES))
    def push_what_has_expired(self, queue: str) -> None:
        """A job that was not started in time is claimed by nobody, and swept as cancelled."""
        (id_,) = self.database.push(queue, 1, expires_at=datetime.now(UTC) - timedelta(days=1))
        self.jobs[id_] = Known("pending", 0, 1, 0)
        for worker in WORKERS:
            self.claim(worker, queue, 4)
        swept = self.database.sweep()
        assert id_ in swept
        for each in swept:
            self.outcomes[each] += 1
            self.jobs[each] = self.jobs[each]._replace(state="cancelled", cancel=False)

    @rule(worker=st.sampled_from(WORKERS))
    def set_the_clock_back(self, worker: str) -> None:
        """A lease that lies further ahead than it can begins now: it is neither over nor good for longer."""
        if not self.leases.get(worker):
            return
        self.database.sql("UPDATE {schema}.workers SET lease_until = now() + interval '9 h' WHERE worker = %s", worker)
        clamped = [name for (name,) in self.database.ask("clamp_leases", lease_s=3600.0)]
        assert clamped == [worker]
        ((left,),) = self.database.sql("SELECT lease_until - now() FROM {schema}.workers WHERE worker = %s", worker)
        assert timedelta(minutes=59) < left <= timedelta(hours=1, seconds=1)

    @precondition(lambda self: self.runs)
    @rule(data=st.data(), delay_s=st.sampled_from([None, 0.0, 3600.0]), refund=st.integers(0, 1))
    def release(self, data: st.DataObject, delay_s: float | None, refund: int) -> None:
        runs = self.some_runs(data)
        # A job without an attempt left is never sent back with the attempt spent: the executor fails it.
        runs = [r for r in runs if refund or self.jobs[r.id].attempts < self.jobs[r.id].max_attempts]
        expected = self.current(runs)
        accepted = self.database.release(runs, delay_s, refund)
        assert Counter(accepted) == Counter(expected)
        for id_ in accepted:
            job = self.jobs[id_]
            state = "pending" if delay_s is None else "retrying" if delay_s else "due"
            self.jobs[id_] = job._replace(state=state, attempts=job.attempts - refund, worker=None)

    @rule()
    def promote(self) -> None:
        due = [id_ for id_, job in self.jobs.items() if job.state == "due"]
        assert self.database.promote() == len(due)
        for id_ in due:
            self.jobs[id_] = self.jobs[id_]._replace(state="pending")

    @rule(limit=st.sampled_from([1, 500]))
    def rescue(self, limit: int) -> None:
        lost = {i for i, job in self.jobs.items() if job.state == "running" and not self.leases.get(job.worker)}
        rescued = self.database.rescue(limit)
        assert len(rescued) == min(len(lost), limit)
        assert rescued.keys() <= lost
        for id_, state in rescued.items():
            job = self.jobs[id_]
            assert state == ("failed" if job.attempts == job.max_attempts else "pending")
            self.outcomes[id_] += state == "failed"
            self.jobs[id_] = job._replace(state=state, worker=None)

    @precondition(lambda self: self.jobs)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        ids = data.draw(st.lists(st.sampled_from(sorted(self.jobs)), min_size=1, max_size=3, unique=True))
        found = self.database.cancel(ids)
        assert found.keys() == set(ids)
        for id_, what in found.items():
            job = self.jobs[id_]
            if job.state not in LIVE_STATES:
                assert what == "finished"
            elif job.state == "running":
                assert what == "stopping"
                self.jobs[id_] = job._replace(cancel=True)
            else:
                assert what == "cancelled"
                self.outcomes[id_] += 1
                self.jobs[id_] = job._replace(state="cancelled", cancel=False)

    @rule()
    def sweep(self) -> None:
        over = {id_ for id_, job in self.jobs.items() if job.cancel and job.state in LIVE_STATES - {"running"}}
        assert set(self.database.sweep()) == over
        for id_ in over:
            self.outcomes[id_] += 1
            self.jobs[id_] = self.jobs[id_]._replace(state="cancelled", cancel=False)

    @precondition(lambda self: self.jobs)
    @rule(data=st.data())
    def retry(self, data: st.DataObject) -> None:
        ids = data.draw(st.lists(st.sampled_from(sorted(self.jobs)), min_size=1, max_size=3, unique=True))
        over = {id_ for id_ in ids if self.jobs[id_].state not in LIVE_STATES}
        assert set(self.database.retry(ids)) == over
        for id_ in over:
            self.outcomes[id_] -= 1
            # Raised, as by a claim, so that no two ends of a job have the same.
            claims = self.jobs[id_].claims + 1
            self.jobs[id_] = self.jobs[id_]._replace(state="pending", attempts=0, claims=claims, cancel=False)

    @rule(worker=st.sampled_from(WORKERS))
    def expire(self, worker: str) -> None:
        self.database.expire(worker)
        self.leases[worker] = False

    @rule(worker=st.sampled_from(WORKERS))
    def renew(self, worker: str) -> None:
        self.database.renew(worker)
        self.leases[worker] = True

    @rule()
    def forget(self) -> None:
        self.database.forget()

    @precondition(lambda self: any(job.state == "running" for job in self.jobs.values()))
    @rule(worker=st.sampled_from(WORKERS), queue=st.sampled_from(QUEUES))
    def lose_all_and_claim_again(self, worker: str, queue: str) -> None:
        """What chance alone would seldom bring about: runs that are overtaken."""
        for each in WORKERS:
            self.expire(each)
        self.rescue(500)
        self.renew(worker)
        self.claim(worker, queue, 4)

    @invariant()
    def the_tables_are_as_they_must_be(self) -> None:
        live, finished = self.database.live(), self.database.finished()
        # Each job is in exactly one of them, and none is anywhere else.
        assert not live.keys() & finished.keys()
        assert live.keys() | finished.keys() == self.jobs.keys()
        for id_, job in self.jobs.items():
            state = "retrying" if job.state == "due" else job.state
            if id_ in finished:
                assert finished[id_] == (state, job.attempts, job.claims)
                assert self.outcomes[id_] == 1
            else:
                assert live[id_] == (state, job.attempts, job.claims, job.worker)
                assert self.outcomes[id_] == 0
            assert job.attempts <= min(job.max_attempts, job.claims)


def test_no_order_of_statements_breaks_the_fences(database):
    """In whatever order workers claim, finish, hand back, rescue and promote, the tables are what they must be."""

    class Bound(Model):
        pass

    Bound.database = database
    run_state_machine_as_test(
        Bound,
        settings=settings(
            max_examples=60,
            stateful_step_count=60,
            deadline=None,
            database=None,
            # Not shrunk: that takes minutes, and the steps of any failing order are told anyway.
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )


# -- at the same time ----------------------------------------------------------------------


class Actor(threading.Thread):
    """A worker in a thread of its own, that does in random order what workers do, and reports late and twice."""

    def __init__(self, database: Database, name: str, enough: threading.Event, seed: int) -> None:
        super().__init__(name=name)
        self.database = database
        self.enough = enough
        self.dice = random.Random(seed)
        self.mine: list[Run] = []
        self.pushed: list[uuid.UUID] = []
        self.claimed: list[Run] = []
        self.accepted: list[Run] = []
        self.rescued_as_failed: list[uuid.UUID] = []
        self.cancelled: list[uuid.UUID] = []
        self.done: Counter[str] = Counter()
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            while not self.enough.is_set():
                act = self.dice.choice(
                    [
                        *("push", "claim", "claim", "finish", "finish", "release", "promote", "rescue", "lease"),
                        *("forget", "cancel", "sweep"),
                    ]
                )
                self.done[act] += 1
                getattr(self, act)()
        except BaseException as error:
            self.error = error
        finally:
            self.database.close()

    def push(self) -> None:
        self.pushed += self.database.push("default", self.dice.randint(1, 4), count=self.dice.randint(1, 20))
        key = f"key-{self.dice.randint(1, 5)}"
        self.pushed += self.database.push("default", 3, unique_key=key)

    def claim(self) -> None:
        runs = self.database.claim(self.name, "default", self.dice.randint(1, 30))
        self.claimed += runs
        self.mine += runs

    def some(self) -> list[Run]:
        # What was reported stays in the list for a while, to be reported again.
        some = self.dice.sample(self.mine, min(len(self.mine), self.dice.randint(1, 25)))
        if len(self.mine) > 60:
            self.mine = self.mine[-40:]
        return some

    def finish(self) -> None:
        given = {run.id: run for run in self.some()}
        accepted = self.database.finish(list(given.values()), self.dice.choice(["succeeded", "failed"]))
        self.accepted += [given[id_] for id_ in accepted]

    def release(self) -> None:
        self.database.release(self.some(), self.dice.choice([None, 0.0, 0.01]), 1)

    def promote(self) -> None:
        self.database.promote(self.dice.randint(1, 50))

    def rescue(self) -> None:
        rescued = self.database.rescue(self.dice.randint(1, 50))
        self.rescued_as_failed += [id_ for id_, state in rescued.items() if state == "failed"]

    def cancel(self) -> None:
        some = self.dice.sample(self.pushed, min(len(self.pushed), 2)) + [run.id for run in self.some()[:2]]
        found = self.database.cancel(list(set(some)))
        self.cancelled += [id_ for id_, what in found.items() if what == "cancelled"]

    def sweep(self) -> None:
        self.cancelled += self.database.sweep(self.dice.randint(1, 50))

    def lease(self) -> None:
        # Anybody's, because a lease may run out at any moment.
        if self.dice.random() < 0.5:
            self.database.expire(self.dice.choice(WORKERS))
        else:
            self.database.renew(self.name)

    def forget(self) -> None:
        self.database.forget()


def test_workers_at_the_same_time_break_no_fence(dsn, database):
    """Three workers at once, whose leases may run out at any moment: one outcome a job, one claim a run, no deadlock;
    cancelled by others at any moment as well.

    The outcome is that of the last run.
    """
    enough = threading.Event()
    for worker in WORKERS:
        database.renew(worker)
    actors = [Actor(Database(dsn, database.schema), name, enough, seed) for seed, name in enumerate(WORKERS)]
    for actor in actors:
        actor.start()
    highest: dict[uuid.UUID, int] = {}
    at_least, at_most = time.monotonic() + 6, time.monotonic() + 2 * WITHIN_S
    try:
        # It proves something only if all of it happened, however slow the machine is.
        while time.monotonic() < at_least or (time.monotonic() < at_most and not all_happened(database, actors)):
            for id_, (_, attempts, claims, _) in database.live().items():
                assert highest.get(id_, 0) <= claims
                assert attempts <= claims
                highest[id_] = claims
            time.sleep(0.05)
    finally:
        enough.set()
    for actor in actors:
        actor.join()
        if actor.error:
            raise actor.error
    pushed = [id_ for actor in actors for id_ in actor.pushed]
    live, finished = database.live(), database.finished()
    assert not live.keys() & finished.keys()
    assert Counter(pushed) == Counter([*live, *finished])
    # Each outcome was accepted from one worker, once, or was the rescuers'.
    accepted = [run for actor in actors for run in actor.accepted]
    failed = [id_ for actor in actors for id_ in actor.rescued_as_failed]
    cancelled = [id_ for actor in actors for id_ in actor.cancelled]
    assert Counter([*(run.id for run in accepted), *failed, *cancelled]) == Counter(list(finished))
    assert [run for run in accepted if finished[run.id][2] != run.claims] == []
    # No run was handed out twice.
    claimed = Counter(run for actor in actors for run in actor.claimed)
    assert set(claimed.values()) == {1}
    runs_of: dict[uuid.UUID, set[int]] = defaultdict(set)
    for run in claimed:
        runs_of[run.id].add(run.claims)
    for id_, (_, _, claims) in finished.items():
        assert runs_of[id_] == set(range(1, claims + 1))
        assert claims >= highest.get(id_, 0)
    assert database.sql("SELECT count(*) FROM {schema}.finished_jobs WHERE attempts > max_attempts") == [(0,)]
    assert all_happened(database, actors)


def all_happened(database: Database, actors: list[Actor]) -> bool:
    """Whether there were enough of each: outcomes, second runs, rescues that failed a job, and cancellations."""
    finished = database.finished()
    return (
        len(finished) > 100
        and sum(claims > 1 for _, _, claims in finished.values()) > 10
        and any(actor.rescued_as_failed for actor in actors)
        and sum(len(actor.cancelled) for actor in actors) > 10
    )


# -- rescue against a late finish ----------------------------------------------------------


@pytest.fixture
def rival(dsn, database) -> Iterator[Database]:
    """Another connection to the same schema."""
    found = Database(dsn, database.schema)
    yield found
    found.close()


def lost_run(database: Database, max_attempts: int) -> Run:
    """A run of worker a, whose lease has run out."""
    for worker in ("a", "b"):
        database.renew(worker)
    database.push("default", max_attempts)
    (run,) = database.claim("a", "default", 1)
    database.expire("a")
    return run


def test_a_finish_that_commits_first_wins(database, rival):
    """While a finish is not yet committed, a rescue passes by its job, and after it there is nothing to rescue."""
    run = lost_run(database, 2)
    with database.connection.transaction():
        assert database.finish([run], "succeeded") == [run.id]
        assert rival.rescue() == {}
    assert rival.rescue() == {}
    assert database.finished() == {run.id: ("succeeded", 1, 1)}
    assert database.live() == {}


def test_a_finish_that_is_rolled_back_is_rescued(database, rival):
    """A finish that did not commit leaves its job to the rescue."""
    run = lost_run(database, 2)
    with database.connection.transaction(force_rollback=True):
        assert database.finish([run], "succeeded") == [run.id]
    assert rival.rescue() == {run.id: "pending"}


@pytest.mark.parametrize("max_attempts", [1, 2])
@pytest.mark.parametrize("write", ["finish", "release"])
def test_a_rescue_that_commits_first_wins(database, rival, max_attempts, write):
    """A finish that waits for a rescue to commit is refused then, whether the job runs again or has failed."""
    run = lost_run(database, max_attempts)
    answers = []

    def late() -> None:
        answers.append(rival.finish([run], "succeeded") if write == "finish" else rival.release([run], 0.0, 1))

    thread = threading.Thread(target=late)
    with database.connection.transaction():
        assert database.rescue() == {run.id: "failed" if max_attempts == 1 else "pending"}
        thread.start()
        # It waits for the row.
        deadline = time.monotonic() + WITHIN_S
        with psycopg.connect(rival.connection.info.dsn, autocommit=True) as watching:
            while not watching.execute(
                "SELECT 1 FROM pg_stat_activity WHERE pid = %s AND wait_event_type = 'Lock'",
                (rival.connection.info.backend_pid,),
            ).fetchone():
                assert time.monotonic() < deadline
                time.sleep(0.01)
    thread.join()
    assert answers == [[]]
    if max_attempts == 1:
        assert database.finished() == {run.id: ("failed", 1, 1)}
    else:
        assert database.live() == {run.id: ("pending", 1, 1, None)}


@pytest.mark.parametrize("who", ["a", "b"])
def test_a_late_finish_does_not_touch_the_next_run(database, who):
    """After a rescue and another claim, by whomever, only the new run's outcome counts."""
    old = lost_run(database, 3)
    assert database.rescue() == {old.id: "pending"}
    database.renew("a")
    (new,) = database.claim(who, "default", 1)
    assert new == Run(old.id, 2)
    assert database.finish([old], "failed") == []
    assert database.release([old], None, 1) == []
    assert database.live() == {old.id: ("running", 2, 2, who)}
    assert database.finish([old, new], "succeeded") == [new.id]
    assert database.finished() == {old.id: ("succeeded", 2, 2)}


def test_an_outcome_counts_once(database):
    """The same outcome in two batches, or twice in one, is recorded once."""
    database.renew("a")
    database.push("default", 1, count=2)
    first, second = database.claim("a", "default", 2)
    assert database.finish([first], "succeeded") == [first.id]
    assert database.finish([first, second, second], "failed") == [second.id]
    assert {state for state, _, _ in database.finished().values()} == {"succeeded", "failed"}


def test_two_rescuers_rescue_each_job_once(database, rival):
    """Two rescuers at once share the work: neither waits for the other, and no job is rescued twice."""
    for worker in ("a", "b"):
        database.renew(worker)
    database.push("default", 2, count=10)
    runs = database.claim("a", "default", 10)
    database.expire("a")
    with database.connection.transaction():
        first = database.rescue(limit=4)
        second = rival.rescue()
    assert len(first) == 4
    assert first.keys() | second.keys() == {run.id for run in runs}
    assert not first.keys() & second.keys()
    errors = database.sql("SELECT jsonb_array_length(errors), errors->0->>'worker' FROM {schema}.jobs")
    assert set(errors) == {(1, "a")}


def test_a_rescued_job_keeps_each_attempts_error(database):
    """Every lost attempt is one more error, with its number and its worker, and the last one fails the job."""
    database.push("default", 3)
    for worker in WORKERS:
        database.renew(worker)
        database.claim(worker, "default", 1)
        database.expire(worker)
        database.rescue()
    errors = database.sql("SELECT errors, state, note FROM {schema}.finished_jobs")[0]
    assert [(e["attempt"], e["type"], e["worker"]) for e in errors[0]] == [
        (attempt, "WorkerLost", worker) for attempt, worker in enumerate(WORKERS, 1)
    ]
    assert errors[1:] == ("failed", NOTE)


def test_a_worker_without_a_lease_claims_nothing(database):
    """Whoever's lease ran out, or was never known, is given no job."""
    database.push("default", 1)
    assert database.claim("stranger", "default", 1) == []
    database.renew("a")
    database.expire("a")
    assert database.claim("a", "default", 1) == []
    database.renew("a")
    assert len(database.claim("a", "default", 1)) == 1


def test_after_a_restart_nobody_is_rescued_too_early(database):
    """While the server has been up for less than the grace, leases that look old count for nothing."""
    lost_run(database, 2)
    assert (
        database.ask(
            "rescue_jobs",
            me="rescuer",
            orphans=True,
            limit=10,
            only=None,
            grace_s=86_400.0 * 365,
            error=ERROR,
            note=NOTE,
        )
        == []
    )
    assert database.ask("forget_workers", grace_s=86_400.0 * 365) == []
    assert len(database.rescue()) == 1
