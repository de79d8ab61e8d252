"""Coroutine functions, for executors whose runs are in threads and in child processes."""

from __future__ import annotations

import asyncio
import contextvars
import os
import threading
from typing import Any

from chancy import JobContext

word: contextvars.ContextVar[str] = contextvars.ContextVar("word", default="unset")
began = threading.Event()
# Lets the threads end that somebody has given up.
release = threading.Event()
closed: list[str] = []


async def where() -> list[Any]:
    """Its thread, its process, and what it finds in a context variable, which it sets."""
    found = word.get()
    word.set("set by a job")
    await asyncio.sleep(0)
    return [threading.current_thread() is threading.main_thread(), os.getpid(), found]


async def in_a_thread() -> str:
    return await asyncio.to_thread(threading.get_ident) != threading.get_ident() and "in another thread"


async def leaves_things_behind() -> str:
    """A generator that is not exhausted, a task that goes on, and one that does not heed its cancellation."""

    async def numbers() -> Any:
        try:
            yield 1
            yield 2
        finally:
            closed.append("generator")

    async def goes_on() -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            closed.append("task")

    async def heeds_nothing() -> None:
        while True:
            try:
                await asyncio.sleep(3600)
            except asyncio.CancelledError:
                closed.append("told")

    tasks.extend([asyncio.create_task(goes_on()), asyncio.create_task(heeds_nothing())])
    await asyncio.sleep(0)
    async for _ in numbers():
        break
    return "done"


tasks: list[asyncio.Task[None]] = []


async def waits_in_a_thread() -> None:
    """Awaits a thread that nobody can stop."""
    began.set()
    await asyncio.to_thread(release.wait, 120)


async def waits(*, seconds: float, context: JobContext) -> None:
    """Says when it waits, and what it was told."""
    began.set()
    context.progress(0.5, "waits")
    try:
        await asyncio.sleep(seconds)
    finally:
        context.meta["cleaned up"] = True


async def checks(*, context: JobContext) -> None:
    """Reaches a checkpoint again and again."""
    began.set()
    while True:
        context.checkpoint()
        await asyncio.sleep(0.01)


async def ends_the_process() -> None:
    async def leaves() -> None:
        raise SystemExit(3)

    leaving = asyncio.create_task(leaves())
    await asyncio.sleep(3600)
    await leaving


def awaits_elsewhere() -> Any:
    """A plain function that returns a coroutine, which gives up a thread of its own."""

    async def gives_up() -> str:
        try:
            await asyncio.wait_for(asyncio.to_thread(release.wait, 120), 0.01)
        except TimeoutError:
            return "gave up"
        return "waited"

    return gives_up()
