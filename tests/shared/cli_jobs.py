"""What the processes of `chancy worker` run and import in tests."""

import asyncio
import atexit
import os
import signal
import sys
import time
from pathlib import Path

from chancy import Chancy, Job


def note(path: str, text: str = "") -> None:
    """Add a line to a file, with the process that did."""
    with Path(path).open("a") as file:
        file.write(f"{text or os.getpid()}\n")


def sleep(path: str, seconds: float = 3600.0) -> None:
    """Say so, and take so long."""
    note(path)
    time.sleep(seconds)


def die(path: str) -> None:
    """As the out-of-memory killer has it."""
    note(path)
    os.kill(os.getpid(), 9)


def shout(length: int = 100_000) -> None:
    """Fail with a text that no pipe takes in one piece."""
    raise ValueError("x" * length)


async def two_more(path: str, left: int) -> None:
    """Push the next of a chain."""
    note(path, f"left {left}")
    if left:
        async with Chancy() as chancy:
            await chancy.push(Job(func="cli_jobs.two_more", kwargs={"path": path, "left": left - 1}))


def set_up() -> None:
    """Called by `--setup`."""
    note(os.environ["NOTED"], f"set up {os.getpid()}")


async def set_up_async() -> None:
    """The same, to be awaited."""
    note(os.environ["NOTED"], f"set up async {os.getpid()}")


def set_up_badly() -> None:
    """Fails."""
    raise LookupError("no such tenant")


def told_again_at_atexit() -> None:
    """Another signal comes while the interpreter ends."""
    atexit.register(tell_again)


async def told_again_at_task() -> None:
    """Another signal comes while the loop cancels what is left on it."""
    _left.append(asyncio.create_task(_until_cancelled()))


_left: list[asyncio.Task[None]] = []


async def _until_cancelled() -> None:
    try:
        await asyncio.Event().wait()
    finally:
        tell_again()


def tell_again() -> None:
    """Send this process the signal to stop."""
    sys.stderr.write('{"event": "told_again"}\n')
    sys.stderr.flush()
    os.kill(os.getpid(), signal.SIGTERM)
