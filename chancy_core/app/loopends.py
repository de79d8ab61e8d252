"""Told when an event loop ends, by the one thing that a loop ends for others: its async generators.

`asyncio.run`, the runners of other loops and of tests, and the loop of a single job (`ownloop`) all close these at
their end. A loop that ends otherwise is found out later, by whoever opens or closes a side.
"""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Callable
from contextlib import suppress


class LoopEnd:
    """Calls a function at the end of the event loop that runs this code, unless it is left before.

    Args:
        call: is called in this very process only: the loop of one that was forked off is not its own.
    """

    def __init__(self, call: Callable[[], None]) -> None:
        self._watch = _until_closed(call, os.getpid())
        # Its first step is what the loop hears of. It awaits nothing, so that nobody has to.
        _step(self._watch.__anext__())

    def leave(self) -> None:
        """Be done: the function is called now, and not at the end."""
        # Its loop may be ending it just now.
        with suppress(RuntimeError):
            _step(self._watch.aclose())


def _step(step: object) -> None:
    with suppress(StopIteration):
        step.send(None)  # type: ignore[attr-defined]  # typeshed calls it an awaitable


async def _until_closed(call: Callable[[], None], pid: int) -> AsyncGenerator[None]:
    try:
        yield
    finally:
        if os.getpid() == pid:
            call()
