"""The children of one executor: made, handed out, taken back, and ended when they are old, large or idle."""

from __future__ import annotations

import asyncio
import errno
import pickle
import signal
import sys
from contextlib import suppress
from typing import Final, NamedTuple

from chancy_core.errors import PluginError
from chancy_core.executors.base import ExecutorSettings
from chancy_core.executors.processes.channel import Channel
from chancy_core.executors.processes.child import ChildSettings
from chancy_core.executors.processes.descriptors import room_for_child
from chancy_core.executors.processes.frames import BESIDES_BYTES, Begin, Born, Gone
from chancy_core.executors.processes.guard import Guard
from chancy_core.executors.processes.handle import Child
from chancy_core.executors.processes.mainscript import main_script
from chancy_core.executors.processes.nurse import Nurse, sys_path
from chancy_core.executors.processes.nursery import SPAWN
from chancy_core.executors.processes.runs import Terms
from chancy_core.log import log
from chancy_core.values.job import Limit

# A job with a memory limit gets no child that has grown by more than this part of the limit since it was set up.
GROWN: Final = 0.25
# A run that waits for a child looks so often whether there are descriptors for a new one, which nobody would tell.
LOOK_S: Final = 1.0


class Upkeep(NamedTuple):
    """How children are kept: the options of `ProcessExecutor` that are about them.

    Attributes:
        executor: its name, for errors.
        method: how they are started.
        maximum_jobs: how many jobs one runs.
        replace_above_bytes: what one may hold after a job.
        keep_idle_s: how long one stays without work.
        grace_s: how long one may take to end that was told to.
        initializer: the name of a function that each calls before its first job.
        preload: modules that are imported once, before children are forked.
    """

    executor: str
    method: str
    maximum_jobs: int
    replace_above_bytes: float
    keep_idle_s: float
    grace_s: float
    initializer: str | None
    preload: list[str]


class Children:
    """The children of one executor. There are never more than were needed at a time.

    Args:
        settings: what the worker tells the executor.
        upkeep: how they are kept.
    """

    def __init__(self, settings: ExecutorSettings, upkeep: Upkeep) -> None:
        self._settings: Final = settings
        self._upkeep: Final = upkeep
        self._guard = Guard()
        self._nurse: Nurse | None = None
        self._settings_sent: bytes | None = None
        self._serial = 0
        self._children: dict[int, Child] = {}
        self._idle: list[Child] = []
        self._tidying: asyncio.TimerHandle | None = None
        self._closing: set[asyncio.Task[None]] = set()
        # Set when a child may have become free, or has gone.
        self._freed = asyncio.Event()
        # How many runs wait for that. Nothing is sent ahead then: the next child that is free is theirs.
        self._awaited = 0

    async def close(self) -> None:
        """End all of them; those that still run a job are killed."""
        if self._tidying is not None:
            self._tidying.cancel()
        idle, self._idle = self._idle, []
        for child in idle:
            child.end()
        if idle:
            await asyncio.wait([asyncio.create_task(child.gone.wait()) for child in idle], timeout=self._upkeep.grace_s)
        self._guard.close()
        for child in list(self._children.values()):
            child.died(-signal.SIGKILL, "its executor was closed")
        self._children.clear()
        if self._nurse is not None:
            await self._nurse.close()

    async def take(self, terms: Terms) -> Child:
        """A child for a run; waits for one while there is no room for another.

        Raises:
            OSError: none could be started, and there is none to wait for.
        """
        while True:
            child = self.take_now(terms)
            if child is not None:
                return child
            if not self._children:
                raise OSError(errno.EMFILE, "no descriptors are left for a child process")
            self._freed.clear()
            self._awaited += 1
            try:
                with suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_S):
                        await self._freed.wait()
            finally:
                self._awaited -= 1

    def take_now(self, terms: Terms) -> Child | None:
        """A child for a run; None: there is none, and no room for another.

        Raises:
            OSError: none could be started.
        """
        child = self._idle_child(terms)
        if child is None and room_for_child(first=not self._children):
            child = self._new()
        return child

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
            self._nurse = Nurse(self._upkeep.method, self._upkeep.preload, self._heard, self._lost)
        self._serial += 1
        child = Child(self._serial, self._guard, self._nurse.kill, self._settings.progressed)
        largest = self._settings.result_limit_bytes + self._settings.meta_limit_bytes + BESIDES_BYTES
        child.connect(Channel(self._nurse.bear(self._serial), child.heard, child.hung_up, largest))
        self._children[self._serial] = child
        if self._upkeep.method == SPAWN:
            child.channel.send_raw(sys_path())
        child.channel.send(Begin(sys.path, self.settings_pickled()))
        return child

    def has_room(self, child: Child) -> bool:
        """Whether a job may be sent ahead to a child that runs one."""
        return not self._awaited and child.has_room(self._upkeep.maximum_jobs)

    def too_large(self, child: Child) -> bool:
        """Whether it holds more than it may after a job."""
        return child.rss_bytes > self._upkeep.replace_above_bytes

    def give_back(self, child: Child) -> None:
        """The run of a child is over, however it ended: keep the child for another, or end it."""
        self._freed.set()
        if not child.usable:
            return
        if child.runs >= self._upkeep.maximum_jobs or self.too_large(child):
            self._end(child)
            return
        loop = asyncio.get_running_loop()
        child.idle_since = loop.time()
        self._idle.append(child)
        if self._tidying is None:
            self._tidying = loop.call_later(self._upkeep.keep_idle_s, self._tidy)

    def _tidy(self) -> None:
        """End the children that had nothing to do for long."""
        loop = asyncio.get_running_loop()
        self._idle = [child for child in self._idle if child.usable]
        old = loop.time() - self._upkeep.keep_idle_s
        while self._idle and self._idle[0].idle_since <= old:
            self._end(self._idle.pop(0))
        self._tidying = None
        if self._idle:
            self._tidying = loop.call_at(self._idle[0].idle_since + self._upkeep.keep_idle_s, self._tidy)

    def _end(self, child: Child) -> None:
        child.end()
        # A thread that a job has left behind may keep it.
        asyncio.get_running_loop().call_later(self._upkeep.grace_s, self._kill_if_there, child.serial)

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
        log.error("nursery_lost", worker=self._settings.worker, children=len(self._children))
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

    def settings_pickled(self) -> bytes:
        """What each child is told first.

        Raises:
            PluginError: a plugin's `around_job` cannot be sent to a child, and why.
        """
        if self._settings_sent is None:
            for plugin in self._settings.around.plugins:
                try:
                    pickle.dumps(plugin)
                except Exception as error:
                    raise PluginError(
                        f"The plugin {plugin.name!r} implements around_job, and cannot be sent to child processes, as "
                        f"{self._upkeep.executor} needs: {type(error).__name__}: {error}"
                    ) from error
            settings = ChildSettings(
                self._settings.for_elsewhere(*Limit.Type),
                self._upkeep.initializer,
                main_script(),
                self._upkeep.replace_above_bytes,
            )
            self._settings_sent = pickle.dumps(settings)
        return self._settings_sent
