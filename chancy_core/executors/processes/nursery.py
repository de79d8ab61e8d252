"""The process that starts a worker's children, and is told when to kill them.

It has one thread and imports little, so it can fork where the worker could not: a worker has threads, and its memory.
It outlives no worker: when the worker's end of the socket is closed, it kills the children and ends.
"""

from __future__ import annotations

import gc
import importlib
import os
import select
import signal
import socket
import sys
import traceback
from contextlib import suppress
from typing import Final

from chancy_core.executors.processes import child
from chancy_core.executors.processes.frames import (
    NURSERY_MAX_BYTES,
    Bear,
    Born,
    Frames,
    Gone,
    Kill,
    NotPreloaded,
    decode_to_nursery,
    frame,
)
from chancy_core.values.storable import TRACEBACK_MAX, clean, noted

# Where modules are found has to be known before the first of them can be imported.
BOOT: Final = """\
import json, socket, sys
sock = socket.socket(fileno=int(sys.argv[1]))
size = int.from_bytes(sock.recv(4, socket.MSG_WAITALL), "big")
sys.path[:] = json.loads(sock.recv(size, socket.MSG_WAITALL))
from {module} import main
main(sock, *sys.argv[2:])
"""
FORK: Final = "forkserver"
SPAWN: Final = "spawn"
RECV_BYTES: Final = 65536
RECV_FDS: Final = 64


def main(control: socket.socket, method: str, *preload: str) -> None:
    """Serve until the worker is gone; in a forked child, be that child.

    Args:
        control: the socket to the worker.
        method: `forkserver` or `spawn`.
        preload: modules to import before the first fork, so that no child has to.
    """
    signals = [signal.signal(number, _heed_not) for number in (signal.SIGINT, signal.SIGTERM)]
    del signals
    for name in preload:
        try:
            importlib.import_module(name)
        except Exception as error:  # noqa: BLE001 -- a job that needs it will say so
            problem = noted(f"{type(error).__name__}: {error}")
            text = clean(traceback.format_exc(), TRACEBACK_MAX, keep_end=True)
            control.sendall(frame(NotPreloaded(name, problem, text)))
    gc.collect()
    # What is there now is never looked at again by a child's collector, and so stays shared.
    gc.freeze()
    fd = Nursery(control, method).serve()
    if fd is not None:
        child.main(socket.socket(fileno=fd))


def _heed_not(number: int, frame: object) -> None:
    """The terminal's Ctrl-C, and a service manager's SIGTERM, go to every process: the worker decides."""


class Nursery:
    """Starts children, reaps them, and kills them when told."""

    def __init__(self, control: socket.socket, method: str) -> None:
        self._control = control
        self._method = method
        self._pids: dict[int, int] = {}
        self._serials: dict[int, int] = {}
        self._fds: list[int] = []
        self._frames = Frames(NURSERY_MAX_BYTES)
        self._woken, self._waker = socket.socketpair()
        self._woken.setblocking(False)
        self._waker.setblocking(False)

    def serve(self) -> int | None:
        """Serve until the worker is gone: None. In a forked child: the socket it serves."""
        signal.signal(signal.SIGCHLD, _heed_not)
        signal.set_wakeup_fd(self._waker.fileno(), warn_on_full_buffer=False)
        while True:
            readable, _, _ = select.select([self._control, self._woken], [], [])
            if self._woken in readable:
                with suppress(BlockingIOError):
                    self._woken.recv(RECV_BYTES)
                self._reap()
            if self._control in readable:
                data = self._receive()
                if not data:
                    break
                for body in self._frames.feed(data):
                    fd = self._heed(body)
                    if fd is not None:
                        return fd
        for serial in self._pids:
            self._kill(serial)
        return None

    def _receive(self) -> bytes:
        try:
            data, fds, _, _ = socket.recv_fds(self._control, RECV_BYTES, RECV_FDS)
        except ConnectionError:
            # A worker that ends without having heard everything.
            return b""
        self._fds += fds
        return data

    def _heed(self, body: bytes) -> int | None:
        match decode_to_nursery(body):
            case Bear(serial):
                if self._fds:
                    return self._bear(serial, self._fds.pop(0))
                # It came with the message, and there was no room for it here.
                self._say(Gone(serial, None, "OSError: too many open files"))
            case Kill(serial):
                self._kill(serial)
        return None

    def _bear(self, serial: int, fd: int) -> int | None:
        try:
            pid = os.fork() if self._method == FORK else _spawn(fd)
        except OSError as error:
            os.close(fd)
            self._say(Gone(serial, None, f"{type(error).__name__}: {error}"))
            return None
        if pid == 0:
            self._forget()
            return fd
        os.close(fd)
        # Here and in the child, whichever comes first: a group of its own, which can be killed as a whole.
        with suppress(OSError):
            os.setpgid(pid, pid)
        self._pids[serial], self._serials[pid] = pid, serial
        self._say(Born(serial, pid))
        return None

    def _kill(self, serial: int) -> None:
        pid = self._pids.get(serial)
        if pid is not None:
            _kill_group(pid)
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def _reap(self) -> None:
        for pid in list(self._serials):
            try:
                ended, status = os.waitpid(pid, os.WNOHANG)
            except ChildProcessError:
                ended, status = pid, 0
            if ended:
                serial = self._serials.pop(pid)
                del self._pids[serial]
                code = os.waitstatus_to_exitcode(status)
                if code != 0:
                    # What the job started goes with it; a job that ends in good order may leave something behind.
                    _kill_group(pid)
                self._say(Gone(serial, code))

    def _say(self, message: Born | Gone) -> None:
        # A worker that is gone is noticed by reading.
        with suppress(OSError):
            self._control.sendall(frame(message))

    def _forget(self) -> None:
        """Nothing of the nursery's remains in a child."""
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for one in (self._control, self._woken, self._waker):
            one.close()
        for fd in self._fds:
            os.close(fd)


def _kill_group(pid: int) -> None:
    # There may be none any more, or (macOS) only what has ended.
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


def _spawn(fd: int) -> int:
    os.set_inheritable(fd, True)
    return os.posix_spawn(sys.executable, command(child.__name__, fd), os.environ, setpgroup=0)


def command(module: str, fd: int, *arguments: str) -> list[str]:
    """The command that runs the `main` of a module at a socket, whose first frame is `sys.path` as JSON."""
    return [sys.executable, "-c", BOOT.format(module=module), str(fd), *arguments]
