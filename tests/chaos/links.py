"""One connection through the relay: its two directions, what is held back in each, and who it belongs to."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field

UP, DOWN = "up", "down"
"""The two directions: from the program to the server, and back."""
BOTH = (UP, DOWN)

# The codes in place of a version, by which a client asks for something else than a session (PostgreSQL manual,
# "Message Formats").
_CANCEL, _SSL, _GSSENC = 80_877_102, 80_877_103, 80_877_104
CANCEL_REQUEST = "cancel request"
"""What connections are called that only ask the server to cancel a statement."""

_CHUNK_BYTES = 1 << 16
# What may lie in the relay while nothing is wrong. A stalled direction may hold any amount: its peer acknowledges.
_ROOM_BYTES = 1 << 20


@dataclass
class Rule:
    """What is done to connections, and to which."""

    names: frozenset[str]
    directions: tuple[str, ...]
    delay_s: float | None

    def concerns(self, name: str) -> bool:
        return not self.names or name in self.names


class Way:
    """One direction of a connection: reads always, writes what it may."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.held: deque[tuple[float, bytes]] = deque()
        self.bytes = 0
        self.forwarded = 0
        self.open = True
        self.delay_s = 0.0
        self.ended = False  # nothing more will be read
        self.changed = asyncio.Event()

    def change(self) -> None:
        self.changed.set()

    async def fill(self) -> None:
        """Take whatever comes, so that its sender sees it acknowledged."""
        loop = asyncio.get_running_loop()
        with suppress(OSError):
            while data := await self.reader.read(_CHUNK_BYTES):
                self.held.append((loop.time() + self.delay_s, data))
                self.bytes += len(data)
                self.change()
                while self.open and not self.delay_s and self.bytes > _ROOM_BYTES:
                    await self._until_changed()
        self.ended = True
        self.change()

    async def empty(self) -> None:
        """Write what is held, while that is allowed; then tell of the end."""
        loop = asyncio.get_running_loop()
        try:
            while True:
                if not self.open or not self.held:
                    if self.open and self.ended:
                        break
                    await self._until_changed()
                    continue
                wait_s = self.held[0][0] - loop.time()
                if wait_s > 0:
                    await asyncio.sleep(wait_s)
                    continue
                _, data = self.held.popleft()
                self.bytes -= len(data)
                self.writer.write(data)
                await self.writer.drain()
                self.forwarded += len(data)
                self.change()
            self.writer.write_eof()
        except (OSError, RuntimeError):
            # The peer has gone, or was told that nothing more comes: what still comes is for nobody.
            self.drop()

    async def _until_changed(self) -> None:
        self.changed.clear()
        await self.changed.wait()

    def drop(self) -> int:
        """Forget what is held; how many bytes."""
        dropped, self.bytes = self.bytes, 0
        self.held.clear()
        self.change()
        return dropped


@dataclass(eq=False)
class Link:
    """One connection through the relay."""

    number: int
    name: str
    client: asyncio.StreamWriter
    server: asyncio.StreamWriter
    ways: dict[str, Way]
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    def end(self, *, reset: bool, client: bool, server: bool) -> None:
        if client:
            end_side(self.client, reset=reset)
        if server:
            end_side(self.server, reset=reset)


def end_side(writer: asyncio.StreamWriter, *, reset: bool) -> None:
    """End one side of a connection, by a reset or in good order."""
    if reset:
        with suppress(OSError):
            found = writer.get_extra_info("socket")
            found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort() if reset else writer.close()


def obey(link: Link, rule: Rule) -> None:
    """Do to a connection what a rule says."""
    for direction in rule.directions:
        way = link.ways[direction]
        if rule.delay_s is None:
            way.open = False
        else:
            way.delay_s = rule.delay_s
        way.change()


async def startup(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> tuple[str, bytes]:
    """The first packet of a session, and the application_name in it."""
    while True:
        head = await reader.readexactly(8)
        length, code = struct.unpack("!ii", head)
        rest = await reader.readexactly(length - 8)
        if code in (_SSL, _GSSENC):
            writer.write(b"N")
            continue
        if code == _CANCEL:
            return CANCEL_REQUEST, head + rest
        fields = rest.split(b"\0")
        given = dict(zip(fields[::2], fields[1::2], strict=False))
        return given.get(b"application_name", b"").decode(errors="replace"), head + rest
