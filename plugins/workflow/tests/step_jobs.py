"""Jobs that keep what they have done by their context."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from chancy import JobContext, job
from chancy_workflow import Workflow


def note(book: str, line: str) -> tuple[str, str]:
    """Writes a line into a file, and returns it as a tuple."""
    with Path(book).open("a", encoding="utf-8") as file:
        file.write(f"{line}\n")
    return "noted", line


async def note_later(book: str, line: str) -> tuple[str, str]:
    """The same as a coroutine."""
    return note(book, line)


@job
async def in_steps(*, book: str, items: list[str], context: JobContext) -> Any:
    """A step, a loop that breaks off in the first attempt, and a step that fails in it."""
    first = await context.step("first", note_later, book, "first")
    async for item in context.each("loop", items[: context.attempt + 1]):
        note(book, item)
        if context.attempt == 1 and item == "b":
            raise ValueError("broken off")
    return [first, await context.step("last", note, book, line="last")]


@job
def in_plain_steps(*, book: str, items: list[str], context: JobContext) -> Any:
    """The same without asyncio."""
    first = context.sync_step("first", note, book, "first")
    for item in context.sync_each("loop", items[: context.attempt + 1]):
        note(book, item)
        if context.attempt == 1 and item == "b":
            raise ValueError("broken off")
    return [first, context.sync_step("last", note, book, line="last")]


@job
async def in_wrong_steps(*, context: JobContext) -> None:
    """A step and a loop of one name."""
    await context.step("same", list)
    async for _ in context.each("same", [1]):
        raise AssertionError


@job
async def pushes_a_workflow(*, context: JobContext) -> str:
    """A workflow is pushed like a job."""
    flow = Workflow("pushed by a job")
    flow.add("one", in_wrong_steps.job)
    return str(await context.push(flow))
