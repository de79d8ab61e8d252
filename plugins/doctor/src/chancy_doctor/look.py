"""One look at a Chancy: what several checks need is asked once, and nothing is waited for longer than it is worth."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import cached_property
from typing import Any, Final, NamedTuple

import psycopg

from chancy import Chancy, Queue, UnreadableQueue, WorkerInfo
from chancy.plugin import Statements, command_line
from chancy_doctor.thresholds import Thresholds

SQL: Final = Statements("chancy_doctor.sql")
# So many waiting jobs of a queue are counted to see that it has some; what is told is counted further.
COUNTED: Final = 1_000
TOLD: Final = 100_000
# So many jobs that have ended, or are due, are looked at to see what fails.
SAMPLE: Final = 5_000
# How the tags begin that every worker has.
OF_ITSELF: Final = ("hostname=", "worker=", "worker_id=", "python=", "chancy=", "os=", "arch=")


class Waiting(NamedTuple):
    """What waits in a queue.

    Attributes:
        queue: its name.
        jobs: how many runnable jobs, counted up to a bound.
        oldest_s: for how long the oldest of them has waited, in seconds.
        funcs: some of their functions.
    """

    queue: str
    jobs: int
    oldest_s: float
    funcs: Sequence[str]


class Pause(NamedTuple):
    """A pause: for how many seconds it has been, by whom, and why; None where nobody knows."""

    since_s: float | None = None
    by: str | None = None
    reason: str | None = None


class Declared(NamedTuple):
    """What is declared, and who is there.

    Attributes:
        queues: the queues, by name.
        unreadable: those that nobody can read.
        workers: the workers that have not been forgotten.
    """

    queues: dict[str, Queue]
    unreadable: dict[str, UnreadableQueue]
    workers: list[WorkerInfo]


async def declared_in(chancy: Chancy) -> Declared:
    """What is declared now, and who is there."""
    return Declared(
        queues={queue.name: queue for queue in await chancy.get_all_queues()},
        unreadable={queue.name: queue for queue in await chancy.get_unreadable_queues()},
        workers=await chancy.get_workers(),
    )


class Look:
    """A look, on a connection that the caller holds.

    Args:
        chancy: the application.
        thresholds: from when on something is a finding.
        connection: what it is asked on.
        declared: what is declared, and who is there.
        ends_at: when there is no more time, by `time.monotonic()`.

    Attributes:
        queues: those that are declared, by name.
        unreadable: those that nobody can read.
        workers: those that have not been forgotten.
        waiting: what waits in each queue that has runnable jobs, by name; declared or not.
    """

    def __init__(
        self,
        chancy: Chancy,
        thresholds: Thresholds,
        connection: psycopg.AsyncConnection[Any],
        declared: Declared,
        ends_at: float,
    ) -> None:
        self.chancy = chancy
        self.thresholds = thresholds
        self._connection = connection
        self._ends_at = ends_at
        self.queues, self.unreadable, self.workers = declared
        self.waiting: dict[str, Waiting] = {}
        self._failures: list[tuple[Any, ...]] | None = None
        self._by_tags: dict[tuple[str, ...], list[WorkerInfo]] = {}

    @property
    def schema(self) -> str:
        """The schema's name."""
        return self.chancy.settings.schema

    @property
    def left_s(self) -> float:
        """Seconds until the look is over."""
        return self._ends_at - time.monotonic()

    @cached_property
    def alive(self) -> list[WorkerInfo]:
        """The workers whose leases hold."""
        return [worker for worker in self.workers if worker.alive]

    @cached_property
    def by_name(self) -> list[WorkerInfo]:
        """Those of them that go by the names of queues, and not by their tags alone."""
        return [one for one in self.alive if one.queues is not None or (one.status and one.status.unserved)]

    @cached_property
    def tags(self) -> list[str]:
        """The tags that live workers were given."""
        return sorted({tag for worker in self.alive for tag in given_tags(worker)})

    def serving(self, queue: Queue) -> list[WorkerInfo]:
        """The live workers that take jobs from a queue."""
        # Most queues ask for the same tags, and each tag of each worker is matched with each of a queue.
        tags = tuple(queue.tags)
        if tags not in self._by_tags:
            named = {worker.name for worker in self.by_name}
            self._by_tags[tags] = [one for one in self.alive if one.name not in named and serves(one, queue)]
        return [*self._by_tags[tags], *(worker for worker in self.by_name if serves(worker, queue))]

    async def begin(self, counted: int = COUNTED) -> None:
        """Ask what waits, which most checks need: of each queue so many jobs at most."""
        found = await self.rows("find_waiting", limit=counted)
        self.waiting = {row[0]: Waiting(*row) for row in found}

    async def failures(self) -> list[tuple[Any, ...]]:
        """How the newest runs of each function ended; asked once, because it is the dearest question of all."""
        if self._failures is None:
            self._failures = await self.rows("count_failures", since_s=self.thresholds.recent_s, limit=SAMPLE)
        return self._failures

    async def rows(self, name: str, /, **params: Any) -> list[tuple[Any, ...]]:
        """Run a statement, which is cancelled when the look is over.

        Raises:
            psycopg.errors.QueryCanceled: it took too long.
        """
        async with self._bounded():
            return await SQL.rows(self._connection, self.schema, name, **params)

    async def dicts(self, name: str, /, **params: Any) -> list[dict[str, Any]]:
        """As `rows`, with a dict for each row."""
        async with self._bounded():
            return await SQL.dicts(self._connection, self.schema, name, **params)

    @property
    def told_session(self) -> int:
        """The process of the server that answered when the connection was made; a pooler tells a number of its own."""
        return self._connection.pgconn.backend_pid

    async def session_beside(self) -> int:
        """The process of the server that serves a second connection, while the first is open."""
        async with self.chancy.pool.connection() as other:
            ((pid,),) = await SQL.rows(other, self.schema, "read_session")
            return int(pid)

    @staticmethod
    def is_more(count: int) -> bool:
        """Whether there may be more waiting jobs than were counted."""
        return count >= COUNTED

    async def count(self, queue: str) -> str:
        """How many jobs of a queue are runnable, for people, as in `3 jobs wait`: counted up to a bound."""
        found = self.waiting.get(queue)
        count = found.jobs if found else 0
        if count >= COUNTED:
            ((count,),) = await self.rows("count_queue", queue=queue, limit=TOLD)
        if count == 1:
            return "1 job waits"
        return f"{count:,} jobs wait" if count < TOLD else f"more than {TOLD - 1:,} jobs wait"

    async def pause(self, queue: str) -> Pause:
        """What is known of the pause of a queue."""
        rows = await self.rows("read_pause", queue=queue)
        return Pause(*rows[0]) if rows else Pause()

    def command(self, *words: str) -> str:
        """A command to paste."""
        return command_line(self.chancy, *words)

    @asynccontextmanager
    async def _bounded(self) -> AsyncIterator[None]:
        async with self._connection.transaction():
            ms = str(max(int(self.left_s * 1000), 1))
            await SQL.rows(self._connection, self.schema, "set_timeout", ms=ms)
            yield


@asynccontextmanager
async def beginning(chancy: Chancy, thresholds: Thresholds, ends_at: float) -> AsyncIterator[Look]:
    """A look that has asked nothing yet: for checks that need none of it, and that say why the rest cannot be asked."""
    async with chancy.pool.connection() as connection:
        yield Look(chancy, thresholds, connection, Declared({}, {}, []), ends_at)


@asynccontextmanager
async def looking(
    chancy: Chancy, thresholds: Thresholds, ends_at: float, counted: int = COUNTED
) -> AsyncIterator[Look]:
    """A look at an open application, which is over at a moment of `time.monotonic()`.

    Of each queue it counts so many waiting jobs at most.

    Raises:
        psycopg.Error: the database is away, or refuses what is asked.
    """
    declared = await declared_in(chancy)
    # One connection at a time: there may be few left.
    async with chancy.pool.connection() as connection:
        look = Look(chancy, thresholds, connection, declared, ends_at)
        await look.begin(counted)
        yield look


def serves(worker: WorkerInfo, queue: Queue) -> bool:
    """Whether a worker takes jobs from a queue."""
    try:
        return worker.serves(queue)
    except ValueError:
        # A tag that cannot be matched within moments; the workers leave the queue alone, too.
        return False


def refusal(worker: WorkerInfo, queue: Queue) -> str | None:
    """Why a worker that should serve a queue does not; None if it does."""
    unserved = worker.status.unserved if worker.status else []
    return next((one.problem for one in unserved if one.queue == queue.name), None)


def shown_s(seconds: float) -> str:
    """A duration for people: `48 s`, `31 min`, `5 h`, `3 d`."""
    for unit_s, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * unit_s:
            return f"{seconds / unit_s:.0f} {unit}"
    return f"{max(seconds, 0):.0f} s"


def workers_of(count: int) -> str:
    """So many live workers, in a sentence."""
    return "1 live worker" if count == 1 else f"{count:,} live workers"


def jobs_of(count: int) -> str:
    """So many jobs, in a sentence."""
    return "1 job" if count == 1 else f"{count:,} jobs"


def given_tags(worker: WorkerInfo) -> list[str]:
    """The tags that a worker was given; others it has of its own accord."""
    return [tag for tag in worker.tags if tag != "*" and not tag.startswith(OF_ITSELF)]


def named(names: Sequence[str], most: int = 4) -> str:
    """Some names in a sentence."""
    shown = ", ".join(names[:most])
    return f"{shown} and {len(names) - most} more" if len(names) > most else shown
