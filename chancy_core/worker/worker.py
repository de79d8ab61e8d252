"""`Worker`: its life, from the start to the end."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable
from contextlib import nullcontext
from typing import Final, Self

from chancy_core.app import Chancy
from chancy_core.config import worker_settings
from chancy_core.errors import ConfigError, NotOpen
from chancy_core.executors.functions import Functions
from chancy_core.log import log
from chancy_core.store.queues import apply_settings
from chancy_core.store.spare import SPARE
from chancy_core.store.statements import read_statements
from chancy_core.store.workers import Registration
from chancy_core.values.workerinfo import UnableStatus, UnservedStatus
from chancy_core.worker.duty import keep
from chancy_core.worker.identity import name_of_this_process, tags_of_this_process
from chancy_core.worker.registering import in_time, register
from chancy_core.worker.signals import heeded
from chancy_core.worker.stopping import Stopped, Stopping
from chancy_core.worker.wiring import Parts

__all__ = ["Stopped", "Worker"]

# The name of the plugin that removes finished jobs: nothing depends on it, but its absence is worth a word.
PRUNER: Final = "pruner"
KEPT_FOR_EVER: Final = (
    "Finished jobs stay for ever, unless somebody deletes them: pip install chancy-pruner, and leave it enabled."
)
# The duties that end when a worker begins to stop; the others go on until its outcomes are written.
END_FIRST: Final = ("queues", "promote", "rescue", "listen", "tick", "vitals", "deliver")


class Worker:
    """Claims jobs and runs them, until it is told to stop.

    ```python
    async with Chancy() as chancy, Worker(chancy) as worker:
        await worker.wait_for_shutdown()
    ```

    Leaving the block stops it in good order: it claims nothing more, lets running jobs end for up
    to `grace_s`, and hands the rest back without spending an attempt.

    Args:
        chancy: a `Chancy`, which it opens if it is not open.
        name: a readable name; each run adds a suffix of its own. By default host and process id.
        tags: a list of words that the tags of queues are matched with, such as `["gpu"]`. By default every queue with
            the usual `.*`. Besides, every worker has the tags `*`, `hostname=…`, `worker=…`, `python=…`, `os=…` and
            `arch=…`.
        queues: names of the queues to serve, such as `["mail", "reports-*"]`, where `*` stands for any characters. By
            default all that its tags match. Both must match; one that nobody has declared is waited for.
        concurrency: jobs at a time, for queues that do not say.
        lease_s: seconds, 1 to 3,600, after which a worker that gives no sign of life counts as lost.
        grace_s: seconds that running jobs may take to end at shutdown.

    What is not given is taken from the settings of `chancy`, table `[worker]`.

    Raises:
        ConfigError: a value of another type, or out of range: all that is wrong, and what to give.

    Attributes:
        name: the worker's name, unique to this run.
    """

    def __init__(
        self,
        chancy: Chancy,
        *,
        name: str | None = None,
        tags: Iterable[str] | None = None,
        queues: Iterable[str] | None = None,
        concurrency: int | None = None,
        lease_s: float | None = None,
        grace_s: float | None = None,
    ) -> None:
        if not isinstance(chancy, Chancy):
            raise ConfigError(f"Worker(chancy) is of type {type(chancy).__name__}: give it a Chancy.")
        settings = worker_settings(
            chancy.settings.worker,
            name=name,
            tags=tags,
            queues=queues,
            concurrency=concurrency,
            lease_s=lease_s,
            grace_s=grace_s,
        )
        self._chancy = chancy
        # A worker started again under its old name is another worker: the jobs of the one before it are rescued.
        base = settings.name or name_of_this_process()
        self.name: Final = f"{base}.{os.urandom(3).hex()}"
        self._registration: Final = Registration(
            self.name, sorted({*settings.tags, *tags_of_this_process(base)}), settings.queues
        )
        self._concurrency: Final = settings.concurrency
        self._lease_s: Final = settings.lease_s
        self._grace_s: Final = settings.grace_s
        self._functions: Final = Functions(chancy.settings.functions)
        self._duties: list[asyncio.Task[None]] = []
        self._told = asyncio.Event()
        self._told_twice = asyncio.Event()
        self._stop: asyncio.Task[Stopped] | None = None
        self._gave_up = False
        # The loop keeps no hold of a task.
        self._ending: asyncio.Future[Stopped] | None = None
        self._parts: Parts | None = None
        self._open = False

    async def close_resources(self) -> None:
        """Tear down the resources of its jobs, when none runs any more."""
        await self._functions.resources.close()

    # -- running ---------------------------------------------------------------------------

    async def start(self) -> None:
        """Register, and begin to claim.

        Raises:
            NotOpen: its `Chancy` has been closed, or the worker runs already.
            SchemaError: the schema does not fit this code; says what to run.
            DatabaseUnavailable: nothing answers there.
        """
        if self._open:
            raise NotOpen("This worker runs already; make another Worker for another run.")
        side = await self._chancy.opening.ready(makes=True)
        if configured := self._chancy.settings.queues:
            await in_time(lambda: side.pool.run(lambda: apply_settings(self._chancy.store, configured)))
        SPARE.keep()
        read_statements(self._chancy.settings.schema)
        parts = self._parts = Parts(
            self,
            self._chancy,
            registration=self._registration,
            concurrency=self._concurrency,
            lease_s=self._lease_s,
            functions=self._functions,
            give_up=self._give_up,
        )
        sent_at = await register(parts, self._chancy.store, self._registration, self._lease_s)
        parts.lease.renewed(sent_at)
        parts.standby.renewed(sent_at)
        parts.standby.start()
        parts.watchdog.start()
        self._open = parts.hearing.open = True
        try:
            await self._chancy.plugins.on_start(self)
            await in_time(parts.lanes.follow)
        except BaseException:
            await self.stop()
            raise
        if self._stop is not None:
            # It was stopped while it started.
            await self.stop()
            return
        self._begin(parts)
        log.info("worker_started", worker=self.name, queues=sorted(parts.lanes.lanes))
        if not any(loaded.name == PRUNER for loaded in self._chancy.plugins.loaded):
            log.info("pruner_not_loaded", worker=self.name, hint=KEPT_FOR_EVER)

    def _begin(self, parts: Parts) -> None:
        """Begin with every duty."""
        for name, duty in parts.duties().items():
            self._duties.append(asyncio.create_task(keep(name, duty), name=name))

    async def wait_for_shutdown(self, *, signals: bool = True) -> Stopped:
        """Work until the process is told to stop (SIGTERM, SIGHUP, Ctrl-C, or `stop`), then stop in good order.

        A second signal stops it within a second.

        Args:
            signals: False: whoever calls this heeds the signals of the process, and calls `shut_down`.
        """
        with heeded(self.shut_down) if signals else nullcontext():
            await self._told.wait()
            return await self.stop()

    def shut_down(self) -> None:
        """Tell the worker to stop, as a signal does; told twice, it stops at once."""
        if self._told.is_set():
            self._told_twice.set()
        self._told.set()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.stop()

    # -- what it says of itself ------------------------------------------------------------

    @property
    def chancy(self) -> Chancy:
        """The application that it works for."""
        return self._chancy

    @property
    def running(self) -> int:
        """How many jobs run now."""
        return self._parts.lanes.running if self._parts and self._open else 0

    @property
    def lease_held(self) -> bool:
        """Whether it may believe that its jobs are its own; without, it claims nothing."""
        return self._open and self._parts is not None and self._parts.lease.is_held

    @property
    def hindered(self) -> str | None:
        """What keeps it from its work just now, in a sentence, such as a database that does not answer; None: nothing.

        A worker that has been told to stop, or has not been started, is not hindered.
        """
        if self._parts is None or not self._open or self.stopping:
            return None
        return self._parts.vitals.hindered

    @property
    def unable(self) -> list[UnableStatus]:
        """The functions that it cannot run for now, and leaves to others. It is not `hindered`: all else it does."""
        return self._parts.lanes.unable() if self._parts and self._open else []

    @property
    def unserved(self) -> list[UnservedStatus]:
        """The queues that it was told to serve, or that have its tags, and that it does not serve: with the reason."""
        return self._parts.lanes.unserved() if self._parts and self._open else []

    @property
    def stopping(self) -> bool:
        """Whether it was told to stop, or has stopped."""
        return self._told.is_set()

    @property
    def told_twice(self) -> bool:
        """Whether it was told a second time, and so is to end at once."""
        return self._told_twice.is_set()

    def slots(self) -> dict[str, tuple[int, int]]:
        """For each queue that it serves: how many slots are used, and how many there are."""
        if self._parts is None or not self._open:
            return {}
        return {name: (lane.running, lane.concurrency) for name, lane in self._parts.lanes.lanes.items()}

    @property
    def rescued(self) -> int:
        """How many jobs it has taken back from lost workers."""
        return sum(self.rescued_by_queue.values())

    @property
    def rescued_by_queue(self) -> dict[str, int]:
        """How many jobs it has taken back from lost workers, for each queue that had any."""
        return dict(self._parts.rescuer.rescued) if self._parts else {}

    @property
    def stale(self) -> int:
        """How many outcomes of its own were refused, because someone else owned the run by then."""
        return sum(self.stale_by_queue.values())

    @property
    def stale_by_queue(self) -> dict[str, int]:
        """How many outcomes of its own were refused, for each queue that had any."""
        return dict(self._parts.finisher.stale) if self._parts else {}

    @property
    def unwritten(self) -> int:
        """How many outcomes have not been written yet."""
        return self._parts.finisher.waiting if self._parts else 0

    # -- stopping --------------------------------------------------------------------------

    async def stop(self) -> Stopped:
        """Stop in good order. Returns how it went. Whoever calls this meanwhile, or again, waits for the same end.

        However badly the database, a plugin or an executor hangs, it ends: within the grace time and a minute, and
        within a second after `shut_down` was called for the second time.
        """
        if self._parts is None or not (self._open or self._stop):
            return Stopped.DRAINED
        if self._stop is None:
            self._told.set()
            self._stop = asyncio.create_task(self._stopped(self._parts), name="chancy.stop")
        return await asyncio.shield(self._stop)

    async def _stopped(self, parts: Parts) -> Stopped:
        stopping = Stopping(self, parts, self._grace_s, self._told_twice)
        for task in self._duties:
            if task.get_name().partition(" ")[0] in END_FIRST:
                task.cancel()
        how = await stopping.run()
        await stopping.tell_plugins(self._chancy.plugins.on_stop(self))
        for task in self._duties:
            task.cancel()
        await stopping.resign()
        await stopping.close()
        self._open = False
        if self._gave_up:
            how = Stopped.GAVE_UP
        log.info("worker_stopped", worker=self.name, how=how.name.lower(), unwritten=parts.finisher.waiting)
        return how

    def _give_up(self, reason: str) -> None:
        log.error("worker_gave_up", worker=self.name, reason=reason, hint="Whoever supervises it starts it again.")
        self._gave_up = True
        # Its jobs go to others at once.
        self._told.set()
        self._told_twice.set()
        self._ending = asyncio.ensure_future(self.stop())
