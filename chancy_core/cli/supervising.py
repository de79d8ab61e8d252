"""`chancy worker --processes N` and `--watch`: several workers, each in a process of its own, kept alive by this one.

Each is started as a program of its own, and not forked off: whatever was imported before a deploy, or holds a thread or
a connection, stays out of it.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import tempfile
import time
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import click

from chancy_core.cli import logs
from chancy_core.cli.exits import FAILED, LEFT_UNABLE, MISUSED
from chancy_core.cli.interrupts import INTERRUPTED
from chancy_core.cli.supervised import AT_ONCE, Place
from chancy_core.log import log
from chancy_core.worker.signals import heeded_to_the_end

# How long until one that has ended is started again; twice as long each time, unless it had lived for a while.
FIRST_PAUSE_S: Final = 0.5
LONGEST_PAUSE_S: Final = 30.0
STEADY_S: Final = 60.0
# What a shell adds to the number of the signal that has killed a program.
SIGNALLED: Final = 128
# Who is to end at once is told so again so often: it may not have begun to listen.
INSISTS_EVERY_S: Final = 0.25
# How long running jobs may take to end when code has changed: somebody sits before it. Then they are handed back.
CHANGED_WITHIN_S: Final = 2.0


class Supervised:
    """The processes, and what is known of them.

    Args:
        command: what starts one, without its place.
        processes: how many.
        ends: whether one that ends in good order is done, and is not started again.
        watching: whether one that does not start may start once its code has changed.
    """

    def __init__(self, command: Sequence[str], processes: int, *, ends: bool = False, watching: bool = False) -> None:
        self._command: Final = list(command)
        self._processes: Final = processes
        self._ends: Final = ends
        self._watching: Final = watching
        self._running: dict[int, asyncio.subprocess.Process] = {}
        self._sockets: dict[asyncio.subprocess.Process, socket.socket] = {}
        self._codes: list[int] = []
        self._told = 0
        self._works = False
        self._insisting: asyncio.Task[None] | None = None
        self._wake = asyncio.Event()
        # Raised each time that all are to be started anew.
        self._changes = 0
        self._lock = tempfile.TemporaryFile()  # noqa: SIM115 -- for as long as this lives
        logs.share(self._lock.fileno(), None)

    async def run(self) -> int:
        """Start them, and keep them running until told to stop; returns how it ended, as the worst of them did."""
        loop = asyncio.get_running_loop()
        heeded_to_the_end(lambda: _on(loop, self.stop))
        await asyncio.gather(*(self._keep(number) for number in range(1, self._processes + 1)))
        if self._insisting is not None:
            self._insisting.cancel()
        code = max(self._codes, default=0)
        log.info("processes_ended", code=code)
        return code

    def stop(self) -> None:
        """Tell all of them to stop; a second time: at once; a third time: they are killed."""
        self._told += 1
        self._signal(self._number)
        if self._told == 2:  # noqa: PLR2004 -- the second
            self._insisting = asyncio.create_task(self._insist(self._running.values()))
        self._wake.set()

    async def restart(self) -> None:
        """End all of them, and let them begin anew; not if they have been told to stop, each in its own time."""
        if self._told:
            return
        before = dict(self._running)
        self._changes += 1
        self._wake.set()
        self._signal(signal.SIGTERM)
        with suppress(TimeoutError):
            await asyncio.wait_for(asyncio.gather(*(process.wait() for process in before.values())), CHANGED_WITHIN_S)
        await self._insist(list(before.values()))

    async def _insist(self, processes: Collection[asyncio.subprocess.Process]) -> None:
        """Tell processes that they are to end at once, until they have ended."""
        while any(process.returncode is None for process in processes):
            for process in list(processes):
                self._hurry(process)
            await asyncio.sleep(INSISTS_EVERY_S)

    async def _keep(self, number: int) -> None:
        """Start one, again and again."""
        pause_s = FIRST_PAUSE_S
        while not self._told:
            changes, began_at = self._changes, time.monotonic()
            code, works = await self._run(number)
            if self._told:
                self._codes.append(_code(code, works=works))
                return
            if changes != self._changes:
                pause_s = FIRST_PAUSE_S
                continue
            if self._ends and code in (0, LEFT_UNABLE):
                self._codes.append(code)
                return
            if not self._works and not self._watching and code in (FAILED, MISUSED):
                # None of them has ever worked: what is wrong is not this one process, and its line says what.
                self._codes.append(code)
                self.stop()
                return
            if time.monotonic() - began_at > STEADY_S:
                pause_s = FIRST_PAUSE_S
            log.error("process_ended", process=number, reason=_reason(code), again_in_s=pause_s)
            await self._pause(pause_s, changes)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)

    async def _run(self, number: int) -> tuple[int, bool]:
        """Run one until it ends. Returns its exit code, negative if a signal killed it, and whether it had begun."""
        ours, theirs = socket.socketpair()
        with ours, theirs:
            place = Place(number, theirs.fileno(), self._lock.fileno())
            process = await asyncio.create_subprocess_exec(
                *self._command,
                "--place",
                place.argument,
                pass_fds=(place.socket, place.lock),
                # Ctrl-C reaches all of a terminal's group; programs that jobs have started are not to end by it.
                start_new_session=True,
            )
            theirs.close()
            ours.setblocking(False)
            self._running[number], self._sockets[process] = process, ours
            log.info("process_started", process=number, pid=process.pid)
            if self._told:
                # It has begun nothing, and ends by it.
                _send(process, self._number)
            hearing = asyncio.ensure_future(self._hear(ours))
            try:
                code = await process.wait()
            finally:
                works = hearing.done() and not hearing.cancelled() and hearing.exception() is None and hearing.result()
                hearing.cancel()
                with suppress(asyncio.CancelledError, OSError):
                    await hearing
                del self._running[number], self._sockets[process]
        return code, bool(works)

    async def _hear(self, ours: socket.socket) -> bool:
        """Whether it says that it works."""
        said = bool(await asyncio.get_running_loop().sock_recv(ours, 1))
        self._works = self._works or said
        return said

    async def _pause(self, seconds: float, changes: int) -> None:
        ends_at = time.monotonic() + seconds
        while not self._told and changes == self._changes and (left_s := ends_at - time.monotonic()) > 0:
            self._wake.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), left_s)

    def _hurry(self, process: asyncio.subprocess.Process) -> None:
        """Tell one to end at once. A second signal alone might be somebody else's, and does not say so."""
        if (ours := self._sockets.get(process)) is not None:
            # One that does not read has enough to read; one that has ended needs nothing.
            with suppress(OSError):
                ours.send(AT_ONCE)
        _send(process, signal.SIGTERM)

    @property
    def _number(self) -> int:
        """The signal by which they are told to stop, now."""
        return signal.SIGTERM if self._told < 3 else signal.SIGKILL  # noqa: PLR2004 -- the third

    def _signal(self, number: int) -> None:
        for process in self._running.values():
            _send(process, number)


def check_watch(*, until_idle: bool) -> None:
    """Raise a click error if `--watch` cannot be used."""
    if until_idle:
        raise click.UsageError("--watch and --until-idle exclude each other: one waits for changes, the other ends.")
    if find_spec("watchfiles") is None:
        raise click.UsageError('--watch needs the package watchfiles: pip install "chancy-core[watch]"')


async def supervise(command: Sequence[str], processes: int, *, ends: bool = False, watch: bool = False) -> int:
    """Run processes until told to stop. Returns the exit code.

    Args:
        command: what starts one, with its arguments.
        processes: how many.
        ends: whether one that ends in good order is done.
        watch: start them anew when code in this folder has changed.
    """
    supervised = Supervised(command, processes, ends=ends, watching=watch)
    running = asyncio.ensure_future(supervised.run())
    if not watch:
        return await running
    watching = asyncio.ensure_future(_watch(supervised))
    await asyncio.wait({running, watching}, return_when=asyncio.FIRST_COMPLETED)
    if not running.done():
        # Looking at files has failed; the error says why.
        supervised.stop()
    watching.cancel()
    code = await running
    with suppress(asyncio.CancelledError):
        await watching
    return code


async def _watch(supervised: Supervised) -> None:
    """Begin anew whenever code has changed."""
    from watchfiles import PythonFilter, awatch  # noqa: PLC0415 -- from the extra `watch`

    folder = Path.cwd()
    async for changes in awatch(folder, watch_filter=PythonFilter(extra_extensions=(".toml",))):
        files = sorted({str(Path(path).relative_to(folder)) for _, path in changes})
        log.info("code_changed", files=files[:10])
        await supervised.restart()


def _send(process: asyncio.subprocess.Process, number: int) -> None:
    if process.returncode is None:
        # Not by its `send_signal`, which asks how it has ended, and takes the answer from asyncio where that is about
        # to ask (https://github.com/python/cpython/issues/87744).
        with suppress(ProcessLookupError):
            os.kill(process.pid, number)


def _on(loop: asyncio.AbstractEventLoop, tell: Callable[[], None]) -> None:
    """Tell it on the loop. One that is closed has nothing left to stop."""
    with suppress(RuntimeError):
        loop.call_soon_threadsafe(tell)


def _code(code: int, *, works: bool) -> int:
    """The exit code of a process that was told to stop; negative: a signal has killed it."""
    if not works and (code < 0 or code == INTERRUPTED):
        # It had not begun to heed signals, and has left nothing undone.
        return 0
    return SIGNALLED - code if code < 0 else code


def _reason(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"killed by signal {-code}"
