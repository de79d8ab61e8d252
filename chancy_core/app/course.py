"""A course: several flows one after the other, each of its own, and what is to be done between them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Generator
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, TypeVar

if TYPE_CHECKING:
    from chancy_core.app.chancy import Chancy
    from chancy_core.app.operation import Begin
    from chancy_core.app.side import Side, SyncSide

T = TypeVar("T")


class Ask(NamedTuple):
    """A flow to be run next, as an operation's: the course is sent what it returns.

    Attributes:
        begin: begins the flow.
        repeatable: whether it may be run again from its start.
    """

    begin: Begin[Any]
    repeatable: bool


class Rest(NamedTuple):
    """Nothing, for so many seconds, in which others have the database; the course is sent nothing."""

    seconds: float


Course: TypeAlias = Generator[Ask | Rest, Any, T]


async def follow(chancy: Chancy, side: Side, course: Course[T]) -> T:
    """Run a course, with asyncio. Cancelled, it ends between two of its transactions, or before one commits."""
    try:
        step = next(course)
        while True:
            try:
                answer: Any = None
                if isinstance(step, Rest):
                    await asyncio.sleep(step.seconds)
                else:
                    answer = await side.ask(step.begin, repeatable=step.repeatable, hearer=chancy.connections.hearer)
            except BaseException as error:  # noqa: BLE001 -- the course decides what it means
                step = course.throw(error)
            else:
                step = course.send(answer)
    except StopIteration as end:
        result: T = end.value
        return result


def follow_sync(side: SyncSide, course: Course[T]) -> T:
    """As `follow`, without asyncio."""
    try:
        step = next(course)
        while True:
            try:
                answer: Any = None
                if isinstance(step, Rest):
                    time.sleep(step.seconds)
                else:
                    answer = side.ask(step.begin, repeatable=step.repeatable)
            except BaseException as error:  # noqa: BLE001
                step = course.throw(error)
            else:
                step = course.send(answer)
    except StopIteration as end:
        result: T = end.value
        return result
