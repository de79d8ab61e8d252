"""Functions that talk to the worker in their child's name, for the tests of what a worker believes."""

from __future__ import annotations

import os
import socket
import stat
import time
from contextlib import suppress

from chancy_core.executors.processes.frames import Done, Told, encode, frame


def lines() -> list[socket.socket]:
    """Every socket of this process: the line to the worker is one of them."""
    found = []
    for fd in range(3, 64):
        with suppress(OSError):
            if stat.S_ISSOCK(os.fstat(fd).st_mode):
                found.append(socket.socket(fileno=os.dup(fd)))
    return found


def say(*data: bytes) -> None:
    """Send this on all of them, as far as they take it."""
    for line in lines():
        with suppress(OSError):
            line.settimeout(5)
            for one in data:
                line.sendall(one)
    time.sleep(3600)


def announces(*, size: int) -> None:
    """Announces a message of so many bytes, and sends as much of it as somebody takes."""
    say(size.to_bytes(4, "big"), *[b"x" * 1_000_000] * 5000)


def finishes(*, result: int = 2, meta: int = 2, number: int = 1) -> None:
    """Says that its run is done, with a result and a meta of so many bytes."""
    report = {"result": text(result), "meta": b'{"a":' + text(meta - 6) + b"}"}
    say(frame(Done(number, encode(report), 0)))


def text(size: int) -> bytes:
    """JSON of so many bytes."""
    return b'"' + b"x" * (size - 2) + b'"'


def progresses(*, fraction: float | None = None, note: str | None = None) -> None:
    """Tells a progress that `progress` would refuse."""
    say(frame(Told(1, float("nan") if fraction is None else fraction, note)))


def nests() -> None:
    """Sends what is nested too deeply to be looked at."""
    body = b"\x82\xa4type\xa7started\xa1x" + b"\x91" * 200_000 + b"\xc0"
    say(len(body).to_bytes(4, "big") + body)


def leaves_a_talker() -> None:
    """Ends; what it has started, in a session of its own, goes on talking to the worker for ever."""
    kept = lines()
    if os.fork():
        os._exit(1)
    os.setsid()
    # Whole frames, about a run that is none.
    data = frame(Told(999, 0.5, "x" * 400)) * 1000
    until = time.monotonic() + 60
    while time.monotonic() < until and kept:
        for line in list(kept):
            try:
                line.sendall(data)
            except OSError:
                kept.remove(line)
    os._exit(0)
