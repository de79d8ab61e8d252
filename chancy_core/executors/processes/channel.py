"""The worker's end of a child's socket, on the event loop."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable
from typing import Any, Final

from chancy_core.executors.processes.frames import Frames, FrameTooLarge, frame

# A larger buffer is mapped and unmapped with each look, which costs more than the few bytes that most have.
CHUNK_BYTES: Final = 64 * 1024
# What a program that a job of this process starts must not have; not known to macOS.
_CLOSED_BY_EXEC: Final[int] = getattr(socket, "MSG_CMSG_CLOEXEC", 0)


class Channel:
    """Sends and receives frames, without ever blocking the loop.

    Not an asyncio transport, because when a process has ended what it sent last must be read at once, although
    something that it started may hold the other end open.

    Args:
        sock: connected; belongs to the channel from now on.
        heard: called with the body of each frame.
        ended: called once when the other end is closed (None), or with what it did that nobody understands.
        limit_bytes: the largest frame that may come.
    """

    def __init__(
        self,
        sock: socket.socket,
        heard: Callable[[bytes], None],
        ended: Callable[[str | None], None],
        limit_bytes: int,
    ) -> None:
        self._sock = sock
        self._heard = heard
        self._ended = ended
        self._limit = limit_bytes
        self._frames = Frames(limit_bytes)
        self._unsent = bytearray()
        self._loop = asyncio.get_running_loop()
        self._open = True
        # The descriptor that comes with the end of the first run, until it is asked for.
        self._fds: list[int] | None = []
        sock.setblocking(False)
        self._loop.add_reader(sock, self._read)

    def send(self, message: Any) -> None:
        """Send a message. Whether it arrives is seen from what comes back, or from the end of the process."""
        self.send_raw(frame(message))

    def send_raw(self, data: bytes) -> None:
        """Send a frame that has been made already."""
        if not self._open:
            return
        if not self._unsent:
            data = data[self._send(data) :]
            if data and self._open:
                self._loop.add_writer(self._sock, self._send_more)
        self._unsent += data

    def drain(self) -> None:
        """Hear what has arrived; of somebody who goes on sending, no more than one frame's worth."""
        for _ in range(self._limit // CHUNK_BYTES + 2):
            if not (self._open and self._read()):
                break

    def descriptor(self) -> int | None:
        """The descriptor that came along, which belongs to the caller; None: there was none. Later ones are ignored."""
        fds, self._fds = self._fds, None
        return fds.pop() if fds else None

    def close(self) -> None:
        """Hear nothing more, and let the other end know."""
        if self._open:
            unasked = self.descriptor()
            if unasked is not None:
                os.close(unasked)
            self._open = False
            self._loop.remove_reader(self._sock)
            self._loop.remove_writer(self._sock)
            self._sock.close()

    def _read(self) -> bool:
        try:
            data = self._sock.recv(CHUNK_BYTES) if self._fds is None else self._receive()
        except (BlockingIOError, InterruptedError):
            return False
        except OSError:
            data = b""
        nonsense: str | None = None
        try:
            for body in self._frames.feed(data):
                self._heard(body)
                if not self._open:
                    return False
        except FrameTooLarge as error:
            nonsense = str(error)
        except Exception:  # noqa: BLE001 -- a job may write what it likes into the socket
            # Nothing that comes after it can be trusted.
            nonsense = "wrote into the line to its worker"
        if nonsense or not data:
            self.close()
            self._ended(nonsense)
        return self._open

    def _receive(self) -> bytes:
        assert self._fds is not None  # noqa: S101 -- the caller has looked
        data, fds, _, _ = socket.recv_fds(self._sock, CHUNK_BYTES, 1 - len(self._fds), _CLOSED_BY_EXEC)
        self._fds += fds
        return data

    def _send(self, data: bytes | bytearray) -> int:
        try:
            return self._sock.send(data)
        except (BlockingIOError, InterruptedError):
            return 0
        except OSError:
            # The other end is gone, which is told by reading.
            return len(data)

    def _send_more(self) -> None:
        del self._unsent[: self._send(self._unsent)]
        if not self._unsent:
            self._loop.remove_writer(self._sock)
