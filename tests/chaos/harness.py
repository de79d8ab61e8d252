"""What a scenario works with: servers, workers in processes of their own, a stream of pushes, a ledger, a check."""

from __future__ import annotations

import asyncio
import random
import secrets
import shutil
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, Final

import psycopg

from chancy_core.app import Chancy
from chancy_core.values.job import Job
from chancy_core.values.queue import Queue
from chaos.application import DSN, SCHEMA, Application
from chaos.cluster import Cluster, Skipped, server_programs
from chaos.counting import Run, count, read
from chaos.pusher import QUEUE, Pusher
from chaos.relay import Relay
from chaos.scenario import Result, Scenario
from chaos.waiting import PATIENCE_S, until
from chaos.workerprocess import WorkerProcess

# For the remaining jobs, where a scenario has gone wrong already.
GIVES_UP_AFTER_S: Final = 30.0
LINGERS_FOR_LEASES: Final = 1.5
LINGERS_AT_MOST_S: Final = 6.0


class Arena:
    """One scenario's surroundings. Everything that it starts is gone at its end.

    Args:
        dsn: the database that is used as long as the scenario makes none of its own; None: one is made.
        folder: an existing folder that everybody may enter.
        short: whether this is the short form.
    """

    def __init__(self, played: Scenario, dsn: str | None, folder: Path, *, short: bool) -> None:
        self.played = played
        self.short = short
        self.lease_s = min(played.lease_s, 4.0) if short else played.lease_s
        self.folder = folder
        self.ledger = folder / "ledger"
        self.schema = f"chaos_{secrets.token_hex(4)}"
        self.workers: list[WorkerProcess] = []
        self.pushers: list[Pusher | Application] = []
        self.wrong: list[str] = []
        self.stored: set[str] = set()
        self._given_dsn = dsn
        self._dsn = ""
        self._stack = ExitStack()
        self._opened: list[Chancy] = []
        self._dice = random.Random(7)

    async def play(self) -> Result:
        """Play the scenario, wait for the jobs, count."""
        self.ledger.touch()
        self.ledger.chmod(0o666)
        try:
            back_s = await self.played.act(self)
            await self._linger()
            result = await self._counted()
            result.back_s = back_s
        except Skipped:
            raise
        except Exception as error:
            try:
                result = await self._counted(GIVES_UP_AFTER_S)
            except Exception:
                # It went wrong before there was anything to count.
                result = Result()
            result.wrong.insert(0, _told(error))
        finally:
            await self._close()
        result.within_s = self.played.within_s
        return result

    # -- servers ---------------------------------------------------------------------------

    @property
    def dsn(self) -> str:
        """The database, past every relay."""
        return self._dsn

    async def database(self, dsn: str | None = None) -> str:
        """Use a database: a server of one's own, or the common one. Migrates it, and declares the queue.

        Returns:
            Its DSN, past every relay.
        """
        self._dsn = dsn or self._given_dsn or self.cluster().dsn()
        await self.chancy()
        return self._dsn

    def moved_to(self, dsn: str) -> None:
        """The truth is elsewhere from now on, as after a fail-over."""
        self._dsn = dsn

    def cluster(self, name: str = "server", settings: Mapping[str, str] | None = None, **more: Any) -> Cluster:
        """A running server of the scenario's own."""
        return self.unmade_cluster(name, settings, **more).make()

    def unmade_cluster(self, name: str, settings: Mapping[str, str] | None = None, **more: Any) -> Cluster:
        """The same before anything has been made."""
        made = Cluster(self.folder / name, server_programs(self.folder.parent), settings, **more)
        return self._stack.enter_context(made)

    def relay(self, dsn: str | None = None, **more: Any) -> Relay:
        """A relay to the database."""
        return self._stack.enter_context(Relay(dsn or self._dsn, **more))

    def at_the_end(self, act: Callable[..., Any], *arguments: Any) -> None:
        """Call this at the end, whatever happens."""
        self._stack.callback(act, *arguments)

    # -- applications and workers ----------------------------------------------------------

    async def chancy(self, dsn: str | None = None, *, sync: bool = False, **settings: Any) -> Chancy:
        """An open Chancy; opened without asyncio as well, if `sync`."""
        opened = Chancy(dsn or self._dsn, schema=self.schema, discover=False, **settings)
        await opened.open()
        if sync:
            await asyncio.to_thread(opened.sync_open)
            self._stack.callback(opened.sync_close)
        self._opened.append(opened)
        await opened.migrate()
        await opened.declare(Queue(QUEUE))
        return opened

    async def worker(
        self, dsn: str | None = None, *, prefix: Sequence[str] = (), ready: bool = True, **environ: str
    ) -> WorkerProcess:
        """Start a worker."""
        tag = f"w{len(self.workers)}"
        own = Queue(f"own-{tag}", tags=[tag], polling_interval=1.0)
        if ready:
            async with Chancy(self._dsn, schema=self.schema, discover=False) as chancy:
                await chancy.declare(own)
        settings = {
            "CHANCY_DSN": dsn or self._dsn,
            "CHANCY_SCHEMA": self.schema,
            "CHANCY_WORKER_LEASE_S": str(self.lease_s),
            **environ,
        }
        made = WorkerProcess(self.folder, tag, ledger=self.ledger, settings=settings, prefix=prefix)
        self.workers.append(made)
        self._stack.callback(made.end)
        return await made.ready() if ready else made

    async def push_steadily(
        self, dsn: str | None = None, *, job: Callable[[str], Job] | None = None, sync: bool = False, **settings: Any
    ) -> Pusher:
        """Push jobs from now on, until the scenario is over; from threads, if `sync`."""
        chancy = await self.chancy(dsn, sync=sync, **settings)
        made = Pusher(chancy, job or self.job, sync=sync).start()
        self.pushers.append(made)
        return made

    async def application(self, dsn: str, prefix: Sequence[str]) -> Application:
        """Push steadily from a process of its own, on another host. It has begun when this returns."""
        made = Application(self.folder, {DSN: dsn, SCHEMA: self.schema}, prefix)
        self.at_the_end(made.end)
        self.pushers.append(made)
        # One that opens its Chancy while the network is away is told so, and ends.
        await until(lambda: made.stored, "the application pushes")
        return made

    def job(self, token: str, seconds: float | None = None, func: str = "chaos.work.note", **more: Any) -> Job:
        """A job that writes into the ledger; half of them may be tried again."""
        if seconds is None:
            seconds = self._dice.choice((0.01, 0.05, 0.2, 0.5))
        attempts = self._dice.choice((1, 3))
        return Job(func=func, kwargs={"token": token, "seconds": seconds, **more}, max_attempts=attempts)

    async def push(self, job: Callable[[str], Job] | None = None, *, queue: str = QUEUE, number: int = 1) -> list[str]:
        """Push some jobs on a connection of their own, past every relay; their tokens."""
        tokens = [secrets.token_hex(6) for _ in range(number)]
        jobs = [(job or self.job)(token) for token in tokens]

        async def pushed() -> bool:
            async with await psycopg.AsyncConnection.connect(self._dsn, connect_timeout=5) as connection:
                await self._opened[0].push_many(queue, jobs, connection=connection)
            return True

        await until(pushed, "a push on a connection of its own")
        self.stored.update(tokens)
        return tokens

    # -- what can be seen ------------------------------------------------------------------

    async def rows(self, text: str, *parameters: object) -> list[tuple[Any, ...]]:
        """Ask the database, past every relay; `{s}` is the schema."""
        async with await psycopg.AsyncConnection.connect(self._dsn, autocommit=True, connect_timeout=5) as connection:
            query = text.replace("{s}", f'"{self.schema}"')
            cursor = await connection.execute(query.encode(), parameters or None)
            return await cursor.fetchall() if cursor.description else []

    async def finished(self) -> int:
        """How many jobs have come to their end."""
        return (await self.rows("SELECT count(*) FROM {s}.finished_jobs"))[0][0]

    async def under_way(self, number: int = 20) -> None:
        """Wait until work is being done: so many jobs have ended from now on."""
        wanted = await self.finished() + number

        async def condition() -> bool:
            return await self.finished() >= wanted

        await until(condition, f"{number} jobs end")

    async def back(self, *workers: WorkerProcess, since: float | None = None) -> float:
        """Seconds from a moment, now by default, until work goes on.

        That is: each of these workers, all by default, has run a job that was pushed after that moment, and the
        applications that push are told again that their jobs are stored.
        """
        began = time.monotonic() if since is None else since
        tokens = {worker: (await self.push(lambda token: self.job(token, 0.0), queue=worker.queue))[0]
                  for worker in workers or self.workers}  # fmt: skip

        async def done() -> bool:
            found = await self.rows(
                "SELECT kwargs->>'token' FROM {s}.finished_jobs WHERE kwargs->>'token' = ANY(%s)",
                list(tokens.values()),
            )
            return len(found) == len(tokens)

        await until(done, f"{', '.join(worker.tag for worker in tokens)} work again")
        for pusher in self.pushers:
            await until(lambda pusher=pusher: pusher.goes_on_after(began), f"pushes go on ({dict(pusher.refused)})")
        return time.monotonic() - began

    def expect(self, condition: object, complaint: str) -> None:
        """Note what is wrong, and go on."""
        if not condition:
            self.wrong.append(complaint)

    def runs(self) -> list[Run]:
        """The ledger."""
        return read(self.ledger)

    # -- the end ---------------------------------------------------------------------------

    async def _counted(self, within_s: float = PATIENCE_S) -> Result:
        for pusher in self.pushers:
            await pusher.stop()
            self.stored |= pusher.stored
        if any(worker.alive for worker in self.workers):
            with suppress(AssertionError):
                await until(self._all_done, "every job ends", within_s)
        result = await until(lambda: count(self.rows, self.stored, self.runs(), self.workers), "the database answers")
        result.wrong = self.wrong
        result.said = "\n".join(f"--- {worker.tag}\n{worker.said()}" for worker in self.workers)
        return result

    async def _linger(self) -> None:
        """Go on for a while: whoever takes the runs of the living for lost does so about a lease after the fault."""
        half_s = LINGERS_FOR_LEASES * min(self.lease_s, LINGERS_AT_MOST_S) / 2
        await asyncio.sleep(half_s)
        # A bulk push raises that was on its way as a connection was lost; but by now, everything is well again.
        before = [(pusher, pusher.refused.copy(), len(pusher.stored)) for pusher in self.pushers]
        await asyncio.sleep(half_s)
        for pusher, refused, stored in before:
            if more := pusher.refused - refused:
                done = len(pusher.stored) - stored
                self.wrong.append(f"afterwards {more.total()} pushes failed, and {done} did not: {dict(more)}")

    async def _all_done(self) -> bool:
        return not (await self.rows("SELECT count(*) FROM {s}.jobs"))[0][0]

    async def _close(self) -> None:
        for pusher in self.pushers:
            await pusher.stop()
        for worker in self.workers:
            worker.end()
        for chancy in self._opened:
            with suppress(Exception):
                await asyncio.wait_for(chancy.close(), 10)
        if self._dsn == self._given_dsn and self._dsn:
            with suppress(psycopg.Error):
                await self.rows("DROP SCHEMA IF EXISTS {s} CASCADE")
        self._stack.close()


def _told(error: Exception) -> str:
    """One line about what went wrong, and where in the suite."""
    frames = [each for each in traceback.extract_tb(error.__traceback__) if "/chaos/" in each.filename]
    where = "" if isinstance(error, AssertionError) or not frames else f" (line {frames[-1].lineno}: {frames[-1].line})"
    return f"{str(error).split(chr(10), maxsplit=1)[0] or type(error).__name__}{where}"


async def play(scenario: Scenario, dsn: str | None, folder: Path, *, short: bool) -> Result:
    """Play one scenario in a new folder below that one."""
    place = folder / scenario.name
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    place.chmod(0o755)
    return await Arena(scenario, dsn, place, short=short).play()
