"""A worker's process that a supervisor has started: it says that it works, and ends when the supervisor is gone."""

from __future__ import annotations

import os
import signal
import socket
import threading
from contextlib import suppress
from typing import Final, NamedTuple, Protocol

import click

from chancy_core.cli import logs

# What the one says to the other, a byte each.
WORKS: Final = b"w"
AT_ONCE: Final = b"!"


class Place(NamedTuple):
    """What a process is told by its supervisor.

    Attributes:
        number: which of the processes it is, from one.
        socket: the descriptor of its end of a pair of sockets. The other end is closed when the supervisor is gone.
        lock: the descriptor of a file that is locked while something is written to the common log.
    """

    number: int
    socket: int
    lock: int

    @property
    def argument(self) -> str:
        """As it stands on the command line."""
        return ":".join(map(str, self))


class PlaceOption(click.ParamType):  # type: ignore[type-arg, unused-ignore]  # older versions of click are no generics
    """The hidden option by which a supervisor tells it."""

    name = "place"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Place:
        """What was told."""
        if isinstance(value, Place):
            return value
        try:
            number, ours, lock = map(int, str(value).split(":"))
        except ValueError:
            self.fail("it is for the processes of chancy worker --processes.", param, ctx)
        return Place(number, ours, lock)


class Listener(Protocol):
    """Who does what the supervisor says. It is told in a thread."""

    def stop(self) -> None:
        """Stop in good order."""

    def stop_at_once(self) -> None:
        """End, whatever goes on."""


class Supervisor:
    """The supervisor, as seen from one of its processes.

    Attributes:
        lives: whether it is there; without it, nobody can say any more that this process is to end at once.

    Args:
        place: what it has told.
    """

    def __init__(self, place: Place) -> None:
        self.lives = True
        self._listener: Listener | None = None
        self._socket: Final = socket.socket(fileno=place.socket)
        logs.share(place.lock, place.number)
        # Children of this process must not keep it open.
        self._socket.set_inheritable(False)
        os.set_inheritable(place.lock, False)
        threading.Thread(target=self._watch, name="chancy-supervisor", daemon=True).start()

    def works(self) -> None:
        """Say that this process has begun to work, if there is still somebody to hear it."""
        with suppress(OSError):
            self._socket.sendall(WORKS)

    def heard_by(self, listener: Listener) -> None:
        """Tell this one from now on. Before, the process just ends: it has not begun anything."""
        self._listener = listener

    def _watch(self) -> None:
        """Hear whether this is to end at once. When the supervisor is gone, stop as if it had said so."""
        with suppress(OSError):
            while self._socket.recv(1):
                self._tell(at_once=True)
        self.lives = False
        self._tell(at_once=False)

    def _tell(self, *, at_once: bool) -> None:
        if self._listener is None:
            os.kill(os.getpid(), signal.SIGTERM)
        elif at_once:
            self._listener.stop_at_once()
        else:
            self._listener.stop()
