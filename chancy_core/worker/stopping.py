"""Stopping: a worker's end, step by step. Each step has a bound, and a second request shortens all of them."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from enum import IntEnum
from typing import TYPE_CHECKING, Any, Final

from chancy_core.executors import StopReason
from chancy_core.log import log
from chancy_core.store.weather import text_of
from chancy_core.store.workers import resign_worker
from chancy_core.worker.deciding import handed_back

if TYPE_CHECKING:
    from chancy_core.worker.wiring import Parts
    from chancy_core.worker.worker import Worker

# How long a claim in flight may take to be answered: a little more than its connection waits.
CLAIMS_WITHIN_S: Final = 6.0
# How long a cancelled job may take to notice; after that it is handed back as it is.
STOP_JOBS_WITHIN_S: Final = 5.0
# How long outcomes may take to be written at the end, should the database be away just then. Jobs whose outcome
# cannot be written are rescued by others once the lease has run out.
WRITE_WITHIN_S: Final = 15.0
# How long it may take at the end to tell others of the room that was left; they would look by themselves.
TELL_WITHIN_S: Final = 1.0
# All plugins together. Each has its own, shorter bound.
PLUGINS_WITHIN_S: Final = 30.0
RESIGN_WITHIN_S: Final = 5.0
CLOSE_WITHIN_S: Final = 5.0
# Told twice, all that is left is done within a second: so long at most for each step, and for the two that matter most.
HURRIED_S: Final = 0.08
HURRIED_JOBS_S: Final = 0.2
HURRIED_WRITE_S: Final = 0.3


class Stopped(IntEnum):
    """How a worker stopped; `chancy worker` exits with it."""

    DRAINED = 0
    """Every job that ran came to its end."""
    HANDED_BACK = 3
    """The grace time was over: jobs were handed back, no attempt spent."""
    AT_ONCE = 4
    """It was told twice: jobs were handed back at once, no attempt spent."""
    UNWRITTEN = 5
    """Outcomes could not be written: those jobs are rescued by other workers, and may run again."""
    GAVE_UP = 6
    """It could do nothing any more, although the database answered others; it should be started again."""


class Stopping:
    """One worker's end.

    Args:
        worker: the worker.
        parts: its parts.
        grace_s: seconds that running jobs may take to end.
        told_twice: set when it is to end at once.
    """

    def __init__(self, worker: Worker, parts: Parts, grace_s: float, told_twice: asyncio.Event) -> None:
        self._worker = worker
        self._parts = parts
        self._grace_s = grace_s
        self._told_twice = told_twice

    async def run(self) -> Stopped:
        """Stop in good order: nothing more is claimed, jobs end or are handed back, outcomes are written."""
        parts = self._parts
        log.info("worker_stopping", worker=self._worker.name, running=parts.lanes.running, grace_s=self._grace_s)
        await self._stop_claiming()
        how = await self._drain()
        unwritten = await self._write_outcomes()
        if not self._told_twice.is_set():
            await self._within(TELL_WITHIN_S, parts.places.tell())
        return Stopped.UNWRITTEN if unwritten else how

    async def resign(self) -> None:
        """Say goodbye, unless runs are left: whoever reads the goodbye counts those as lost."""
        # It would find the worker's row gone, and make it anew.
        self._parts.standby.end()
        if not self._told_twice.is_set():
            await self._within(CLOSE_WITHIN_S, self._parts.standby.stop())
        if self._parts.finisher.waiting:
            return
        if not await self._within(RESIGN_WITHIN_S, self._resign()):
            log.warning("resign_failed", worker=self._worker.name, hint="Its lease runs out by itself.")

    async def close(self) -> None:
        """Close whatever is open, whether it lets itself be closed or not."""
        parts = self._parts
        parts.watchdog.stop()
        await self._within(CLOSE_WITHIN_S, parts.lanes.close())
        if not await self._within(CLOSE_WITHIN_S, self._worker.close_resources()):
            log.warning("resources_not_torn_down", worker=self._worker.name)
        for connection in parts.connections:
            connection.cut()
        for connection in parts.connections:
            await self._within(CLOSE_WITHIN_S, connection.close())

    async def tell_plugins(self, work: Coroutine[Any, Any, None]) -> None:
        """Let the plugins stop."""
        if not await self._within(PLUGINS_WITHIN_S, work):
            log.warning("plugins_not_stopped", worker=self._worker.name)

    async def _stop_claiming(self) -> None:
        parts = self._parts
        if await self._within(CLAIMS_WITHIN_S, parts.lanes.stop_claiming()):
            return
        # Whatever these claims took is found and handed back, if the database lets us.
        parts.claims.cut()
        parts.limited.cut()
        parts.auditor.suspect()
        await self._within(TELL_WITHIN_S, parts.lanes.stop_claiming())

    async def _drain(self) -> Stopped:
        lanes = self._parts.lanes
        idle = asyncio.ensure_future(lanes.idle())
        told_twice = asyncio.ensure_future(self._told_twice.wait())
        await asyncio.wait({idle, told_twice}, timeout=self._grace_s, return_when=asyncio.FIRST_COMPLETED)
        how = Stopped.DRAINED
        if not idle.done():
            how = Stopped.AT_ONCE if told_twice.done() else Stopped.HANDED_BACK
            log.warning("jobs_stopped", count=lanes.stop_jobs(StopReason.SHUTDOWN), reason="The grace time is over.")
            await self._within(STOP_JOBS_WITHIN_S, lanes.idle(), HURRIED_JOBS_S)
            self._hand_back_the_deaf()
        for waiting in (idle, told_twice):
            waiting.cancel()
        return how

    def _hand_back_the_deaf(self) -> None:
        """Jobs that swallow their cancellation: nobody waits for them any longer."""
        for lane in self._parts.lanes.lanes.values():
            for job in lane.abandon():
                log.error("job_ignores_stop", job=str(job.id), func=job.func)
                self._parts.finisher.put(handed_back(job, StopReason.SHUTDOWN.value))

    async def _write_outcomes(self) -> int:
        """Write what waits; how many could not be."""
        finisher = self._parts.finisher
        if not await self._within(WRITE_WITHIN_S, finisher.drained(), HURRIED_WRITE_S) and finisher.waiting:
            log.error(
                "outcomes_not_written",
                count=finisher.waiting,
                jobs=[str(id_) for id_, _ in list(finisher.known())[:5]],
                hint="The database is out of reach, or refuses them: other workers run these jobs again once the "
                "lease is over.",
            )
        return finisher.waiting

    async def _resign(self) -> None:
        worker, parts = self._worker, self._parts
        if await parts.claims.run(resign_worker(worker.chancy.store, worker.name)):
            return
        # It holds runs that it has not heard of.
        await parts.auditor.settle()
        if not await parts.claims.run(resign_worker(worker.chancy.store, worker.name)):
            log.warning("runs_left", worker=worker.name, hint="They are rescued once its lease has run out.")

    async def _within(self, seconds: float, work: Coroutine[Any, Any, Any], hurried_s: float = HURRIED_S) -> bool:
        """Do something within so many seconds, or a fraction of one if it was told twice; whether it was done."""
        task = asyncio.ensure_future(work)
        told_twice = asyncio.ensure_future(self._told_twice.wait())
        try:
            await asyncio.wait({task, told_twice}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            if not task.done() and told_twice.done():
                await asyncio.wait({task}, timeout=min(seconds, hurried_s))
        finally:
            told_twice.cancel()
        if not task.done():
            # Not waited for: what hangs may hang in its cancellation as well.
            task.cancel()
            return False
        error = task.exception()
        if error is not None:
            log.warning("stop_step_failed", step=task.get_coro().__qualname__, error=text_of(error))  # type: ignore[union-attr]
        return error is None
