"""Claim, finish, release, rescue and promote, statement by statement, in any order."""

from __future__ import annotations

import uuid
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import psycopg
import pytest
from fencing import WORKERS, Database, Run
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

QUEUES = ("default", "other")


# "due" is a retrying job whose time has come.
LIVE_STATES = {"pending", "running", "retrying", "due"}


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
