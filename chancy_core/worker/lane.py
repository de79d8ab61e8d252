"""A lane: one queue on one worker, its slots, its executor, and the jobs that run in it."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Iterable
from typing import Any, NamedTuple

from chancy_core.executors import Executor, StopReason
from chancy_core.job import Outcome, QueuedJob
from chancy_core.log import log
from chancy_core.queue import Queue
from chancy_core.worker.finish import Finisher


class Run(NamedTuple):
    """A job that runs, the task that runs it, and the executor that was asked to."""

    job: QueuedJob
    task: asyncio.Task[None]
    executor: Executor


class Lane:
    """The slots of one queue.

    Attributes:
        queue: how the queue is declared now.
        concurrency: how many of its jobs run at a time.
    """

    def __init__(self, queue: Queue, concurrency: int, executor: Executor, finisher: Finisher) -> None:
        self.queue = queue
        self.concurrency = concurrency
        self._executor = executor
        self._finisher = finisher
        self._running: dict[tuple[uuid.UUID, int], Run] = {}
        self._changed = asyncio.Event()

    @property
    def free(self) -> int:
        """How many jobs may be started now."""
        return self.concurrency - len(self._running)

    def known(self) -> set[tuple[uuid.UUID, int]]:
        """The runs that go on here."""
        return set(self._running)

    @property
    def running(self) -> int:
        """How many jobs run now."""
        return len(self._running)

    async def slots(self) -> int:
        """Wait until a job may be started; how many may be."""
        while self.free <= 0:
            self._changed.clear()
            await self._changed.wait()
        return self.free

    def reshape(self, queue: Queue, concurrency: int, executor: Executor | None) -> None:
        """Follow a changed declaration. What runs goes on as it began."""
        self.queue = queue
        self.concurrency = concurrency
        self._changed.set()
        if executor is not None:
            old, self._executor = self._executor, executor
            self._close_when_done(old)

    def start(self, jobs: Iterable[QueuedJob]) -> None:
        """Run jobs that were claimed, each in a task of its own."""
        executor = self._executor
        for job in jobs:
            task = asyncio.create_task(self._run(job, executor))
            self._running[job.id, job.claims] = Run(job, task, executor)

    async def _run(self, job: QueuedJob, executor: Executor) -> None:
        try:
            outcome: Outcome = await executor.run(job)
        except BaseException as error:  # noqa: BLE001 -- an executor that breaks its promise loses no job
            log.error("executor_failed", executor=type(executor).__name__, job=str(job.id), exc_info=error)
            outcome = executor.stopped(job) or executor.failed(job, error, 0.0)
        executor.forget(job)
        del self._running[job.id, job.claims]
        self._finisher.put(outcome)
        self._changed.set()

    def stop(self, reason: StopReason) -> int:
        """Stop everything that runs. Returns how many jobs that were."""
        # At the loop's next step: a task that is cancelled before its first one never takes it, and would hold its job
        # for ever.
        loop = asyncio.get_running_loop()
        for key, run in self._running.items():
            loop.call_soon(self._stop, key, run, reason)
        return len(self._running)

    def _stop(self, key: tuple[uuid.UUID, int], run: Run, reason: StopReason) -> None:
        if key in self._running:
            run.executor.stop(run.job, run.task, reason)

    async def idle(self) -> None:
        """Wait until nothing runs."""
        while self._running:
            await asyncio.wait([run.task for run in self._running.values()])

    def abandon(self) -> list[QueuedJob]:
        """The jobs that still run although they were stopped, which nobody will wait for."""
        return [run.job for run in self._running.values()]

    async def close(self) -> None:
        """Close the executor."""
        await self._close_executor(self._executor)

    def _close_when_done(self, executor: Executor) -> None:
        tasks = [run.task for run in self._running.values() if run.executor is executor]

        async def close() -> None:
            if tasks:
                await asyncio.wait(tasks)
            await self._close_executor(executor)

        self._closing: asyncio.Task[Any] = asyncio.create_task(close())

    async def _close_executor(self, executor: Executor) -> None:
        try:
            await executor.close()
        except Exception as error:  # noqa: BLE001 -- an executor may be anybody's code
            log.error("executor_close_failed", executor=type(executor).__name__, exc_info=error)
