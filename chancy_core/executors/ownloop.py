"""An event loop for one call, in a thread that has none: closed when the call is over, whatever it has left behind."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, Final, TypeVar

from chancy_core.errors import CannotRunHere

T = TypeVar("T")
# How long tasks and generators that a call leaves behind may take to end once they are told to. What takes longer is
# left where it is: the call is over, and somebody waits for what it came to.
ENDS_WITHIN_S: Final = 1.0


def run_in_own_loop(call: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Await what `call` returns on a loop made for it, in the context of whoever calls this.

    Unlike `asyncio.run` it waits for no thread that the call has started and given up (`asyncio.to_thread`), and only a
    moment for tasks that go on although they are cancelled: a time limit or a cancel that has ended the call would come
    to nothing.

    Raises:
        CannotRunHere: no loop could be made, for want of descriptors, say. It was not called.
    """
    try:
        loop = asyncio.new_event_loop()
    except OSError as error:
        raise CannotRunHere(f"no event loop could be made for a job: {error}") from error
    try:
        # The copy keeps what the call sets from whatever runs in this thread next.
        return loop.run_until_complete(_task(loop, call))
    finally:
        _end(loop)


def _task(loop: asyncio.AbstractEventLoop, call: Callable[[], Coroutine[Any, Any, T]]) -> asyncio.Task[T]:
    return loop.create_task(call(), context=contextvars.copy_context())


def _end(loop: asyncio.AbstractEventLoop) -> None:
    # What is left behind may raise anything, SystemExit included, which is no part of what the call came to.
    with suppress(BaseException):
        left = asyncio.all_tasks(loop)
        for task in left:
            task.cancel()
        if left:
            loop.run_until_complete(asyncio.wait(left, timeout=ENDS_WITHIN_S))
    with suppress(BaseException):
        ending = loop.create_task(loop.shutdown_asyncgens())
        loop.run_until_complete(asyncio.wait({ending}, timeout=ENDS_WITHIN_S))
    # Its threads end by themselves.
    loop.close()
