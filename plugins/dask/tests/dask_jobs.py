"""The jobs of these tests; Dask workers import them."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

from chancy import JobContext, Limit, job


def add(*, a: int, b: int) -> int:
    return a + b


async def add_later(*, a: int, b: int) -> int:
    await asyncio.sleep(0)
    return a + b


def fail() -> None:
    raise ValueError("no good")


def tell(*, context: JobContext) -> int:
    context.progress(0.5, "half")
    context.meta["seen"] = context.attempt
    return os.getpid()


def once(*, path: str) -> int:
    """Leave a line for each call, and wait for the file to be released."""
    with Path(path).open("a") as file:
        file.write(f"{os.getpid()}\n")
    while not Path(f"{path}.go").exists():
        time.sleep(0.02)
    return os.getpid()


async def once_later(*, path: str) -> int:
    with Path(path).open("a") as file:
        file.write(f"{os.getpid()}\n")
    while not Path(f"{path}.go").exists():
        await asyncio.sleep(0.02)
    return os.getpid()


def spin() -> None:
    while True:
        time.sleep(0.02)


def hoard() -> int:
    kept = []
    while True:
        kept.append(bytearray(32 * 1024 * 1024))
        time.sleep(0.01)


def push(*, context: JobContext) -> None:
    context.sync_push(context.chancy)


@job(limits=[Limit(Limit.Type.TIME, 0.5)])
def declares() -> None:
    spin()


def exits() -> None:
    raise SystemExit(3)


async def doze() -> None:
    await asyncio.sleep(3600)
