"""Joint claims: what several queues want while a claim is in flight is asked for by one statement."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final, NamedTuple

import psycopg

from chancy_core.store import Store
from chancy_core.store.flow import Flow
from chancy_core.store.session import WorkerConnection
from chancy_core.store.weather import Fault, fault_of
from chancy_core.worker.claimed import QUEUE, Rows, size_of

# So many queues are asked for by one statement …
QUEUES_MAX: Final = 50
# … and so many jobs of them together; each queue gets an equal part. What it lacks then it asks for at once.
JOBS_MAX: Final = 1000


class Brought(NamedTuple):
    """What a claim brought for one queue.

    Attributes:
        rows: the jobs.
        full: whether there may be more than that, although fewer came than were wanted.
    """

    rows: Rows
    full: bool


class _Ask(NamedTuple):
    """What one queue wants, and how it would ask alone."""

    queue: str
    wanted: int
    alone: Callable[[], Flow[Rows]]
    answer: asyncio.Future[Brought]


class JointClaims:
    """Claims for the queues of one worker that have nothing special to ask for.

    A queue that asks while nobody else does asks alone, and at once. Those that ask while a claim is in flight would
    take turns, with a commit each: they ask together, when it is over.

    Args:
        store: the statements.
        connection: the connection that only claims use.
        worker: the worker's name.
        bytes_max: what one claim brings at most.
    """

    def __init__(self, store: Store, connection: WorkerConnection, worker: str, bytes_max: int) -> None:
        self._store = store
        self._connection = connection
        self._worker = worker
        self._bytes_max = bytes_max
        self._waiting: deque[_Ask] = deque()
        self._in_flight = False
        self._task: asyncio.Task[None] | None = None

    async def claim(self, queue: str, wanted: int, alone: Callable[[], Flow[Rows]]) -> Brought:
        """Claim so many jobs of a queue at most.

        Args:
            queue: the queue.
            wanted: how many.
            alone: the claim for this queue alone.
        """
        if self._in_flight:
            ask = _Ask(queue, wanted, alone, asyncio.get_running_loop().create_future())
            self._waiting.append(ask)
            return await ask.answer
        self._in_flight = True
        try:
            return Brought(await self._connection.run(alone()), full=False)
        finally:
            self._in_flight = False
            if self._waiting:
                self._in_flight = True
                self._task = asyncio.create_task(self._serve(), name="chancy.claim together")

    async def _serve(self) -> None:
        asks: list[_Ask] = []
        try:
            while self._waiting:
                asks = [self._waiting.popleft() for _ in range(min(len(self._waiting), QUEUES_MAX))]
                await self._answer(asks)
        except BaseException as error:
            # Nobody waits for ever for who is gone.
            _fail([*asks, *self._waiting], error if isinstance(error, Exception) else asyncio.CancelledError())
            self._waiting.clear()
            raise
        finally:
            self._in_flight = False

    async def _answer(self, asks: list[_Ask]) -> None:
        if len(asks) > 1:
            try:
                await self._answer_together(asks)
            except psycopg.Error as error:
                if fault_of(error) not in (Fault.TOO_MUCH, Fault.THIS_ONE):
                    _fail(asks, error)
                    return
                # Something is wrong with a job of one of them, which is to hold up its own queue alone.
            except Exception as error:  # noqa: BLE001 -- told to those who asked
                _fail(asks, error)
                return
            else:
                return
        for ask in asks:
            try:
                _tell(ask, Brought(await self._connection.run(ask.alone()), full=False))
            except Exception as error:  # noqa: BLE001
                _fail([ask], error)

    async def _answer_together(self, asks: list[_Ask]) -> None:
        part = max(JOBS_MAX // len(asks), 1)
        wanted = [min(ask.wanted, part) for ask in asks]
        rows = await self._connection.run(self._flow([ask.queue for ask in asks], wanted))
        found: dict[str, Rows] = {ask.queue: [] for ask in asks}
        for row in rows:
            found[row[QUEUE]].append(row)
        cut = sum(map(size_of, rows)) >= self._bytes_max
        for ask, most in zip(asks, wanted, strict=True):
            mine = found[ask.queue]
            _tell(ask, Brought(mine, full=cut or len(mine) >= most))

    def _flow(self, queues: list[str], wanted: list[int]) -> Flow[Rows]:
        return (
            yield self._store.query(
                "claim_many", queue=queues, wanted=wanted, worker=self._worker, bytes=self._bytes_max
            )
        )


def _tell(ask: _Ask, brought: Brought) -> None:
    if not ask.answer.done():
        ask.answer.set_result(brought)


def _fail(asks: list[_Ask], error: BaseException) -> None:
    for ask in asks:
        if not ask.answer.done():
            ask.answer.set_exception(error)
