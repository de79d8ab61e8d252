"""What the jobs of the suite do: write into a ledger, outside of the database, that they ran."""

from __future__ import annotations

import asyncio
import functools
import os
import time

from chancy_core.executors.context import JobContext

LEDGER = "CHAOS_LEDGER"


@functools.cache
def _ledger() -> int:
    # One write of a short line to a file that was opened so is atomic, whoever else writes to it.
    return os.open(os.environ[LEDGER], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)


def _note(what: str, job: JobContext) -> None:
    os.write(_ledger(), f"{what} {job.id} {job.claims} {job.attempts} {job.worker} {time.time():.3f}\n".encode())


async def note(*, token: str, seconds: float, context: JobContext, size: int = 0, ballast: str = "") -> str:
    """Note the beginning, take some time, note the end."""
    _note("began", context)
    await asyncio.sleep(seconds)
    _note("ran", context)
    del ballast
    return token + "x" * size


def note_sync(*, token: str, seconds: float, context: JobContext) -> str:
    """The same in a thread."""
    _note("began", context)
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        time.sleep(0.05)
        context.checkpoint()
    _note("ran", context)
    return token


async def block(*, token: str, seconds: float, context: JobContext) -> str:
    """The same, and the worker's event loop does nothing else meanwhile."""
    _note("began", context)
    time.sleep(seconds)  # noqa: ASYNC251 -- that is the fault
    _note("ran", context)
    return token


async def hoard(*, token: str, seconds: float, context: JobContext) -> str:
    """The same, with every file that the process may open held open meanwhile."""
    _note("began", context)
    held = []
    try:
        while True:
            held.append(os.open(os.devnull, os.O_RDONLY))
    except OSError:
        await asyncio.sleep(seconds)
    finally:
        for each in held:
            os.close(each)
    _note("ran", context)
    return token
