"""A child: runs one job at a time, until it is told to end."""

from __future__ import annotations

import asyncio
import atexit
import ctypes
import os
import pickle
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, NamedTuple

from msgspec.structs import replace

from chancy_core.executors import memory
from chancy_core.executors.base import StopReason
from chancy_core.executors.control import Control, time_limit_s
from chancy_core.executors.elsewhere import Heard, JobRunner, RunSettings
from chancy_core.executors.processes.events import forward_events
from chancy_core.executors.processes.frames import (
    Begin,
    Broken,
    Done,
    FromChild,
    Here,
    Ready,
    RunJob,
    Started,
    Stop,
    Told,
    Where,
    decode_job,
    encode_report,
    frame,
)
from chancy_core.executors.processes.listening import Listener
from chancy_core.executors.processes.mainscript import RUN_AS, MainScript
from chancy_core.executors.processes.tokens import Tokens, new_tokens
from chancy_core.executors.processes.whereabouts import whereabouts
from chancy_core.executors.report import begins_anew
from chancy_core.log import log
from chancy_core.values.queuedjob import Progress, QueuedJob

PR_SET_PDEATHSIG: Final = 1
# Of those that the kernel may kill when memory is short, rather a child than the worker or the database.
OOM_SCORE_ADJ: Final = "500"


class ChildSettings(NamedTuple):
    """What a child has to know.

    Attributes:
        run: how jobs are run.
        initializer: the importable name of a function to call first.
        script: the script that the worker runs, for jobs whose function is in it.
        replace_above_bytes: a child that holds more than that after a job begins no other that was sent ahead.
    """

    run: RunSettings
    initializer: str | None
    script: MainScript
    replace_above_bytes: float


def main(sock: socket.socket) -> None:
    """Serve the worker at the other end of `sock`, until that is closed."""
    with suppress(OSError):
        os.setpgid(0, 0)
    _end_with_parent()
    _heed_no_signals()
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(OOM_SCORE_ADJ, "ascii")
    for stream in (sys.stdout, sys.stderr):
        # What a job has printed is not to be lost when it is killed.
        with suppress(AttributeError, ValueError):
            stream.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    ChildProgram(sock).serve()
    # Whatever registered itself for the end has its turn. Taking the interpreter apart would copy, page by page, what a
    # forked child shares with the others; only to be thrown away.
    atexit._run_exitfuncs()  # noqa: SLF001 -- as multiprocessing's own finalizers are
    _flush()
    os._exit(0)


def _end_with_parent() -> None:
    """Let the kernel kill this process when its parent ends, even if it hangs in C code. Linux only."""
    if sys.platform.startswith("linux"):
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def _heed_no_signals() -> None:
    """Ctrl-C and SIGTERM may reach every process of a group or service: the worker decides what is to end.

    A handler, not SIG_IGN, which programs that a job starts would inherit. Forks of a job end as anybody would.
    """
    own = os.getpid()

    def heed_not(number: int, _: object) -> None:
        if os.getpid() != own:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, heed_not)


class _OwnRun(Heard):
    """The run that goes on."""

    def __init__(self, number: int, control: Control, say: Callable[[FromChild], None]) -> None:
        self.number = number
        self.control = control
        self._say = say
        self.reason: StopReason | None = None
        # Of a coroutine function: where it runs.
        self.loop: asyncio.AbstractEventLoop | None = None
        self.task: asyncio.Task[Any] | None = None

    def begins(self) -> None:
        """The function is about to be called: from now on its time counts."""
        if self.control.limit_s is not None:
            self._say(Started(self.number, time.monotonic()))

    def runs_in(self, loop: asyncio.AbstractEventLoop, task: asyncio.Task[Any]) -> None:
        """It may be stopped there; at once, if that was asked for before."""
        self.loop, self.task = loop, task
        if self.reason is not None:
            self.stop(self.reason)

    def stop(self, reason: StopReason) -> None:
        """Called in another thread, while the run goes on."""
        self.reason = reason
        self.control.stop(reason.value)
        if self.loop is not None and self.task is not None:
            # The loop may have been closed this very moment.
            with suppress(RuntimeError):
                self.loop.call_soon_threadsafe(self.task.cancel)


class ChildProgram:
    """Runs jobs in the main thread; another listens while one runs, so that a job can be told to stop."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._inode = os.fstat(sock.fileno()).st_ino
        self._pid = os.getpid()
        self._main = threading.get_ident()
        self._line = Listener(sock, self._hear)
        self._sending = threading.Lock()
        self._peak = memory.OwnPeak()
        self._going: _OwnRun | None = None
        # By a run's number, why it is to stop: it may have yet to begin.
        self._stops: dict[int, StopReason] = {}
        self._tokens: Tokens | None = None
        self._begins_no_more = False

    def serve(self) -> None:
        """Set up, and run what comes."""
        self._line.start()
        # A fork of a job must not hold this end open.
        os.register_at_fork(after_in_child=self._close)
        begin = self._line.next()
        if not isinstance(begin, Begin) or not self._set_up(begin):
            return
        with self._jobs:
            while isinstance(message := self._line.next(), RunJob):
                if message.ahead and not self._may_begin():
                    continue
                if not self._run(message):
                    break

    def _close(self) -> None:
        self._sock.close()
        if self._tokens is not None:
            self._tokens.close()

    def _may_begin(self) -> bool:
        """Whether a job that was sent ahead is begun now. Its worker has been told how the one before it ended."""
        if self._begins_no_more or self._tokens is None:
            return False
        try:
            return self._tokens.take()
        except OSError:
            # A job has closed what is not its own. The worker sees that this one was not begun.
            os._exit(1)

    def _set_up(self, begin: Begin) -> bool:
        sys.path[:] = begin.sys_path
        what = "its settings"
        forward_events(self._say)
        try:
            settings: ChildSettings = pickle.loads(begin.settings)  # noqa: S301 -- from the worker itself
            self._script = settings.script
            self._jobs = JobRunner(settings.run, self._load_script)
            what = f"the initializer {settings.initializer}"
            if settings.initializer:
                self._jobs.functions.at(settings.initializer)()
        except BaseException as error:  # noqa: BLE001 -- the worker is to know
            log.error("child_not_set_up", problem=what, exc_info=error)
            self._say(Broken(f"{what} raised {type(error).__name__}: {error}"))
            return False
        self._too_large_bytes = settings.replace_above_bytes
        self._say(Ready(memory.rss_bytes(self._pid) or 0))
        return True

    # -- what is said about a run, in either thread ----------------------------------------

    def _hear(self, message: Stop | Where) -> None:
        if isinstance(message, Stop):
            self._stop(message)
        else:
            self._tell_where(message)

    def _stop(self, message: Stop) -> None:
        self._stops[message.number] = StopReason[message.reason]
        self._heed_stop()

    def _heed_stop(self) -> None:
        going = self._going
        # A stop that comes too late names a run that has ended; one that comes early, a run that has yet to begin.
        if going is not None and (reason := self._stops.get(going.number)) is not None:
            going.stop(reason)

    def _tell_where(self, message: Where) -> None:
        going = self._going
        if going is not None and going.number == message.number:
            self._say(Here(message.number, whereabouts(self._main, going.task)))

    # -- the main thread -------------------------------------------------------------------

    def _run(self, run: RunJob) -> bool:
        """Run a job, and tell of it; whether another may follow."""
        try:
            job = decode_job(run)
        except BaseException as error:  # noqa: BLE001 -- the worker is to know
            self._say(Broken(f"the job cannot be read in a child process: {type(error).__name__}: {error}"))
            return False

        def progressed(progress: Progress) -> None:
            self._say(Told(run.number, progress.fraction, progress.note))

        going = self._going = _OwnRun(run.number, Control(progressed, time_limit_s(job)), self._say)
        self._heed_stop()
        self._peak.restart()
        report = self._jobs.run(job, going.control, going)
        if os.getpid() != self._pid:
            # A fork that the job made, and let return.
            os._exit(0)
        _flush()
        if not self._line_holds():
            # The job closed what is not its own. What it came to cannot be told, but that it ended can.
            os._exit(1)
        report = replace(report, peak_bytes=self._peak.read())
        self._going = None
        for number in list(self._stops):
            if number <= run.number:
                del self._stops[number]
        rss_bytes = self._peak.rss_bytes()
        # Before the worker knows: from then on the two agree that nothing more is begun.
        self._begins_no_more = rss_bytes > self._too_large_bytes or begins_anew(report)
        self._say(Done(run.number, encode_report(report), rss_bytes), self._new_tokens(run))
        return True

    def _new_tokens(self, run: RunJob) -> list[int]:
        """The descriptor that goes with the end of the first run: from then on jobs may be sent ahead."""
        fd = new_tokens() if run.number == 1 else None
        if fd is None:
            return []
        self._tokens = Tokens(fd)
        return [fd]

    def _line_holds(self) -> bool:
        """Whether the descriptor is the socket still, and not a file that was opened when it had been closed."""
        try:
            return os.fstat(self._sock.fileno()).st_ino == self._inode
        except OSError:
            return False

    def _load_script(self, job: QueuedJob) -> None:
        if job.func.startswith("__main__.") and RUN_AS not in sys.modules:
            self._script.run()

    def _say(self, message: FromChild, fds: Sequence[int] = ()) -> None:
        data = frame(message)
        # A worker that is gone is noticed by whoever reads.
        with self._sending, suppress(OSError):
            if fds:
                data = data[socket.send_fds(self._sock, [data], fds) :]
            self._sock.sendall(data)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        # A job may have closed it, or put something of its own there.
        with suppress(Exception):
            stream.flush()
