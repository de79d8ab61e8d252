"""Jobs that tests of `chancy.testing` run."""

from __future__ import annotations

import asyncio
import uuid
from typing import Any

from chancy import Cancel, JobContext, Snooze, job

# What has run, in order.
RAN: list[Any] = []


@job()
def add(*, a: int, b: int) -> int:
    RAN.append((a, b))
    return a + b


@job()
async def add_later(*, a: int, b: int) -> int:
    await asyncio.sleep(0)
    return a + b


@job()
def count_down(*, n: int, context: JobContext) -> None:
    RAN.append(n)
    context.progress(0.5, "half")
    if n:
        context.sync_push(count_down.job.with_kwargs(n=n - 1))


@job()
async def count_down_later(*, n: int, context: JobContext) -> None:
    RAN.append(n)
    if n:
        await context.push(count_down_later.job.with_kwargs(n=n - 1))


@job(max_attempts=3)
def third_time_lucky(*, context: JobContext) -> str:
    RAN.append(context.attempt)
    if context.attempt < 3:
        raise ValueError(f"not at attempt {context.attempt}")
    return "at last"


@job()
def raises(*, text: str = "of no use") -> None:
    raise LookupError(text)


@job()
def interrupted() -> None:
    raise KeyboardInterrupt


@job()
def snoozes(*, context: JobContext) -> None:
    RAN.append("snoozes")
    if context.claims == 1:
        raise Snooze(3600)


@job()
def gives_up() -> None:
    raise Cancel("nobody wants it")


@job()
def pushes_itself(*, context: JobContext) -> None:
    context.sync_push(pushes_itself)


@job()
def waits_for(*, other: str, context: JobContext) -> Any:
    return context.chancy.sync_wait_for_job(uuid.UUID(other)).result


# The connection of the test, where a job is to use it.
GIVEN: list[Any] = []


@job()
def breaks_a_statement() -> None:
    GIVEN[0].execute("CREATE TEMPORARY TABLE of_the_job (x integer)")
    GIVEN[0].execute("SELECT 1 / 0")


@job()
def commits() -> None:
    GIVEN[0].commit()


class Untaken:
    """What JSON does not have."""


@job()
def returns_no_json() -> Untaken:
    return Untaken()


@job()
def returns_a_tuple() -> tuple[int, int]:
    return (1, 2)
