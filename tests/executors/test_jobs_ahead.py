"""A child has its next jobs before the one that runs has ended, and each is run once, by whoever has begun it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
from collections import Counter
from pathlib import Path
from typing import Any

import ahead_jobs
import pytest
from processing import MIB, linux_only, queued, settings, within
from support import WITHIN_S, until

from chancy import Queue
from chancy_core.executors import StopReason
from chancy_core.executors.process import ProcessExecutor
from chancy_core.executors.processes import runs
from chancy_core.values.queuedjob import State
from chancy_core.worker import lane as lanes
from chancy_core.worker.deciding import Policy
from chancy_core.worker.lane import Lane

pytestmark = linux_only


class Ahead:
    """A lane of child processes, and what its jobs came to."""

    def __init__(self, folder: Path, slots: int, **options: Any):
        self.folder = folder
        self.outcomes = []
        self.slots = slots
        self.executor = ProcessExecutor(settings(slots), **options)
        self.lane = Lane(Queue("q"), slots, self.executor, self, Policy("worker"))

    def put(self, outcome):
        self.outcomes.append(outcome)

    def job(self, func, *limits, n, **kwargs):
        return queued(func, *limits, path=str(self.folder / "ran"), n=n, **kwargs)

    def marks(self, *numbers):
        return [self.job(ahead_jobs.marks, n=n) for n in numbers]

    async def warm(self):
        """All children have run a job, so that they may be sent others ahead."""
        go = self.folder / "go"
        self.lane.start([self.job(ahead_jobs.marks_and_waits, n=-1, until=str(go)) for _ in range(self.slots)])
        await until(lambda: len(self.ran()) == self.slots, WITHIN_S)
        go.touch()
        await self.ended(self.slots)
        self.outcomes.clear()
        (self.folder / "ran").unlink()

    def ran(self):
        """The numbers of the jobs that were begun, in the order in which they were."""
        with contextlib.suppress(FileNotFoundError):
            return [int(line) for line in (self.folder / "ran").read_text().split()]
        return []

    def ended(self, count):
        return until(lambda: len(self.outcomes) >= count, WITHIN_S)

    def states(self):
        return {outcome.job.kwargs["n"]: (outcome.state, outcome.attempt_spent) for outcome in self.outcomes}

    async def begun(self, n):
        await until(lambda: n in self.ran(), WITHIN_S)


@pytest.fixture
async def ahead(tmp_path, monkeypatch):
    """Makes lanes. By default nothing in them comes back by itself, however slow the machine is."""
    monkeypatch.setattr(runs.Runs, "goes_on", lambda _: False)
    monkeypatch.setattr(lanes, "PATIENCE_S", WITHIN_S)
    made = []

    async def new(slots, **options):
        made.append(Ahead(tmp_path, slots, **{"grace_s": 0.1, **options}))
        await made[-1].warm()
        return made[-1]

    yield new
    for one in made:
        one.lane.stop(StopReason.SHUTDOWN)
        await one.lane.idle()
        await one.lane.close()


async def test_a_death_is_blamed_on_the_job_that_had_begun(ahead):
    """Those behind it are run by another child, and have lost nothing."""
    one = await ahead(1)
    one.lane.start([one.job(ahead_jobs.marks_and_dies, n=0), *one.marks(*range(1, 8))])
    assert len(one.lane._ahead), "nothing was sent ahead"
    await one.ended(8)
    assert one.ran() == list(range(8))
    first, *others = one.outcomes
    assert (first.job.kwargs["n"], first.error.type, first.attempt_spent) == (0, "ChildProcessDied", True)
    assert first.error.message.endswith("exited with code 7.")
    assert {outcome.state for outcome in others} == {State.SUCCEEDED}


async def test_a_child_that_is_killed_between_two_jobs_costs_neither_its_attempt(ahead):
    """Its worker knows that the first one has ended, and the child never came to the second."""
    one = await ahead(1)
    go = one.folder / "goes"
    first = one.job(ahead_jobs.marks_and_waits, n=0, until=str(go))
    # No more than one: another that is sent when the first has ended would bring a token of its own.
    one.lane.start([first, *one.marks(1)])
    await one.begun(0)
    (child,) = one.executor._children._children.values()
    # As it looks when the child has said that it is done, and dies: it finds no tokens, but its worker does.
    tokens = child._runs.tokens
    assert tokens.take(), "nothing was sent ahead"
    go.touch()
    await one.ended(1)
    os.kill(child.pid, signal.SIGSTOP)
    await until(lambda: Path(f"/proc/{child.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T", WITHIN_S)
    tokens.lay()
    child.kill()
    await one.ended(2)
    assert one.ran() == [0, 1]
    assert set(one.states().values()) == {(State.SUCCEEDED, True)}


async def test_what_lies_behind_a_job_that_goes_on_is_run_by_another_child(ahead, monkeypatch):
    """Even if it hangs in C code, and its child hears nothing."""
    one = await ahead(2)
    monkeypatch.undo()
    monkeypatch.setattr(lanes, "PATIENCE_S", WITHIN_S)
    one.lane.start([one.job(ahead_jobs.marks_and_hangs_in_c, n=0), *one.marks(*range(1, 21))])
    await one.ended(20)
    assert sorted(one.ran()) == list(range(21))
    assert set(one.states().values()) == {(State.SUCCEEDED, True)}
    assert one.lane.running == 1


async def test_what_lies_behind_jobs_that_go_on_is_handed_back(ahead, monkeypatch):
    """After the time that any job may wait for a slot, no attempt spent; and it is not run."""
    one = await ahead(1)
    monkeypatch.setattr(runs.Runs, "goes_on", lambda _: True)
    monkeypatch.setattr(lanes, "PATIENCE_S", 0.05)
    one.lane.start([one.job(ahead_jobs.marks_and_hangs_in_c, n=0), *one.marks(1, 2, 3)])
    await one.ended(3)
    assert one.states() == dict.fromkeys((1, 2, 3), (State.PENDING, False))
    assert one.ran() in ([], [0])


@pytest.mark.parametrize("how", ["cancel", "stop_those", "give_back", "stop", "reshape"])
async def test_a_job_that_was_sent_ahead_and_is_not_wanted_never_begins(ahead, how):
    """It is cancelled, or handed back, at once, although its child is busy; the others that lie there are run."""
    one = await ahead(1)
    go = one.folder / "goes"
    goes_on, unwanted, other = one.job(ahead_jobs.marks_and_waits, n=0, until=str(go)), *one.marks(1, 2)
    one.lane.start([goes_on, unwanted, other])
    await one.begun(0)
    assert len(one.lane._ahead), "nothing was sent ahead"
    key = (unwanted.id, unwanted.claims)
    expected = {1: (State.PENDING, False)}
    if how == "cancel":
        assert one.lane.cancel(key)
        expected = {1: (State.CANCELLED, True)}
    elif how == "stop_those":
        assert one.lane.stop_those({key}, StopReason.LEASE_LOST) == 1
    elif how == "give_back":
        assert one.lane.give_back("note") == 2
    elif how == "stop":
        assert one.lane.stop(StopReason.SHUTDOWN) == 3
    else:
        # What runs in the old executor goes on, and what waits is run by the new one.
        one.lane.reshape(Queue("q"), 1, ProcessExecutor(settings(1)))
        expected = {}
    assert one.states() == expected | ({2: (State.PENDING, False)} if how in ("give_back", "stop") else {})
    go.touch()
    await one.ended(3)
    states = one.states()
    assert (1 in one.ran()) == (how == "reshape")
    assert states[2][0] == (State.PENDING if how in ("give_back", "stop") else State.SUCCEEDED)


async def test_each_of_many_is_run_once_however_often_they_are_taken_back(ahead):
    """At any moment: before the child has come to one, while it begins, and after."""
    one = await ahead(2)
    count, chance = 1500, random.Random(7)
    jobs = one.marks(*range(count))
    for place in range(0, count, 30):
        one.lane.start(jobs[place : place + 30])
        for _ in range(chance.randrange(4)):
            one.lane._take_back()
            one.lane._fill()
            await asyncio.sleep(chance.choice([0, 0, 0.001]))
        await until(lambda: one.lane.running + len(one.lane._ahead) + len(one.lane._waiting) < 60, WITHIN_S)
    await one.ended(count)
    assert Counter(one.ran()) == dict.fromkeys(range(count), 1)
    assert len(one.outcomes) == count
    assert set(one.states().values()) == {(State.SUCCEEDED, True)}
    assert one.lane.running == 0


async def test_a_child_runs_no_more_jobs_than_it_may(ahead):
    """Those that were sent ahead are counted."""
    one = await ahead(1, maximum_jobs_per_worker=5)
    one.lane.start(one.marks(*range(30)))
    await one.ended(30)
    assert one.ran() == list(range(30))
    pids = Counter(outcome.result for outcome in one.outcomes)
    # The first one has had a job before.
    assert sorted(pids.values()) == [1, 4, 5, 5, 5, 5, 5]


async def test_a_child_that_has_grown_begins_nothing_that_was_sent_ahead(ahead):
    """It is replaced after that job, as if it had none waiting."""
    one = await ahead(1, replace_above_bytes=200 * MIB)
    grows = one.job(ahead_jobs.marks_and_grows, n=0, bytes_=200 * MIB)
    one.lane.start([grows, *one.marks(1, 2, 3)])
    assert len(one.lane._ahead), "nothing was sent ahead"
    await one.ended(4)
    assert one.ran() == [0, 1, 2, 3]
    first, *others = [outcome.result for outcome in one.outcomes]
    assert first not in others


async def test_a_job_with_a_limit_is_never_sent_ahead(ahead):
    """Its time counts from its beginning, and whoever enforces it has to know of that."""
    one = await ahead(1)
    one.lane.start([*one.marks(0), one.job(ahead_jobs.marks, within(60), n=1), *one.marks(2)])
    assert not len(one.lane._ahead)
    await one.ended(3)
    assert set(one.states().values()) == {(State.SUCCEEDED, True)}


async def test_a_job_that_is_begun_anew_for_its_limit_keeps_its_slot(ahead):
    """Its child begins none of those behind it: they would run beside it, one more than there are slots."""
    one = await ahead(1)
    (child,) = one.executor._children._children.values()
    child._runs._take_s = 0.001
    go, then = one.folder / "goes", one.folder / "goes on"
    limited = one.job(ahead_jobs.limited_marks_and_waits, n=1, until=str(then))
    one.lane.start([one.job(ahead_jobs.marks_and_waits, n=0, until=str(go)), limited, *one.marks(2, 3, 4)])
    assert len(one.lane._ahead) == 4, "nothing was sent ahead"
    go.touch()
    await one.begun(1)
    assert one.ran() == [0, 1]
    assert one.lane.running == 1
    then.touch()
    await one.ended(5)
    assert one.ran() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("how", ["goes on", "dies", "grows"])
async def test_jobs_that_come_back_are_begun_in_their_order(ahead, monkeypatch, how):
    """Whatever the job before them does, and however many they are."""
    one = await ahead(1, replace_above_bytes=200 * MIB)
    (child,) = one.executor._children._children.values()
    child._runs._take_s = 0.001
    go = one.folder / "goes"
    first = {
        "goes on": one.job(ahead_jobs.marks_and_waits, n=0, until=str(go)),
        "dies": one.job(ahead_jobs.marks_and_dies, n=0),
        "grows": one.job(ahead_jobs.marks_and_grows, n=0, bytes_=200 * MIB),
    }[how]
    one.lane.start([first, *one.marks(*range(1, 8))])
    assert len(one.lane._ahead) == 7, "not all were sent ahead"
    if how == "goes on":
        await one.begun(0)
        monkeypatch.setattr(runs.Runs, "goes_on", lambda _: True)
        one.executor._ready._look()
        assert not len(one.lane._ahead)
        go.touch()
    await one.ended(8)
    assert one.ran() == list(range(8))
