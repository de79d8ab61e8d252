"""The worker's side of its nursery."""

from __future__ import annotations

import asyncio
import json
import select
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

from chancy_core.executors.processes import nursery
from chancy_core.executors.processes.frames import (
    NURSERY_MAX_BYTES,
    Bear,
    Born,
    Frames,
    Gone,
    Kill,
    NotPreloaded,
    ToNursery,
    decode_from_nursery,
    frame,
    raw_frame,
)
from chancy_core.log import log

RECV_BYTES: Final = 65536
# How long the nursery may take to take a message, and to end.
PATIENCE_S: Final = 5.0


class Nurse:
    """Has children started and killed, in a process of its own: see `nursery`.

    Args:
        method: `forkserver` or `spawn`.
        preload: modules that the nursery imports before it forks.
        heard: called on the loop when a child was born or is gone.
        lost: called on the loop when the nursery has ended, and with it all of its children.
    """

    def __init__(
        self, method: str, preload: Sequence[str], heard: Callable[[Born | Gone], None], lost: Callable[[], None]
    ) -> None:
        self._heard = heard
        self._lost = lost
        self._frames = Frames(NURSERY_MAX_BYTES)
        self._sending = threading.Lock()
        self._loop = asyncio.get_running_loop()
        self._control, its_end = socket.socketpair()
        with its_end:
            # Not in the terminal's foreground group, whose Ctrl-C is for the worker.
            self._process = subprocess.Popen(  # noqa: S603 -- our own module
                nursery.command(nursery.__name__, its_end.fileno(), method, *preload),
                stdin=subprocess.DEVNULL,
                pass_fds=[its_end.fileno()],
                process_group=0,
            )
        self._control.setblocking(False)
        self._send(sys_path())
        self._loop.add_reader(self._control, self._read)
        self.closed = False

    @property
    def pid(self) -> int:
        """The nursery's."""
        return self._process.pid

    def bear(self, serial: int) -> socket.socket:
        """Have a child started; this end of its socket. `Born` or `Gone` tells what came of it."""
        ours, its_end = socket.socketpair()
        with its_end:
            self._say(Bear(serial), its_end)
        return ours

    def kill(self, serial: int) -> None:
        """Have a child killed, if it lives. From any thread."""
        self._say(Kill(serial))

    async def close(self) -> None:
        """Kill the children that are left, and end the nursery."""
        if not self.closed:
            self.closed = True
            self._loop.remove_reader(self._control)
            with self._sending:
                self._control.close()
        try:
            await asyncio.to_thread(self._process.wait, PATIENCE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            await asyncio.to_thread(self._process.wait)

    def _say(self, message: ToNursery, *its_ends: socket.socket) -> None:
        self._send(frame(message), *its_ends)

    def _send(self, data: bytes, *its_ends: socket.socket) -> None:
        # What is lost with the nursery is told by `lost`.
        with self._sending, suppress(OSError):
            fds = [one.fileno() for one in its_ends]
            while data:
                try:
                    data = data[socket.send_fds(self._control, [data], fds) :]
                    fds = []
                except BlockingIOError:
                    if not select.select([], [self._control], [], PATIENCE_S)[1]:
                        self._process.kill()
                        return

    def _read(self) -> None:
        try:
            data = self._control.recv(RECV_BYTES)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            data = b""
        try:
            for body in self._frames.feed(data):
                message = decode_from_nursery(body)
                if isinstance(message, NotPreloaded):
                    _tell(message)
                else:
                    self._heard(message)
        except ValueError:
            # A module that it preloaded has written there: nothing that it says can be trusted, so it is given up.
            self._process.kill()
            data = b""
        if not data and not self.closed:
            self.closed = True
            self._loop.remove_reader(self._control)
            with self._sending:
                self._control.close()
            self._lost()


def _tell(message: NotPreloaded) -> None:
    log.warning("module_not_preloaded", module=message.module, error=message.problem, exc_text=message.traceback)


def sys_path() -> bytes:
    """The frame that tells where this process finds modules: the first that a fresh interpreter gets."""
    return raw_frame(json.dumps(sys.path).encode())
