"""What several tests use."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def captured_events(level: int = logging.DEBUG) -> Iterator[list[dict[str, Any]]]:
    """The structured events that are logged inside the block, with their level."""
    events: list[dict[str, Any]] = []

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            events.append({"event": record.event, "log_level": record.levelname.lower(), **record.fields})

    logger = logging.getLogger("chancy")
    handler, before = Handler(), logger.level
    logger.addHandler(handler)
    logger.setLevel(level)
    try:
        yield events
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before)


async def until(condition: Callable[[], Any | Awaitable[Any]], within_s: float = 20.0) -> Any:
    """Wait until a condition holds, and return what it returned; fail loudly if it does not."""
    deadline = time.monotonic() + within_s
    while True:
        found = condition()
        if asyncio.iscoroutine(found):
            found = await found
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {within_s} s: {condition}")
        await asyncio.sleep(0.01)
