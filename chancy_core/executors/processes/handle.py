"""A child, as the worker sees it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Final, NamedTuple, TypeAlias

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
from chancy_core.executors.report import Report
from chancy_core.values.queuedjob import Progress, QueuedJob

# How much later than the end of its line the end of a process may be told.
TELLS_WITHIN_S: Final = 0.2


class Terms(NamedTuple):
    """What a run may use.

    Attributes:
        time_s: its time limit.
        memory_bytes: its memory limit.
        grace_s: how long it may go on once it was told to stop, or its time is over.
        start_within_s: how long it may take until its function starts, if it has a time limit.
    """

    time_s: float | None
    memory_bytes: float | None
    grace_s: float
    start_within_s: float


class Death(NamedTuple):
    """A child ended before its run did.

    Attributes:
        code: its exit code, or minus the number of a signal; None if that is not known.
        killed_for: what it was killed for; None if it was not killed by this worker.
        used_s: how long the run took, from the start of its function, as far as that is known, until it was killed.
        peak_bytes: the most memory that it was seen to hold.
        problem: what else there is to say.
        stack: where it was when its time was over, if it could tell.
        begun: whether it may have begun to run the job: not if it could not be started, or set up.
    """

    code: int | None
    killed_for: KillReason | None
    used_s: float
    peak_bytes: int
    problem: str | None
    stack: str
    begun: bool = True


# Called once, on the loop, with what a run came to. Never raises.
HowEnded: TypeAlias = Callable[[Report | Death], None]


class _AwaitedRun:
    def __init__(self, number: int, job: QueuedJob, terms: Terms, watch: Watch, ended: HowEnded) -> None:
        self.number = number
        self.job = job
        self.terms = terms
        self.watch = watch
        self.began_at = time.monotonic()
        self.stack = ""
        self.ended = ended


class Child:
    """One child process: runs one job at a time.

    Attributes:
        serial: its number; none has it again.
        pid: its process, once that is known.
        runs: how many jobs it was given.
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
        self._going: _AwaitedRun | None = None
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

    def begin(self, job: QueuedJob, payload: tuple[bytes, bytes], terms: Terms, ended: HowEnded) -> None:
        """Run a job (and the same encoded), and call `ended`."""
        self.runs += 1
        watch = Watch(self.kill, self._ask_soon, self.pid)
        going = self._going = _AwaitedRun(self.runs, job, terms, watch, ended)
        if terms.memory_bytes is not None:
            self._guard.watch(watch, limit_bytes=terms.memory_bytes)
        if terms.time_s is not None:
            self._guard.kill_at(watch, going.began_at + terms.start_within_s, KillReason.NOT_STARTED)
        self.channel.send(RunJob(self.runs, *payload))

    def stop(self, job: QueuedJob, reason: StopReason) -> None:
        """Tell the run to stop; kill it if it has not after its grace time."""
        going = self._going
        if going is not None and (going.job.id, going.job.claims) == (job.id, job.claims):
            self.channel.send(Stop(going.number, reason.name))
            # Told again, it has no more time than it was given when it was told first.
            if going.watch.kill_for is not KillReason.STOPPED:
                at = min(going.watch.kill_at, time.monotonic() + going.terms.grace_s)
                self._guard.kill_at(going.watch, at, KillReason.STOPPED)

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
        if self._going is not None:
            self._going.watch.pid = pid

    def died(self, code: int | None, problem: str | None, *, begun: bool = True) -> None:
        """It has ended."""
        # What it said last lies in the socket still.
        self.channel.drain()
        self.usable = False
        self.channel.close()
        self.gone.set()
        going = self._going
        if going is not None:
            self._release(going)
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
                going = self._going
                if going is not None and going.number == number:
                    # Looked at as in the child, which the job may have talked into anything.
                    Control(partial(self._report, going.job)).progress(fraction, note)
            case Here(number, stack):
                if self._going is not None and self._going.number == number:
                    self._going.stack = stack
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
        going = self._going
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
        if self._going is not None:
            self.channel.send(Where(self._going.number))

    def _done(self, message: Done) -> None:
        going = self._going
        if going is None or going.number != message.number:
            raise msgspec.ValidationError("a run has ended that was not asked for")
        report = decode_report(message.report)
        self._release(going)
        if going.watch.killed_for is not None:
            # It ended while it was being killed: what it came to counts, but the child is gone.
            self.usable = False
        self.rss_bytes = message.rss_bytes
        going.ended(report)

    def _release(self, going: _AwaitedRun) -> None:
        """Nobody waits for this run from now on, and nothing is enforced any more."""
        self._going = None
        self._guard.release(going.watch)
