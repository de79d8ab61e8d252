"""An executor whose engine has fewer slots than its queue, or none for now, is given no more jobs than it offers."""

from __future__ import annotations

import asyncio

import pytest

from chancy import Job, Queue, Worker
from chancy.errors import InvalidReport
from chancy.executors import Executor, ExecutorSettings, Functions, Report


class Engine(Executor):
    """Runs nothing until it is let, and as many jobs as it offers."""

    made: Engine
    most = 0

    async def start(self):
        Engine.made = self
        Engine.most = 0
        self.offer(0)
        self._running = 0
        self.let = asyncio.Event()

    async def run(self, job):
        self._running += 1
        Engine.most = max(Engine.most, self._running)
        await self.let.wait()
        self._running -= 1
        return Report.returned(None)


async def test_no_more_jobs_are_claimed_than_an_executor_offers(new_chancy, until):
    """With no slot none is claimed; with two, two; and with the queue's own again, the others too."""
    async with new_chancy() as chancy:
        await chancy.declare(Queue("engine", concurrency=5, executor=f"{__name__}.Engine"))
        references = [await chancy.push("engine", Job("a.b")) for _ in range(5)]
        async with Worker(chancy):
            # Another queue's job has come and gone meanwhile: this worker does claim.
            await (await chancy.push(Job("builtins.len", kwargs={}))).wait(timeout=60)
            assert await _states(chancy, references) == ["pending"] * 5
            Engine.made.offer(2)
            await until(lambda: Engine.most == 2)
            assert (await _states(chancy, references)).count("running") == 2
            Engine.made.offer(None)
            await until(lambda: Engine.most == 5)
            Engine.made.let.set()
            assert {(await one.wait(timeout=60)).state for one in references} == {"succeeded"}


@pytest.mark.parametrize("slots", [-1, 1.5, "two"])
def test_what_is_no_number_of_slots_is_refused(slots):
    """Told to whoever wrote the executor."""
    engine = Engine(ExecutorSettings("worker", 1, 1, Functions()))
    with pytest.raises(InvalidReport, match="Engine offers"):
        engine.offer(slots)


async def _states(chancy, references):
    return [(await chancy.get_job(one)).state for one in references]
