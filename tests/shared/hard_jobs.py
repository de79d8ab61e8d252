"""Functions with bad manners, and functions that tell where they ran, for the tests of the worker."""

import asyncio
import os
import threading
import time
from pathlib import Path

# How many runs go on at this moment, and the most there have been.
now_running = 0
most_running = 0
_lock = threading.Lock()
gate = threading.Event()
raised: dict[str, int] = {}
swallowed: list[str] = []


class Strange(BaseException):
    """No Exception."""


KINDS = {
    "SystemExit": SystemExit(3),
    "KeyboardInterrupt": KeyboardInterrupt(),
    "CancelledError": asyncio.CancelledError(),
    "GeneratorExit": GeneratorExit(),
    "StopIteration": StopIteration(),
    "StopAsyncIteration": StopAsyncIteration(),
    "Strange": Strange("strange"),
}


async def thread_async() -> int:
    return threading.get_ident()


def thread_sync() -> int:
    return threading.get_ident()


def _enter() -> None:
    global now_running, most_running  # noqa: PLW0603
    with _lock:
        now_running += 1
        most_running = max(most_running, now_running)


def _leave() -> None:
    global now_running  # noqa: PLW0603
    with _lock:
        now_running -= 1


async def counted(seconds: float) -> None:
    _enter()
    await asyncio.sleep(seconds)
    _leave()


def counted_sync(seconds: float) -> None:
    _enter()
    time.sleep(seconds)
    _leave()


async def raises(kind: str) -> None:
    raised[kind] = raised.get(kind, 0) + 1
    raise KINDS[kind]


def raises_sync(kind: str) -> None:
    raised[kind] = raised.get(kind, 0) + 1
    raise KINDS[kind]


async def raises_once(kind: str) -> str:
    """Raises at the first attempt, and succeeds at the second."""
    raised[kind] = raised.get(kind, 0) + 1
    if raised[kind] == 1:
        raise KINDS[kind]
    return "done"


async def blocks_loop(seconds: float, noted: str = "") -> str:
    """What nobody should write."""
    if noted:
        Path(noted).touch()  # noqa: ASYNC240 -- a moment
    time.sleep(seconds)  # noqa: ASYNC251 -- on purpose
    return "blocked"


async def blocks_until_gate() -> None:
    """The same until the gate is opened, by another thread."""
    while not gate.is_set():
        time.sleep(0.01)  # noqa: ASYNC251 -- on purpose


async def deaf(key: str) -> str:
    """Swallows every cancellation until the gate is opened."""
    while not gate.is_set():
        try:
            await asyncio.sleep(0.02)
        except asyncio.CancelledError:
            swallowed.append(key)
    return "deaf"


async def until_exists(path: str) -> int:
    """Runs until a file exists. Returns the process it ran in."""
    while not Path(path).exists():  # noqa: ASYNC110, ASYNC240 -- another process makes it
        await asyncio.sleep(0.02)
    return os.getpid()


def until_exists_sync(path: str) -> int:
    while not Path(path).exists():
        time.sleep(0.02)
    return os.getpid()


def until_gate() -> str:
    """Blocks its thread until the gate is opened."""
    gate.wait(600)
    return "let through"


def until_gate_counted() -> None:
    """As `until_gate`, and counts its runs."""
    _enter()
    gate.wait(600)


async def deaf_then_fails(key: str) -> None:
    """Its first run is deaf, its second fails."""
    if key in raised:
        raise ValueError(key)
    raised[key] = 1
    await deaf(key)


async def poison() -> None:
    """Ends its process, without a word."""
    os._exit(1)


async def pid() -> int:
    return os.getpid()
