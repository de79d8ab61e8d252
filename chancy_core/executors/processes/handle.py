"""A child, as the worker sees it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Final

import msgspec

from chancy_core.executors.base import StopReason
from chancy_core.executors.control import Control
from chancy_core.executors.processes.channel import Channel
from chancy_core.executors.processes.events import write_event
from chancy_core.executors.processes.frames import (
    Broken,
    Done,
    Here,
    Ready,
    RunJob,
    Started,
    Stop,
    Told,
    Where,
    Wrote,
    decode_from_child,
    decode_report,
)
from chancy_core.executors.processes.guard import Guard, KillReason, Watch
from chancy_core.executors.processes.runs import AwaitedRun, Death, HowEnded, Moved, Runs, Terms
from chancy_core.executors.processes.tokens import Tokens
from chancy_core.executors.report import Report
from chancy_core.values.queuedjob import Progress, QueuedJob

# How much later than the end of its line the end of a process may be told.
TELLS_WITHIN_S: Final = 0.2


class Child:
    """One child process: runs one job at a time. The next one may lie there already.

    Attributes:
        serial: its number; none has it again.
        pid: its process, once that is known.
        runs: how many jobs it was given, without those that were taken back.
        base_bytes: how large it was when it was set up.
        rss_bytes: how large it was at the end of its latest run.
        idle_since: when that was, by the loop's clock.
        usable: whether it may be given another job.
        gone: set when the process has ended.
    """

    def __init__(
        self,
        serial: int,
        guard: Guard,
        kill: Callable[[int], None],
        report: Callable[[QueuedJob, Progress], None],
    ) -> None:
        self.serial: Final = serial
        self.pid: int | None = None
        self.runs = 0
        self.base_bytes = 0
        self.rss_bytes = 0
        self.idle_since = 0.0
        self.usable = True
        self.gone = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._guard = guard
        self._kill = kill
        self._report = report
        self._channel: Channel | None = None
        self._runs = Runs()
        self._number = 0
        self._problem: str | None = None
        # Whether it said itself that it cannot run jobs.
        self._broken = False

    @property
    def channel(self) -> Channel:
        """The line to it."""
        assert self._channel is not None  # noqa: S101 -- it has one from `connect` on
        return self._channel

    def connect(self, channel: Channel) -> None:
        """Use this line."""
        self._channel = channel

    async def run(self, job: QueuedJob, payload: tuple[bytes, bytes], terms: Terms) -> Report | Death:
        """Run a job (and the same encoded)."""
        came: asyncio.Future[Report | Death] = self._loop.create_future()

        def ended(how: Report | Death) -> None:
            if not came.done():
                came.set_result(how)

        self.begin(job, payload, terms, ended)
        try:
            return await came
        except asyncio.CancelledError:
            # Nobody waits for it any more.
            self.kill()
            raise

    @property
    def busy(self) -> bool:
        """Whether somebody waits for a run of it."""
        return self._runs.going is not None

    @property
    def has_ahead(self) -> bool:
        """Whether a job lies behind the one that goes on."""
        return bool(self._runs.ahead)

    def has_room(self, maximum_jobs: int) -> bool:
        """Whether a job may be sent ahead, to a child that is given so many."""
        return self.usable and self.runs < maximum_jobs and self._runs.has_room()

    def begin(self, job: QueuedJob, payload: tuple[bytes, bytes], terms: Terms, ended: HowEnded) -> None:
        """Run a job (and the same encoded), and call `ended`."""
        going = self._runs.going = self._next(job, terms, ended)
        watch = going.watch
        if terms.memory_bytes is not None:
            self._guard.watch(watch, limit_bytes=terms.memory_bytes)
        if terms.time_s is not None:
            self._guard.kill_at(watch, going.began_at + terms.start_within_s, KillReason.NOT_STARTED)
        self.channel.send(RunJob(going.number, *payload))

    def send_ahead(
        self, job: QueuedJob, payload: tuple[bytes, bytes], terms: Terms, ended: HowEnded, moved: Moved
    ) -> None:
        """Run a job without limits after the one that goes on: see `has_room`. It may be taken back until it begins."""
        run = self._next(job, terms, ended, moved)
        self._runs.follow(run)
        self.channel.send(RunJob(run.number, *payload, ahead=True))

    def take_back(self) -> list[QueuedJob]:
        """The jobs that were sent ahead and have not begun: they never will here, and nobody is told of them."""
        back = self._runs.take_back()
        self.runs -= len(back)
        for run in back:
            self._guard.release(run.watch)
        return [run.job for run in back]

    def take_back_behind(self, *, long: bool) -> list[QueuedJob]:
        """The same, if there are any, and the run that goes on is no short one (`long`), or in any case."""
        return self.take_back() if self._runs.ahead and (not long or self._runs.goes_on()) else []

    def _next(self, job: QueuedJob, terms: Terms, ended: HowEnded, moved: Moved | None = None) -> AwaitedRun:
        self.runs += 1
        self._number += 1
        return AwaitedRun(self._number, job, terms, Watch(self.kill, self._ask_soon, self.pid), ended, moved)

    def stop(self, job: QueuedJob, reason: StopReason) -> None:
        """Tell the run to stop; kill it if it has not after its grace time."""
        for run in (self._runs.going, *self._runs.ahead):
            if run is not None and (run.job.id, run.job.claims) == (job.id, job.claims):
                self.channel.send(Stop(run.number, reason.name))
                # Told again, it has no more time than it was given when it was told first.
                if run.watch.kill_for is not KillReason.STOPPED:
                    at = min(run.watch.kill_at, time.monotonic() + run.terms.grace_s)
                    self._guard.kill_at(run.watch, at, KillReason.STOPPED)

    def kill(self) -> None:
        """Have it killed. From any thread."""
        self.usable = False
        self._kill(self.serial)

    def end(self) -> None:
        """Let it end in good order."""
        self.usable = False
        self.channel.close()

    # -- what is heard ---------------------------------------------------------------------

    def born(self, pid: int) -> None:
        """It has started."""
        self.pid = pid
        if self._runs.going is not None:
            self._runs.going.watch.pid = pid

    def died(self, code: int | None, problem: str | None, *, begun: bool = True) -> None:
        """It has ended."""
        # What it said last lies in the socket still.
        self.channel.drain()
        self.usable = False
        self.channel.close()
        self.gone.set()
        back = self._runs.take_back()
        if self._runs.tokens is not None:
            self._runs.tokens.close()
            self._runs.tokens = None
        # Each waits before all others, so the last one comes back first.
        for run in reversed(back):
            self._guard.release(run.watch)
            assert run.moved is not None  # noqa: S101 -- it was sent ahead
            run.moved(False)
        going = self._runs.going
        while going is not None:
            self._guard.release(going.watch)
            # One that follows has begun, too, if it could not be taken back: the end of the one before went unheard.
            follows = self._runs.ended()
            watch = going.watch
            going.ended(
                Death(
                    code,
                    watch.killed_for,
                    (watch.killed_at or time.monotonic()) - going.began_at,
                    watch.peak_bytes,
                    problem or self._problem,
                    going.stack,
                    begun and not self._broken,
                )
            )
            going = follows

    def heard(self, body: bytes) -> None:
        """It says something. Raises ValueError (msgspec's) if that makes no sense."""
        message = decode_from_child(body)
        match message:
            case Ready(rss):
                self.base_bytes = self.rss_bytes = rss
            case Broken(problem):
                self._problem, self._broken = problem, True
                self.kill()
            case Started(number, at):
                self._started(number, at)
            case Told(number, fraction, note):
                going = self._runs.going
                if going is not None and going.number == number:
                    # Looked at as in the child, which the job may have talked into anything.
                    Control(partial(self._report, going.job)).progress(fraction, note)
            case Here(number, stack):
                if self._runs.going is not None and self._runs.going.number == number:
                    self._runs.going.stack = stack
            case Done():
                self._done(message)
            case Wrote():
                write_event(self.pid, message)

    def hung_up(self, nonsense: str | None) -> None:
        """Its end of the line is closed, or what it says makes no sense: it has ended, or is of no use any more."""
        self.usable = False
        if nonsense is not None:
            self._useless(nonsense)
        else:
            # That it has ended is told by the nursery, and how.
            asyncio.get_running_loop().call_later(TELLS_WITHIN_S, self._useless, "cut the line to its worker")

    def _useless(self, what: str) -> None:
        if not self.gone.is_set():
            self._problem = f"its child process {self.pid} {what}, and was killed"
            self.kill()

    def _started(self, number: int, at: float) -> None:
        going = self._runs.going
        if going is not None and going.number == number and going.terms.time_s is not None:
            # One clock for all processes of a machine; a child cannot have started in the future.
            going.began_at = min(max(at, going.began_at), time.monotonic())
            if going.watch.kill_for is not KillReason.STOPPED:
                over_at = going.began_at + going.terms.time_s
                self._guard.kill_at(going.watch, over_at + going.terms.grace_s, KillReason.TIME, ask_at=over_at)

    def _ask_soon(self) -> None:
        """Called by the guard, in its thread."""
        # The loop may have been closed.
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._ask)

    def _ask(self) -> None:
        if self._runs.going is not None:
            self.channel.send(Where(self._runs.going.number))

    def _done(self, message: Done) -> None:
        going = self._runs.going
        if going is None or going.number != message.number:
            raise msgspec.ValidationError("a run has ended that was not asked for")
        report = decode_report(message.report)
        # Nobody waits for this run from now on, and nothing is enforced any more.
        self._guard.release(going.watch)
        if going.number == 1 and (fd := self.channel.descriptor()) is not None:
            self._runs.tokens = Tokens(fd)
        follows = self._runs.ended()
        if going.watch.killed_for is not None:
            # It ended while it was being killed: what it came to counts, but the child is gone.
            self.usable = False
        self.rss_bytes = message.rss_bytes
        if follows is not None and follows.moved is not None:
            follows.moved(True)
        going.ended(report)
