"""Functions that know of their own run, for the tests of contexts, cancellation and verdicts."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import TYPE_CHECKING

from chancy import Cancel, JobContext, JobStopped, QueuedJob, Retry, Snooze

if TYPE_CHECKING:
    import chancy

go_on = threading.Event()
seen: list[object] = []


def _told(context: JobContext) -> dict[str, object]:
    return {
        "id": str(context.id),
        "attempt": context.attempt,
        "queue": context.queue,
        "kwargs": context.kwargs,
        "deadline": context.deadline is not None,
        "queued": isinstance(context, QueuedJob),
    }


async def told(value: int, *, context: JobContext) -> dict[str, object]:
    return _told(context)


def told_sync(value: int, *, context: JobContext) -> dict[str, object]:
    return _told(context)


def told_as_queued(value: int, *, job: QueuedJob) -> dict[str, object]:
    return _told(job)  # type: ignore[arg-type]


def told_hidden(value: int, *, context: chancy.JobContext) -> dict[str, object]:
    return _told(context)


def told_maybe(value: int, *, context: JobContext | None = None) -> dict[str, object]:
    assert context is not None
    return _told(context)


def by_position(context: JobContext) -> None:
    """Not keyword-only, so it is an argument like any other."""


class Unspeakable:
    def __repr__(self) -> str:
        raise LookupError("no text")


class Garbled:
    def __repr__(self) -> str:
        return "garbled \ud800 \x00"


def changes_meta(how: str, *, context: JobContext) -> int:
    context.meta["runs"] = context.meta.get("runs", 0) + 1
    if how == "bad":
        context.meta["object"] = object()
    if how == "unspeakable":
        context.meta["object"] = Unspeakable()
    if how == "garbled":
        context.meta["object"] = Garbled()
    if how == "large":
        context.meta["text"] = "x" * 2_000_000
    if how == "fail":
        raise ValueError(how)
    if how == "snooze" and context.meta["runs"] == 1:
        raise Snooze(0.01)
    runs: int = context.meta["runs"]
    return runs


def progresses(*, context: JobContext) -> None:
    context.progress(0.4, "parsed")
    assert go_on.wait(600)
    context.progress(1)


async def progresses_wrongly(*, context: JobContext) -> None:
    context.progress(7)


def logs(*, context: JobContext) -> None:
    context.log.info("seen", n=1)


def until_stopped(*, context: JobContext) -> None:
    """Comes to a checkpoint again and again, and swallows every Exception."""
    while True:
        try:
            context.checkpoint()
        except Exception:
            pass
        except JobStopped as error:
            seen.append(str(error))
            raise
        time.sleep(0.005)


def heeds_nothing() -> str:
    assert go_on.wait(600)
    return "done"


def fails_late() -> None:
    assert go_on.wait(600)
    raise ValueError("late")


async def sleeps() -> None:
    try:
        await asyncio.sleep(60)
    finally:
        seen.append("left")


async def cancelled_twice() -> None:
    """Swallows its first cancellation."""
    try:
        await asyncio.sleep(60)
    except asyncio.CancelledError:
        seen.append("swallowed")
    await asyncio.sleep(60)


async def swallows(times: int) -> str:
    """Swallows so many cancellations, notes when each came, and then returns."""
    while len(seen) < times:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            seen.append(asyncio.get_running_loop().time())
    return "returned"


async def snoozes_once(key: str, seconds: float = 0.01) -> str:
    if key not in seen:
        seen.append(key)
        raise Snooze(seconds, "not yet")
    return "after all"


async def retries(after: float | None) -> None:
    raise Retry("come back", after=after)


async def cancels() -> None:
    raise Cancel("of no use")


class Ours(Exception):  # noqa: N818
    """An exception of the application."""


class Special(Ours):
    """One of them."""


async def raises(name: str) -> None:
    raise {"Ours": Ours, "Special": Special, "KeyError": KeyError, "TimeoutError": TimeoutError}[name](name)


async def loops(seconds: float) -> None:
    """A cooperative job without a context."""
    await asyncio.sleep(seconds)


def slow(seconds: float, *, context: JobContext) -> str:
    """Has a context, and never comes to a checkpoint."""
    time.sleep(seconds)
    return "late"


def snoozes_for_long() -> None:
    raise Snooze(3600)


def goes_on_until_stopped(*, context: JobContext) -> None:
    """Tells that it runs, and then does nothing but look whether it is to stop."""
    context.progress(0.1)
    while True:
        context.checkpoint()
        time.sleep(0.001)


async def which_loop() -> int:
    return id(asyncio.get_running_loop())
