"""An executor of somebody's that breaks the contract is refused with the queue, the executor, and the cure."""

from __future__ import annotations

from typing import Any

import pytest
from support import captured_events

from chancy import Job, Queue, Worker
from chancy_core.errors import InvalidQueue
from chancy_core.executors import Executor, ExecutorSettings, Report, load_executor
from chancy_core.executors.functions import Functions
from chancy_core.values.job import Limit


class Base(Executor):
    """A good one."""

    async def run(self, job: Any) -> Report:
        return Report.returned(job.kwargs)


class NoExecutor:
    """Not a subclass."""


class NoRun(Executor):
    """It runs nothing."""


class RunOfAThread(Base):
    def run(self, job: Any) -> Any:
        return Report.returned(1)


class RunOfTwo(Base):
    async def run(self, job: Any, settings: Any) -> Report:
        return Report.returned(1)


class RunOfNobody(Base):
    async def run() -> Report:
        return Report.returned(1)


class StartsAtOnce(Base):
    def start(self) -> None: ...


class StopsLater(Base):
    async def stop(self, job: Any, task: Any, reason: Any) -> None: ...


class StopsForNoReason(Base):
    def stop(self, job: Any, task: Any) -> None: ...


class KeepsSettings(Base):
    def __init__(self, settings: ExecutorSettings) -> None:
        self.mine = settings


class TakesNothing(Base):
    def __init__(self) -> None:
        pass


class Raises(Base):
    def __init__(self, settings: ExecutorSettings, *, size: int = 1) -> None:
        super().__init__(settings)
        len(size)  # type: ignore[arg-type]


class EnforcesWords(Base):
    enforces = frozenset({"cpu"})


class EnforcesKeys(Base):
    enforces = {Limit.Type.TIME: True}.keys()  # type: ignore[assignment]


def settings() -> ExecutorSettings:
    return ExecutorSettings("test", 4, 1000, Functions())


@pytest.mark.parametrize(
    ("cls", "options", "says"),
    [
        (NoExecutor, {}, "it must be a subclass of chancy.executors.Executor, and is the class NoExecutor"),
        (
            settings,
            {},
            "is not an executor: it must be a subclass of chancy.executors.Executor, and is a function",
        ),
        (NoRun, {}, "it does not have run. Write `async def run(self, job)`, which returns a Report."),
        (RunOfAThread, {}, "its run has to be `async def run(self, job)`."),
        (RunOfTwo, {}, "its run takes (self, job: 'Any', settings: 'Any') -> 'Report', and is called with (self, job)"),
        (RunOfNobody, {}, "write `async def run(self, job)`."),
        (StartsAtOnce, {}, "its start has to be `async def start(self)`."),
        (StopsLater, {}, "its stop has to be `def stop(self, job, task, reason)`."),
        (StopsForNoReason, {}, "write `def stop(self, job, task, reason)`."),
        (KeepsSettings, {}, "its __init__ has not handed on the settings. Call super().__init__(settings) first."),
        (TakesNothing, {}, "does not take executor_options {}: too many positional arguments."),
        (Raises, {"sise": 3}, "got an unexpected keyword argument 'sise'. Did you mean 'size'?"),
        (Raises, {"size": 3}, "could not be made with executor_options {'size': 3}: TypeError: object of type 'int'"),
        (EnforcesWords, {}, "its enforces is frozenset({'cpu'}): give a frozenset of Limit.Type.TIME"),
        (EnforcesKeys, {}, "give a frozenset of Limit.Type.TIME and Limit.Type.MEMORY."),
    ],
)
def test_what_is_wrong_with_an_executor_is_told_with_the_cure(cls, options, says):
    """The error names the queue and the executor, and says what to write instead."""
    name = f"test_executor_door.{cls.__name__}"
    with pytest.raises(InvalidQueue) as refused:
        load_executor(Queue("special", executor=name, executor_options=options), settings())
    assert str(refused.value).startswith(f"Queue 'special': its executor {name} ")
    assert says in str(refused.value)


def test_a_good_one_passes():
    """Decorated methods and further arguments with defaults are fine."""
    assert type(load_executor(Queue("q", executor="test_executor_door.Base"), settings())).__name__ == "Base"


async def test_a_queue_with_a_bad_executor_is_not_served_and_says_why(chancy, until):
    """The worker logs it, serves the others, and the queue's jobs stay as they are."""
    await chancy.declare(Queue("special", executor="test_executor_door.RunOfAThread"))
    with captured_events() as events:
        async with Worker(chancy):
            stays = await chancy.push(Job("jobs.noop", queue="special"))
            await (await chancy.push(Job("jobs.noop"))).wait(timeout=60)
            assert (await stays.get()).state == "pending"
    (event,) = [event for event in events if event["event"] == "queue_not_served"]
    assert "its run has to be `async def run(self, job)`" in event["error"]
