"""Any function, in child processes: where limits are enforced whatever the job does."""

from __future__ import annotations

import asyncio
import errno
import pickle
import signal
import sys
from contextlib import suppress
from typing import Any, ClassVar, Final

from msgspec.structs import replace

from chancy_core.errors import CannotRunHere, InvalidQueue, LimitNotEnforced, MemoryLimitExceeded, PluginError
from chancy_core.executors.base import Executor, ExecutorSettings, StopReason
from chancy_core.executors.control import time_limit_s
from chancy_core.executors.door import checked
from chancy_core.executors.processes import memory
from chancy_core.executors.processes.channel import Channel
from chancy_core.executors.processes.child import ChildSettings
from chancy_core.executors.processes.deaths import MIB, error_of, mib
from chancy_core.executors.processes.descriptors import room_for_child
from chancy_core.executors.processes.frames import BESIDES_BYTES, Begin, Born, Gone
from chancy_core.executors.processes.guard import Guard, KillReason
from chancy_core.executors.processes.handle import Child, Death, Terms
from chancy_core.executors.processes.mainscript import main_script
from chancy_core.executors.processes.nurse import Nurse, sys_path
from chancy_core.executors.processes.nursery import FORK, SPAWN
from chancy_core.executors.report import Report
from chancy_core.log import log
from chancy_core.values.job import Limit
from chancy_core.values.queuedjob import QueuedJob

START_METHODS: Final = (FORK, SPAWN)
# A job with a memory limit gets no child that has grown by more than this part of the limit since it was set up.
GROWN: Final = 0.25
# A run that waits for a child looks so often whether there are descriptors for a new one, which nobody would tell.
LOOK_S: Final = 1.0
NO_CHILD: Final = "No child process could be made ready for it"


class ProcessExecutor(Executor):
    """Runs functions of both kinds in child processes, which are kept and used again.

    There are never more children than jobs that run at a time, and no more than leave some descriptors for other uses
    (`ulimit -n`): jobs wait for a child then. One that dies takes only its own job with it. Both
    limits are enforced: a run that exceeds its memory limit is killed; one that exceeds its time limit is told first
    (a coroutine is cancelled; `checkpoint` raises), and killed after `grace_s`.

    Args:
        settings: what the worker tells it.
        start_method: `forkserver`, quick and sparing, or `spawn`, where each child is a fresh interpreter.
            By default the first, but on macOS, whose libraries do not all survive a fork.
        maximum_jobs_per_worker: a child is replaced after so many jobs.
        replace_above_bytes: a child that holds more than that after a job is replaced.
        keep_idle_s: seconds after which a child without work is ended.
        grace_s: seconds between being told to stop and being killed.
        start_within_s: seconds that a job with a time limit may take until its function starts.
        initializer: the importable name of a function that each child calls before its first job.
        preload: modules that are imported once, before children are forked.
    """

    enforces: ClassVar[frozenset[Any]] = frozenset(Limit.Type)

    def __init__(
        self,
        settings: ExecutorSettings,
        *,
        start_method: str | None = None,
        maximum_jobs_per_worker: int = 1000,
        replace_above_bytes: float = 1024 * MIB,
        keep_idle_s: float = 60.0,
        grace_s: float = 1.0,
        start_within_s: float = 60.0,
        initializer: str | None = None,
        preload: list[str] | None = None,
    ) -> None:
        super().__init__(settings)
        self._method = start_method or (SPAWN if sys.platform == "darwin" else FORK)
        if self._method not in START_METHODS:
            raise InvalidQueue(f"start_method is {start_method!r}: give one of {', '.join(START_METHODS)}.")
        for name, value, low in (
            ("maximum_jobs_per_worker", maximum_jobs_per_worker, 1),
            ("replace_above_bytes", replace_above_bytes, 1),
            ("keep_idle_s", keep_idle_s, 0),
            ("grace_s", grace_s, 0),
            ("start_within_s", start_within_s, 0.1),
        ):
            if not isinstance(value, int | float) or isinstance(value, bool) or not value >= low:
                raise InvalidQueue(f"{name} is {value!r}: give a number, at least {low}.")
        self._maximum_jobs = maximum_jobs_per_worker
        self._replace_above_bytes = replace_above_bytes
        self._keep_idle_s = keep_idle_s
        self._grace_s = grace_s
        self._start_within_s = start_within_s
        self._initializer = initializer
        self._preload = preload or []
        self._check_names()
        self._guard = Guard()
        self._nurse: Nurse | None = None
        self._settings_sent: bytes | None = None
        self._serial = 0
        self._children: dict[int, Child] = {}
        self._idle: list[Child] = []
        self._busy: dict[Any, Child] = {}
        self._tidying: asyncio.TimerHandle | None = None
        self._closing: set[asyncio.Task[None]] = set()
        # Set when a child may have become free, or has gone.
        self._freed = asyncio.Event()

    def _check_names(self) -> None:
        """What the options name is imported, and called: they stand in a table, as the names of functions do."""
        if self._initializer is not None and not isinstance(self._initializer, str):
            raise InvalidQueue(f"initializer is {self._initializer!r}: give the importable name of a function.")
        if not isinstance(self._preload, list) or not all(isinstance(name, str) for name in self._preload):
            raise InvalidQueue(f'preload is {self._preload!r}: give a list of modules, such as ["app.models"].')
        functions = self.settings.functions
        try:
            if self._initializer is not None:
                # Where it lives is looked at in the child, which imports it.
                functions.check_name(self._initializer)
            for name in self._preload:
                functions.check_module(name)
        except CannotRunHere as error:
            raise InvalidQueue(str(error)) from error

    # -- its life --------------------------------------------------------------------------

    async def start(self) -> None:
        """Make sure that what plugins put round a job can be sent to a child.

        Raises:
            PluginError: a plugin's `around_job` cannot, and why.
        """
        self._settings_pickled()

    async def close(self) -> None:
        """End the children; those that still run a job are killed."""
        if self._tidying is not None:
            self._tidying.cancel()
        idle, self._idle = self._idle, []
        for child in idle:
            child.end()
        if idle:
            await asyncio.wait([asyncio.create_task(child.gone.wait()) for child in idle], timeout=self._grace_s)
        self._guard.close()
        for child in list(self._children.values()):
            child.died(-signal.SIGKILL, "its executor was closed")
        self._children.clear()
        if self._nurse is not None:
            await self._nurse.close()

    # -- one run ---------------------------------------------------------------------------

    async def run(self, job: QueuedJob) -> Report:
        """Run one job. See `Executor.run`."""
        try:
            terms = self._terms(job)
            payload = pickle.dumps(job, pickle.HIGHEST_PROTOCOL)
            child = await self._child(terms)
        except OSError as error:
            return Report.not_begun(CannotRunHere(f"{NO_CHILD}: {error}"))
        except BaseException as error:  # noqa: BLE001 -- arguments that a plugin put there may raise anything
            return Report.not_begun(error)
        key = (job.id, job.claims)
        self._busy[key] = child
        try:
            ended = await child.run(job, payload, terms)
        finally:
            del self._busy[key]
            self._give_back(child)
        return self._died(job, terms, child, ended) if isinstance(ended, Death) else self._ended(job, terms, ended)

    def stop(self, job: QueuedJob, task: asyncio.Task[Any], reason: StopReason) -> None:
        """Tell a running job to stop; it is killed if it has not after `grace_s`."""
        self.tell(job, reason)
        child = self._busy.get((job.id, job.claims))
        if child is not None:
            child.stop(job, reason)
        else:
            task.cancel()

    def check_limits(self, job: QueuedJob) -> None:
        """Raise LimitNotEnforced if the job has a limit that cannot be enforced here."""
        super().check_limits(job)
        if _memory_limit(job) is not None and not memory.can_measure():
            raise LimitNotEnforced(
                f"The memory limit of {job.func} cannot be enforced on this system without psutil: install it."
            )

    def _terms(self, job: QueuedJob) -> Terms:
        if not job.limits:
            return Terms(None, None, self._grace_s, self._start_within_s)
        self.check_limits(job)
        return Terms(time_limit_s(job), _memory_limit(job), self._grace_s, self._start_within_s)

    def _ended(self, job: QueuedJob, terms: Terms, report: Report) -> Report:
        # A child may be made to say anything by the job that runs in it.
        report = checked(job.func, report, self)
        peak = report.peak_bytes or 0
        if terms.memory_bytes is None or peak <= terms.memory_bytes:
            return report
        # It was too quick to be caught in the act; over its limit is over its limit.
        over = MemoryLimitExceeded(f"{job.func} held {mib(peak)}: its memory limit is {mib(terms.memory_bytes)}.")
        return replace(Report.raised(over, run_s=report.run_s), peak_bytes=peak, meta=report.meta)

    def _died(self, job: QueuedJob, terms: Terms, child: Child, death: Death) -> Report:
        if not death.begun:
            return Report.not_begun(CannotRunHere(f"{NO_CHILD}: {death.problem}"))
        error = error_of(job, terms, child, death)
        if death.killed_for is KillReason.NOT_STARTED:
            return Report.not_begun(CannotRunHere(str(error)))
        report = Report.raised(error, run_s=death.used_s)
        return replace(report, peak_bytes=death.peak_bytes or None)

    # -- children --------------------------------------------------------------------------

    async def _child(self, terms: Terms) -> Child:
        """A child for a run; waits for one while there is no room for another.

        Raises:
            OSError: none could be started, and there is none to wait for.
        """
        while True:
            child = self._idle_child(terms)
            if child is not None:
                return child
            if room_for_child(first=not self._children):
                return self._new()
            if not self._children:
                raise OSError(errno.EMFILE, "no descriptors are left for a child process")
            self._freed.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S):
                    await self._freed.wait()

    def _idle_child(self, terms: Terms) -> Child | None:
        """The child that was used last, so that those which are not needed grow old; None: there is none for this."""
        while self._idle:
            child = self._idle.pop()
            if not child.usable:
                continue
            grown = child.rss_bytes - child.base_bytes
            if terms.memory_bytes is not None and grown > terms.memory_bytes * GROWN:
                self._end(child)
                continue
            return child
        return None

    def _new(self) -> Child:
        if self._nurse is None:
            self._nurse = Nurse(self._method, self._preload, self._heard, self._lost)
        self._serial += 1
        child = Child(self._serial, self._guard, self._nurse.kill, self.settings.progressed)
        largest = self.settings.result_limit_bytes + self.settings.meta_limit_bytes + BESIDES_BYTES
        child.connect(Channel(self._nurse.bear(self._serial), child.heard, child.hung_up, largest))
        self._children[self._serial] = child
        if self._method == SPAWN:
            child.channel.send_raw(sys_path())
        child.channel.send(Begin(sys.path, self._settings_pickled()))
        return child

    def _give_back(self, child: Child) -> None:
        self._freed.set()
        if not child.usable:
            return
        if child.runs >= self._maximum_jobs or child.rss_bytes > self._replace_above_bytes:
            self._end(child)
            return
        loop = asyncio.get_running_loop()
        child.idle_since = loop.time()
        self._idle.append(child)
        if self._tidying is None:
            self._tidying = loop.call_later(self._keep_idle_s, self._tidy)

    def _tidy(self) -> None:
        """End the children that had nothing to do for long."""
        loop = asyncio.get_running_loop()
        self._idle = [child for child in self._idle if child.usable]
        old = loop.time() - self._keep_idle_s
        while self._idle and self._idle[0].idle_since <= old:
            self._end(self._idle.pop(0))
        self._tidying = None
        if self._idle:
            self._tidying = loop.call_at(self._idle[0].idle_since + self._keep_idle_s, self._tidy)

    def _end(self, child: Child) -> None:
        child.end()
        # A thread that a job has left behind may keep it.
        asyncio.get_running_loop().call_later(self._grace_s, self._kill_if_there, child.serial)

    def _kill_if_there(self, serial: int) -> None:
        child = self._children.get(serial)
        if child is not None:
            child.kill()

    # -- what the nursery says -------------------------------------------------------------

    def _heard(self, message: Born | Gone) -> None:
        child = self._children.get(message.serial)
        if child is None:
            return
        match message:
            case Born(_, pid):
                child.born(pid)
            case Gone(_, code, problem):
                del self._children[message.serial]
                child.died(code, problem, begun=problem is None)
                self._freed.set()

    def _lost(self) -> None:
        log.error("nursery_lost", worker=self.settings.worker, children=len(self._children))
        self._nurse, nurse = None, self._nurse
        children, self._children = self._children, {}
        for child in children.values():
            self._freed.set()
            child.died(None, "the process that had started it ended, and it was killed")
        if nurse is not None:
            # The loop keeps no hold of a task.
            task = asyncio.create_task(nurse.close())
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)

    def _settings_pickled(self) -> bytes:
        if self._settings_sent is None:
            for plugin in self.settings.around.plugins:
                try:
                    pickle.dumps(plugin)
                except Exception as error:
                    raise PluginError(
                        f"The plugin {plugin.name!r} implements around_job, and cannot be sent to child processes, as "
                        f"{type(self).__name__} needs: {type(error).__name__}: {error}"
                    ) from error
            settings = ChildSettings(
                self.settings.for_elsewhere(*Limit.Type),
                self._initializer,
                main_script(),
            )
            self._settings_sent = pickle.dumps(settings)
        return self._settings_sent


def _memory_limit(job: QueuedJob) -> float | None:
    return next((limit.value for limit in job.limits if limit.type_ is Limit.Type.MEMORY), None)
