"""Jobs that do their worst, or tell about the process they run in, for the tests of the executors."""

# ruff: noqa: T201, PTH208, PTH115 -- they print on purpose, and look at descriptors by number

import asyncio
import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

from chancy import JobContext


def pid() -> int:
    return os.getpid()


async def pid_async() -> int:
    await asyncio.sleep(0)
    return os.getpid()


def compute(n: int) -> int:
    return sum(i * i for i in range(n))


def raises() -> None:
    raise ValueError("on purpose")


async def raises_async() -> None:
    raise ValueError("on purpose")


def hangs() -> None:
    while True:
        time.sleep(1)


async def hangs_async() -> None:
    await asyncio.sleep(3600)


def hangs_in_c() -> None:
    """Sleeps in C code that does not let go of the interpreter."""
    ctypes.PyDLL(None).sleep(3600)


async def ignores_cancellation() -> None:
    while True:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            continue


def leaks(bytes_: int, chunk: int = 16 * 1024 * 1024, seconds: float = 0.0) -> int:
    """Holds so much memory, every page of it touched."""
    held = []
    while sum(map(len, held)) < bytes_:
        held.append(b"x" * chunk)
    time.sleep(seconds)
    return len(held)


def reserves(bytes_: int) -> int:
    """Reserves address space, and touches none of it."""
    import mmap  # noqa: PLC0415

    return len(mmap.mmap(-1, bytes_))


def exits(code: int = 1) -> None:
    os._exit(code)


async def exits_async(code: int = 1) -> None:
    os._exit(code)


def crashes() -> None:
    os.kill(os.getpid(), signal.SIGSEGV)


def large(size: int) -> str:
    return "x" * size


def unpicklable() -> object:
    return threading.Lock()


def prints(text: str) -> None:
    print(text)
    print(text.upper(), file=sys.stderr)


def prints_and_hangs(text: str) -> None:
    print(text)
    time.sleep(3600)


def forks_and_exits() -> None:
    """A fork holds open whatever it got, while its parent is gone."""
    if os.fork() == 0:
        time.sleep(3600)
    os._exit(3)


def forks_and_returns() -> int:
    """A fork that returns as the job itself does."""
    os.fork()
    return os.getpid()


def starts_and_hangs(path: str) -> None:
    """Starts a program, tells which, and hangs."""
    program = subprocess.Popen(["sleep", "3600"])
    Path(path).write_text(str(program.pid))
    time.sleep(3600)


def closes_everything(seconds: float) -> None:
    os.closerange(3, 256)
    time.sleep(seconds)


def writes_nonsense() -> None:
    """Writes into whatever it has open."""
    for fd in range(3, 20):
        try:
            os.write(fd, b"\x00\x00\x00\x02??" * 3)
        except OSError:
            continue
    time.sleep(3600)


def descriptors() -> list[str]:
    """What its process has open."""
    found = []
    for fd in os.listdir("/proc/self/fd"):
        try:
            found.append(f"{fd} {os.readlink(f'/proc/self/fd/{fd}')}")
        except OSError:
            continue
    return found


kept = []


def keeps(bytes_: int) -> int:
    kept.append(b"x" * bytes_)
    return os.getpid()


set_up = []


def initialize() -> None:
    set_up.append(os.getpid())


def fail_to_initialize() -> None:
    raise RuntimeError("no such luck")


def was_set_up() -> list[int]:
    return set_up


def sleeps(seconds: float) -> int:
    time.sleep(seconds)
    return os.getpid()


def signals_ignored() -> list[str]:
    """What a program that it starts ignores."""
    status = subprocess.run(["cat", "/proc/self/status"], capture_output=True, text=True, check=True).stdout
    mask = int(next(line for line in status.splitlines() if line.startswith("SigIgn:")).split()[1], 16)
    return [signal.Signals(n).name for n in (signal.SIGINT, signal.SIGTERM) if mask >> (n - 1) & 1]


def tells(path: str, *, context: JobContext) -> int:
    """Tells how far it is, changes its meta, and waits for a file."""
    context.progress(0.25, "begun")
    context.meta["pid"] = os.getpid()
    while not Path(path).exists():
        time.sleep(0.01)
    return context.attempt


def heeds(path: str, *, context: JobContext) -> None:
    """Stops at a checkpoint, and cleans up."""
    try:
        while True:
            context.checkpoint()
            time.sleep(0.01)
    finally:
        Path(path).write_text("cleaned up")
