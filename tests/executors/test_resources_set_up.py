"""How a resource is set up: once for all who wait, beside the loop, before the job's time counts."""

from __future__ import annotations

import asyncio
import threading

import provided_jobs
import pytest
from processing import queued
from provided_jobs import diary, failures
from support import WITHIN_S, until

from chancy import provides
from chancy_core.errors import CannotRunHere
from chancy_core.executors.elsewhere import Heard, JobRunner, RunSettings
from chancy_core.executors.resources import Resources


class Gate:
    """A resource that is set up when it is let."""

    def __init__(self, *failures):
        self.failures = [*failures]
        self.open = threading.Event()
        self.threads = []
        self.torn_down = threading.Event()
        self.provider = provides(self.function())

    def function(self):
        def gated():
            self.threads.append(threading.current_thread())
            assert self.open.wait(WITHIN_S)
            if self.failures:
                raise self.failures.pop()
            yield "resource"
            self.torn_down.set()

        return gated

    async def waiting(self, resources, count):
        """So many coroutines that wait for it."""
        tasks = [asyncio.create_task(resources.here({"it": self.provider})) for _ in range(count)]
        await until(lambda: self.threads, WITHIN_S)
        return tasks


@pytest.fixture(autouse=True)
def _empty_diary():
    diary.clear()
    failures.clear()


@pytest.mark.parametrize("func", [provided_jobs.plain, provided_jobs.loop], ids=["plain", "coroutine"])
def test_a_set_up_elsewhere_is_no_part_of_the_jobs_time(func):
    """Whoever enforces a time limit hears that the job begins when the function is about to be called."""

    class Hears(Heard):
        def begins(self):
            diary.append("begins")

    with JobRunner(RunSettings()) as runner:
        assert runner.run(queued(func, value=1), heard=Hears()).error is None
    up, (begins, *_) = diary[:2], diary[2:]
    assert all(line.endswith(" up") for line in up)
    assert begins == "begins"


def test_a_job_whose_set_up_fails_elsewhere_does_not_begin():
    """Nobody hears that it does."""

    class Hears(Heard):
        def begins(self):
            diary.append("begins")

    failures.append(ConnectionError("no route"))
    with JobRunner(RunSettings()) as runner:
        report = runner.run(queued(provided_jobs.plain, value=1), heard=Hears())
    assert not report.begun
    assert diary == []


async def test_those_who_wait_for_a_slow_set_up_take_no_threads_of_the_loop():
    """One thread serves them all, and keeps no process alive; a look-up of a name finds a thread of the loop free."""
    gate, resources = Gate(), Resources()
    tasks = await gate.waiting(resources, 50)
    assert [thread.daemon for thread in gate.threads] == [True]
    assert getattr(asyncio.get_running_loop(), "_default_executor", None) is None
    # One is stopped while it waits, and takes it from nobody.
    tasks.pop().cancel()
    gate.open.set()
    assert await asyncio.gather(*tasks) == [{"it": "resource"}] * 49
    await resources.close()
    assert len(gate.threads) == 1
    assert gate.torn_down.is_set()
    assert getattr(asyncio.get_running_loop(), "_default_executor", None) is None


async def test_a_failed_set_up_is_the_failure_of_all_who_waited_for_it():
    """It is not tried anew for each in turn, on the loop and in threads; the next job tries again."""
    gate, resources = Gate(ConnectionError("no route")), Resources()
    tasks = await gate.waiting(resources, 5)
    in_thread = asyncio.create_task(asyncio.to_thread(resources.plain, {"it": gate.provider}))
    gate.open.set()
    came = await asyncio.gather(*tasks, return_exceptions=True)
    assert [str(error).rpartition(": ")[2] for error in came] == ["no route"] * 5
    assert {type(error) for error in came} == {CannotRunHere}
    # This one came in time for the failure, or tries again.
    await asyncio.wait([in_thread])
    assert in_thread.exception() is None or str(in_thread.exception()).endswith("no route")
    assert resources.plain({"it": gate.provider}) == {"it": "resource"}
    assert len(gate.threads) == 2
    await resources.close()


async def test_what_is_still_being_set_up_at_the_stop_is_torn_down_afterwards():
    """The stop does not wait for it, and nothing of it stays behind."""
    gate, resources = Gate(), Resources()
    (task,) = await gate.waiting(resources, 1)
    async with asyncio.timeout(WITHIN_S):
        await resources.close()
    assert not gate.torn_down.is_set()
    gate.open.set()
    await task
    assert gate.torn_down.is_set()
