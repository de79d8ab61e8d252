"""Pushes that wait for their unique keys, which other transactions have taken and not committed yet."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from contextvars import Context
from typing import Final, NamedTuple

import psycopg

from chancy_core.errors import ChancyError
from chancy_core.log import log
from chancy_core.store import Pool, Store
from chancy_core.store.flow import Flow
from chancy_core.store.jobrows import JobRow
from chancy_core.store.keys import Holder, order
from chancy_core.store.pushes import holders, insert_again
from chancy_core.store.tries import AGAIN_S
from chancy_core.store.weather import text_of
from chancy_core.values.notices import Notice

# How long pushes with unique keys wait, all of them, for a transaction that is about to take the key of one. Such a
# transaction is mostly another push, which takes a millisecond.
PATIENCE_MS: Final = 100
# After that, those of this key ask again, alone, from time to time; a few keys at once.
FIRST_PAUSE_S: Final = 0.05
LONGEST_PAUSE_S: Final = 1.0
HELD_AT_ONCE: Final = 2


class Waiting(NamedTuple):
    """A push whose caller waits for its answer."""

    row: JobRow
    answer: asyncio.Future[Holder | None]


class Held:
    """Pushes whose unique keys other transactions have taken, and not committed yet: each key waits by itself.

    So do those of which nobody knows whether they were stored.

    Args:
        store: the statements.
        pool: the connections.
        notices: what the workers have to hear of some rows.
    """

    def __init__(self, store: Store, pool: Pool, notices: Callable[[Sequence[JobRow]], list[Notice]]) -> None:
        self._store = store
        self._pool = pool
        self._notices = notices
        self._by_key: dict[tuple[str, str], list[Waiting]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._turns = asyncio.Semaphore(HELD_AT_ONCE)

    def tasks(self) -> Sequence[asyncio.Task[None]]:
        """Those that wait for keys."""
        return list(self._tasks)

    def joined(self, waiting: Waiting) -> bool:
        """Whether this one waits here now, because others of its key do."""
        others = self._by_key.get(order(waiting.row))
        if others is None:
            return False
        others.append(waiting)
        return True

    def put(self, waiting: Waiting) -> None:
        """Let one wait for its key."""
        if self.joined(waiting):
            return
        key = order(waiting.row)
        self._by_key[key] = [waiting]
        task = asyncio.create_task(self._wait(key), name="chancy.push.held", context=Context())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _wait(self, key: tuple[str, str]) -> None:
        start = time.monotonic()
        pause_s = FIRST_PAUSE_S
        log.debug("unique_key_held", unique_key=key[1])
        try:
            while True:
                await asyncio.sleep(pause_s)
                pause_s = min(pause_s * 2, LONGEST_PAUSE_S)
                batch = [waiting for waiting in self._by_key[key] if not waiting.answer.done()]
                if not batch or await self._written(batch):
                    # Nothing is awaited in between: whoever came meanwhile is in the list.
                    late = [waiting for waiting in self._by_key[key] if not waiting.answer.done()]
                    if not late:
                        return
                    start = time.monotonic()
                elif time.monotonic() - start >= AGAIN_S:
                    fail(self._by_key[key], await self._refusal(key[1], time.monotonic() - start))
                    return
        except BaseException as error:
            fail(self._by_key[key], error)
            if not isinstance(error, Exception):
                raise
        finally:
            del self._by_key[key]

    async def _written(self, batch: list[Waiting]) -> bool:
        rows = [waiting.row for waiting in batch]
        tell = self._notices(rows)

        def attempt() -> Flow[dict[str, Holder] | None]:
            try:
                return (yield from insert_again(self._store, rows, tell, patience_ms=PATIENCE_MS))
            except psycopg.errors.LockNotAvailable:
                return None

        async with self._turns:
            taken = await self._pool.run(attempt)
        if taken is not None:
            answer(batch, taken)
        return taken is not None

    async def _refusal(self, key: str, waited_s: float) -> ChancyError:
        try:
            return key_is_held(key, waited_s, await self._pool.run(lambda: holders(self._store, waited_s / 2)))
        except (ChancyError, psycopg.Error) as error:
            return key_is_held(key, waited_s, text_of(error))


def key_is_held(key: str, waited_s: float, by: str) -> ChancyError:
    """The error for a push that waited for its unique key in vain."""
    return ChancyError(
        f"The unique key {key!r} has been taken for {waited_s:.0f} s by a transaction that has not ended, so the job "
        f"could not be stored. It is one of these: {by or 'none that this role may see'}. End it (commit, roll back, "
        "or pg_terminate_backend), and push again."
    )


def answer(batch: Sequence[Waiting], taken: Mapping[str, Holder | None]) -> None:
    """Tell each caller which job holds its unique key, if any does."""
    for waiting in batch:
        if not waiting.answer.done():
            waiting.answer.set_result(taken.get(waiting.row.id))


def fail(batch: Sequence[Waiting], error: BaseException) -> None:
    """Let each caller hear of a failure."""
    for waiting in batch:
        if not waiting.answer.done():
            waiting.answer.set_exception(error)
