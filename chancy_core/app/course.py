"""A course: several flows one after the other, each of its own, and what is to be done between them."""

from __future__ import annotations

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


Course: TypeAlias = Generator[Ask, Any, T]


async def follow(chancy: Chancy, side: Side, course: Course[T]) -> T:
    """Run a course, with asyncio. Cancelled, it ends between two of its transactions, or before one commits."""
    try:
        ask = next(course)
        while True:
            try:
                answer = await chancy.connections.run(side, ask.begin, repeatable=ask.repeatable)
            except BaseException as error:  # noqa: BLE001 -- the course decides what it means
                ask = course.throw(error)
            else:
                ask = course.send(answer)
    except StopIteration as end:
        result: T = end.value
        return result


def follow_sync(chancy: Chancy, side: SyncSide, course: Course[T]) -> T:
    """As `follow`, without asyncio."""
    try:
        ask = next(course)
        while True:
            try:
                answer = chancy.connections.run_sync(side, ask.begin, repeatable=ask.repeatable)
            except BaseException as error:  # noqa: BLE001
                ask = course.throw(error)
            else:
                ask = course.send(answer)
    except StopIteration as end:
        result: T = end.value
        return result
