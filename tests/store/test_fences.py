"""Claim, finish and rescue at the same time, and a rescue against a late finish."""

from __future__ import annotations

import random
import threading
import time
import uuid
from collections import Counter, defaultdict
from collections.abc import Iterator

import psycopg
import pytest
from fencing import WORKERS, Database, Run
from support import WITHIN_S

from chancy_core.worker.rescue import ERROR, NOTE


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
