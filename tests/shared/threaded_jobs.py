"""Plain functions for threads, which tests hold up and let go."""

from __future__ import annotations

import contextvars
import threading
from collections import Counter

from chancy import JobContext

WITHIN_S = 60.0

release = threading.Event()
began = threading.Semaphore(0)
calls: Counter[str] = Counter()
mark: contextvars.ContextVar[str] = contextvars.ContextVar("mark", default="unset")
together = threading.Barrier(1)
_count = threading.Lock()
running: set[int] = set()
most = [0]


def quick(*, n: int = 0) -> int:
    calls["quick"] += 1
    return n


def waits(*, n: int = 0) -> int:
    began.release()
    assert release.wait(WITHIN_S)
    return n


def checks(*, context: JobContext) -> None:
    began.release()
    while True:
        context.checkpoint()
        release.wait(0.01)


def meets() -> int:
    """Comes back when as many run at a time as `together` says."""
    return together.wait(WITHIN_S)


def marks(*, value: str) -> str:
    found = mark.get()
    mark.set(value)
    return found


def counts() -> None:
    """Notes how many run at a time."""
    with _count:
        running.add(threading.get_ident())
        most[0] = max(most[0], len(running))
        calls["counts"] += 1
    threading.Event().wait(0.001)
    with _count:
        running.discard(threading.get_ident())


def raises() -> None:
    raise ValueError("on purpose")


def leaves() -> None:
    raise SystemExit(7)


async def coroutine() -> None:
    """Belongs elsewhere."""
