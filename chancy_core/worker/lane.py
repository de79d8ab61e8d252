"""A lane: one queue on one worker, its slots, its executor, and the jobs that run in it."""

from __future__ import annotations

import asyncio
import contextvars
import uuid
from collections import deque
from collections.abc import Callable, Collection, Iterable, Sequence
from functools import partial
from typing import Any, Final

from msgspec.structs import replace

from chancy_core.errors import CannotRun, CannotRunHere
from chancy_core.executors import Executor, Report, StopReason
from chancy_core.executors.door import checked, is_ours
from chancy_core.executors.taking import Takes, TakesAhead
from chancy_core.log import log
from chancy_core.values.queue import Queue
from chancy_core.values.queuedjob import Outcome, QueuedJob, State
from chancy_core.worker.ahead import Ahead, Waiting
from chancy_core.worker.deciding import Policy, decide, handed_back, stopped_outcome, undecided
from chancy_core.worker.finish import Finisher
from chancy_core.worker.misbehaving import CLOSED_WITHIN_S, broken, close_executor, complain
from chancy_core.worker.pace import Pace
from chancy_core.worker.runningjob import RunningJob
from chancy_core.worker.unable import LONGEST_S, Unable

# How long a job that was claimed ahead may wait for a slot before others may have it.
PATIENCE_S: Final = 0.5
WAITED: Final = "It waited too long for a slot on its worker: it was handed back."


class Lane:
    """The slots of one queue.

    Attributes:
        queue: how the queue is declared now.
        concurrency: how many of its jobs run at a time.
        unable: the functions of its jobs that this worker cannot run for now.
    """

    def __init__(self, queue: Queue, concurrency: int, executor: Executor, finisher: Finisher, policy: Policy) -> None:
        self.queue = queue
        self.concurrency = concurrency
        self._finisher = finisher
        self._policy = policy
        self.unable: Final = Unable(queue.name, policy.worker)
        self._loop = asyncio.get_running_loop()
        self._context = contextvars.copy_context()
        # By the job's identity in memory: hashing a UUID costs more than everything else that is done with this.
        self._running: dict[int, RunningJob] = {}
        self._told: dict[int, StopReason] = {}  # why those of them that were told to stop were
        # Jobs that were claimed ahead, and until when they may wait for a slot. Some of these wait where they will run.
        self._waiting: deque[Waiting] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._pace = Pace()
        self._changed = asyncio.Event()
        self._use(executor)
        # The loop keeps no hold of a task; one that nobody holds may vanish.
        self._closing: set[asyncio.Task[None]] = set()

    @property
    def free(self) -> int:
        """How many jobs may be started now; below zero when there are fewer slots than there were."""
        return self._slots - len(self._running)

    def known(self) -> set[tuple[uuid.UUID, int]]:
        """The runs that go on here, or wait for a slot."""
        jobs = [run.job for run in self._running.values()]
        jobs.extend(job for job, _ in self._waiting)
        jobs.extend(self._ahead.jobs())
        return {(job.id, job.claims) for job in jobs}

    def job_of(self, task: asyncio.Task[Any]) -> QueuedJob | None:
        """The job that a task runs here. Also from another thread, while the loop is blocked."""
        return next((run.job for run in list(self._running.values()) if run.task is task), None)

    @property
    def running(self) -> int:
        """How many jobs run now."""
        return len(self._running)

    async def slots(self) -> int:
        """Wait until jobs may be claimed; how many may be: what there are slots for, and what will be started soon."""
        while True:
            # Of a limited queue, what waits here counts as running, and another worker might run it at once.
            never = self.queue.limited_by or self._executor.slots is not None
            ahead = 0 if never else self._pace.ahead(self.concurrency)
            room = self.free - len(self._waiting) - len(self._ahead) + ahead
            # What lies ahead is filled up when half of it is gone: a claim of few costs as much as one of many.
            if room > ahead // 2:
                return room
            self._changed.clear()
            await self._changed.wait()

    def reshape(self, queue: Queue, concurrency: int, executor: Executor | None) -> None:
        """Follow a changed declaration. What runs goes on as it began."""
        self.queue = queue
        self.concurrency = concurrency
        self._look_at_slots()
        # What waits where it will run would follow what runs there, whatever there are slots for.
        self._take_back()
        if executor is not None:
            old = self._executor
            self._use(executor)
            self._close_when_done(old)
        self._fill()

    def _use(self, executor: Executor) -> None:
        self._executor = executor
        executor.slots_changed = self._look_at_slots
        self._look_at_slots()
        # Whether what it reports is looked at.
        self._checks = not is_ours(executor)
        # A subclass of somebody else's means its `run` to be called.
        self._takes = executor if isinstance(executor, Takes) and is_ours(executor) else None
        takes_ahead = self._takes if isinstance(self._takes, TakesAhead) else None
        self._ahead = Ahead(takes_ahead, self._taken_ended, partial(self._moved, executor))

    def _look_at_slots(self) -> None:
        self._slots = self._executor.slots_of(self.concurrency)  # kept: it is needed with every job that ends
        self._changed.set()

    def start(self, jobs: Iterable[QueuedJob]) -> None:
        """Run jobs that were claimed, each in a task of its own, as soon as there is a slot for it."""
        until = self._loop.time() + PATIENCE_S
        self._waiting.extend([(job, until) for job in jobs])
        self._fill()
        self._wait_in_time()

    def _wait_in_time(self) -> None:
        if self._waiting and self._timer is None:
            self._timer = self._loop.call_at(self._waiting[0][1], self._give_back_late)

    def _fill(self) -> None:
        executor, checks = self._executor, self._checks
        # A function that is left alone for now is not begun: `_run` looks.
        takes = None if self.unable.faults else self._takes
        taken = False
        for _ in range(min(self.free, len(self._waiting))):
            job = self._waiting.popleft()[0]
            # What a job has put into context variables is not there for the one that is started when it ends.
            context = self._context.copy()
            task = None
            if takes is None or not self._is_taken(takes, job, context):
                task = self._loop.create_task(self._run(job, executor, checks=checks), context=context)
            self._running[id(job)] = RunningJob(job, task, executor)
            taken = taken or task is None
        if self._waiting and self._ahead.serves and takes is not None and self.free == 0:
            taken = self._ahead.fill(self._waiting, self._context) or taken
        if taken and takes is not None:
            takes.wake()

    def _is_taken(self, takes: Takes, job: QueuedJob, context: contextvars.Context) -> bool:
        try:
            return takes.take(job, context, self._taken_ended)
        except BaseException as error:  # noqa: BLE001 -- a job that has a slot must not be lost
            complain(self._executor, job, error)
            return False

    def _moved(self, executor: Executor, job: QueuedJob, begins: bool) -> None:
        """A job that was handed over ahead begins, in the slot of the one before it; or waits here again."""
        if not begins:
            self._waits_again([job])
            self._loop.call_soon(self._fill)  # when all have come back that do: in their order
        elif self._ahead.begins(job):
            self._running[id(job)] = RunningJob(job, None, executor)

    def _waits_again(self, jobs: list[QueuedJob]) -> None:
        """These wait for a slot before all others. They may have had one."""
        for job in reversed(jobs):
            until = self._ahead.comes_back(job)
            run = self._running.pop(id(job), None)
            told = self._told.pop(id(job), None)
            if told is not None:
                self._finisher.put(stopped_outcome(job, told))
            elif until is not None or run is not None:
                self._waiting.appendleft((job, until or self._loop.time() + PATIENCE_S))
        self._wait_in_time()
        self._changed.set()

    def _take_back(self) -> None:
        """Have all that wait for a slot here. What cannot be taken back has begun."""
        if len(self._ahead):
            self._waits_again(self._ahead.take_back())
            for job in self._ahead.jobs():
                self._moved(self._executor, job, begins=True)

    async def _run(self, job: QueuedJob, executor: Executor, *, checks: bool) -> None:
        known = self.unable.problem_of(job.func) if self.unable.faults else None
        try:
            if known is not None:
                # Claimed together with the one that found it out: nobody tries an import that takes a while again.
                report = Report.not_begun(CannotRunHere(known))
            else:
                report = await executor.run(job)
                if checks:
                    report = checked(job.func, report, executor)
        except BaseException as error:  # noqa: BLE001 -- an executor that breaks its promise loses no job
            report = broken(executor, job, error)
        self._end(job, executor, report)
        if self._waiting:
            self._fill()

    def _taken_ended(self, ended: Sequence[tuple[QueuedJob, Report]]) -> None:
        """Jobs that have no task have ended. Never raises."""
        for job, report in ended:
            run = self._running.get(id(job))
            if run is not None and run.job is job:
                self._end(job, run.executor, report)
        if self._waiting:
            self._fill()

    def _end(self, job: QueuedJob, executor: Executor, report: Report) -> None:
        """A run is over: its slot is free, and what becomes of the job is decided. Never raises."""
        try:
            executor.forget(job)
        except BaseException as error:  # noqa: BLE001
            complain(executor, job, error)
        del self._running[id(job)]
        try:
            outcome = decide(job, report, self._told.pop(id(job), None), self._policy)
        except BaseException as error:  # noqa: BLE001 -- a run that nobody ends would go on for ever
            complain(executor, job, error)
            outcome = undecided(job, error, self._policy)
        if outcome.unrunnable:
            outcome = self._left(outcome, report)
        elif self.unable.faults and report.begun:
            self.unable.runs(job.func)
        self._finisher.put(outcome)
        self._pace.ended(outcome.run_s)
        self._changed.set()

    def _left(self, outcome: Outcome, report: Report) -> Outcome:
        """Leave the function of a job that could not be run here to others, if there are not too many of them."""
        problem = report.error.message if report.error is not None else ""
        if self.unable.found(outcome.job.func, problem) or outcome.state.finished:
            return outcome
        return replace(outcome, state=State.RETRYING, delay_s=LONGEST_S)

    def refuse(self, job: QueuedJob, error: CannotRun) -> None:
        """Fail a job that was claimed and cannot be run, without trying."""
        self._finisher.put(decide(job, Report.not_begun(error), None, self._policy))

    def stop(self, reason: StopReason) -> int:
        """Stop everything that runs, and start nothing that waits. Returns how many jobs that were."""
        self._take_back()
        # At the loop's next step: a task that is cancelled before its first one never takes it, and would hold its job
        # for ever.
        for run in self._running.values():
            self._loop.call_soon(self._stop, run, reason)
        return len(self._running) + self.give_back(reason.value)

    def stop_those(self, keys: Collection[tuple[uuid.UUID, int]], reason: StopReason) -> int:
        """Stop these runs, or hand them back if they wait for a slot. Returns how many of them were here."""
        self._take_back()
        runs = [run for run in self._running.values() if (run.job.id, run.job.claims) in keys]
        for run in runs:
            # As in `stop`.
            self._loop.call_soon(self._stop, run, reason)
        waiting = [one for one in self._waiting if (one[0].id, one[0].claims) in keys]
        for one in waiting:
            self._drop(one, reason)
        self._fill()
        return len(runs) + len(waiting)

    def give_back(self, note: str) -> int:
        """Hand back the jobs that wait for a slot, no attempt spent. Returns how many those were."""
        self._take_back()
        given, self._waiting = self._waiting, deque()
        for job, _ in given:
            self._finisher.put(handed_back(job, note))
        return len(given)

    def _give_back_late(self) -> None:
        """Hand back what has waited too long, because the jobs before it turned out not to be short."""
        self._timer = None
        if self._waiting and self._waiting[0][1] <= self._loop.time():
            count = self.give_back(WAITED)
            log.info("jobs_waited_too_long", queue=self.queue.name, count=count)
        self._wait_in_time()

    def cancel(self, key: tuple[uuid.UUID, int]) -> bool:
        """Cancel one run, if it is here; whether it is. One that goes on may be cancelled again."""
        self._take_back()
        self._loop.call_soon(self._fill)
        for run in self._running.values():
            if (run.job.id, run.job.claims) == key:
                # As in `stop`.
                self._loop.call_soon(self._stop, run, StopReason.CANCELLED)
                return True
        for waiting in self._waiting:
            if (waiting[0].id, waiting[0].claims) == key:
                self._drop(waiting, StopReason.CANCELLED)
                return True
        return False

    def _drop(self, waiting: Waiting, reason: StopReason) -> None:
        self._waiting.remove(waiting)
        self._finisher.put(stopped_outcome(waiting[0], reason))

    def _stop(self, run: RunningJob, reason: StopReason) -> None:
        waiting = next((one for one in self._waiting if one[0] is run.job), None)
        if waiting is not None:
            # It has come back meanwhile.
            self._drop(waiting, reason)
        elif (now := self._running.get(id(run.job))) is not None:
            self._told[id(run.job)] = reason
            try:
                if now.task is not None:
                    now.executor.stop(run.job, now.task, reason)
                elif isinstance(now.executor, Takes):
                    now.executor.stop_taken(run.job, reason)
            except BaseException as error:  # noqa: BLE001 -- it is stopped all the same
                complain(now.executor, run.job, error)
                if now.task is not None:
                    now.task.cancel()

    async def idle(self) -> None:
        """Wait until nothing runs."""
        await self._until(lambda: not self._running and not len(self._ahead))

    async def _until(self, condition: Callable[[], bool]) -> None:
        """Wait for something that becomes so when a run ends."""
        while not condition():
            self._changed.clear()
            await self._changed.wait()

    def abandon(self) -> list[QueuedJob]:
        """The jobs that still run although they were stopped, which nobody will wait for."""
        return [run.job for run in self._running.values()]

    async def close(self) -> None:
        """Close the executor."""
        if self._timer is not None:
            self._timer.cancel()
        await close_executor(self._executor)
        if self._closing and not self._running:
            await asyncio.wait(self._closing, timeout=CLOSED_WITHIN_S)

    def _close_when_done(self, executor: Executor) -> None:
        async def close() -> None:
            await self._until(lambda: not any(run.executor is executor for run in self._running.values()))
            await close_executor(executor)

        task = asyncio.create_task(close())
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)
