"""A queue's cluster: reached, watched, and reached again when it was lost."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

import distributed

from chancy.errors import CannotRunHere
from chancy.plugin import log
from chancy_dask import messages, troubles
from chancy_dask.connection import Connection
from chancy_dask.options import Options

# How long one attempt to reach the scheduler may take, and the pauses between two of them.
REACH_WITHIN_S: Final = 10.0
FIRST_PAUSE_S: Final = 0.5
LONGEST_PAUSE_S: Final = 30.0
# How often a connection is looked at, and how often the cluster is asked for its threads.
LOOK_EVERY_S: Final = 0.1
ASK_EVERY_S: Final = 2.0
# For so long a cluster may be without any Dask worker, as one that grows by demand, before what was sent goes back.
WORKERS_WITHIN_S: Final = 300.0
CLOSE_WITHIN_S: Final = 5.0
# Its types are those of both its faces at once, the one that is awaited and the other: they are none here.
_dask: Final[Any] = distributed


class Cluster:
    """A cluster, wherever it is.

    Args:
        options: how it is to be used.
        slots: called with how many jobs it can take now; None: as many as the queue lets run.
    """

    def __init__(self, options: Options, slots: Callable[[int | None], None]) -> None:
        self._options: Final = options
        self._slots: Final = slots
        self._local: Any = None
        self._connection: Connection | None = None
        self._connected: Final = asyncio.Event()
        self._problem = "it is being reached"
        self._keeper: asyncio.Task[None] | None = None
        self._away_since = time.monotonic()
        self._lonely_since: float | None = None

    @property
    def name(self) -> str:
        """What it is called."""
        return f"the Dask cluster at {self._options.address}" if self._options.address else "the local Dask cluster"

    def start(self) -> None:
        """Begin to reach it."""
        # Until it is reached, nothing is claimed for it.
        self._slots(0)
        self._keeper = asyncio.create_task(self._keep(), name="chancy-dask")

    async def close(self) -> None:
        """Leave it, and end it if it is local."""
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.wait({self._keeper}, timeout=CLOSE_WITHIN_S)
        troubles.tell(self, None)

    @property
    def now(self) -> Connection | None:
        """The connection, if there is one."""
        return self._connection

    async def connection(self) -> Connection:
        """The connection, as soon as there is one. Raises CannotRunHere if it takes too long."""
        within_s = self._options.connect_within_s
        try:
            async with asyncio.timeout(within_s):
                await self._connected.wait()
        except TimeoutError:
            pass
        if self._connection is None:
            raise CannotRunHere(f"{self.name[0].upper()}{self.name[1:]} was away for {within_s:g} s: {self._problem}.")
        return self._connection

    async def _keep(self) -> None:
        pause_s = FIRST_PAUSE_S
        try:
            while True:
                try:
                    connection = await self._reach()
                except Exception as error:  # noqa: BLE001 -- whatever keeps it from being reached
                    self._is_away(
                        f"{type(error).__name__}: {error}" if not isinstance(error, CannotRunHere) else str(error)
                    )
                    # Not all workers at once, when it is back.
                    await asyncio.sleep(pause_s * random.uniform(0.5, 1.0))  # noqa: S311
                    pause_s = min(pause_s * 2, LONGEST_PAUSE_S)
                    continue
                pause_s = FIRST_PAUSE_S
                await self._while_it_holds(connection)
        finally:
            await self._end_local()

    async def _reach(self) -> Connection:
        if self._options.address is None:
            await self._end_local()
            self._local = await _dask.LocalCluster(
                n_workers=self._options.workers,
                threads_per_worker=1,
                processes=True,
                dashboard_address=None,
                asynchronous=True,
            )
        where = self._options.address or self._local
        client = _dask.Client(where, asynchronous=True, set_as_default=False, timeout=REACH_WITHIN_S, name="chancy")
        try:
            await client
            await self._check_versions(client)
        except BaseException:
            with suppress(Exception):
                await client.close(1)
            raise
        return Connection(client, client.scheduler.address)

    async def _check_versions(self, client: Any) -> None:
        """Raise CannotRunHere if the scheduler is of another version; each Dask worker looks at its own."""
        if not self._options.same_versions:
            return
        there = (await client.get_versions())["scheduler"]
        found = {**dict(there["host"]), **there["packages"]}
        theirs = {
            "python": ".".join(str(found.get("python", "")).split(".")[:2]),
            "distributed": found.get("distributed"),
        }
        ours = {name: value for name, value in messages.versions().items() if name in theirs}
        differ = messages.differences(theirs, ours)
        if differ:
            raise CannotRunHere(
                f"its scheduler at {client.scheduler.address} has {differ}: install the same versions there, or set "
                "same_versions = false"
            )

    async def _while_it_holds(self, connection: Connection) -> None:
        away_s = time.monotonic() - self._away_since
        log.info("dask_connected", cluster=self.name, address=connection.address, away_s=round(away_s, 1))
        troubles.tell(self, None)
        self._lonely_since = None
        self._connection = connection
        try:
            await self._ask(connection)
            self._connected.set()
            asked_at = time.monotonic()
            while connection.holds:
                await asyncio.sleep(LOOK_EVERY_S)
                if time.monotonic() - asked_at > ASK_EVERY_S:
                    await self._ask(connection)
                    asked_at = time.monotonic()
        finally:
            self._connected.clear()
            self._connection = None
            self._slots(0)
            self._away_since = time.monotonic()
            connection.lose(f"The connection to {self.name} was lost.")
            await connection.close()
        self._is_away("the connection to its scheduler was lost")

    async def _ask(self, connection: Connection) -> None:
        """How many threads the cluster has now."""
        try:
            async with asyncio.timeout(REACH_WITHIN_S):
                threads = sum((await connection.client.nthreads()).values())
        except Exception as error:  # noqa: BLE001 -- a connection that is gone is noticed by itself
            log.debug("dask_not_asked", error=f"{type(error).__name__}: {error}")
            return
        # One that has none may get some as soon as there is a task.
        self._slots(max(threads, 1) if self._options.match_threads else None)
        if threads:
            self._lonely_since = None
            troubles.tell(self, None)
            return
        self._lonely_since = self._lonely_since or time.monotonic()
        if time.monotonic() - self._lonely_since > WORKERS_WITHIN_S:
            problem = f"{self.name} has no Dask worker"
            troubles.tell(self, f"{problem}.")
            connection.hand_back(f"{problem[0].upper()}{problem[1:]}.")

    def _is_away(self, problem: str) -> None:
        first = self._problem != problem
        self._problem = problem
        away_s, hint = round(time.monotonic() - self._away_since, 1), "It is tried again."
        troubles.tell(self, f"{self.name} cannot be reached: {problem}. Nothing is claimed for it meanwhile.")
        if first:
            log.warning("dask_away", cluster=self.name, problem=problem, away_s=away_s, hint=hint)
        else:
            log.info("dask_away", cluster=self.name, problem=problem, away_s=away_s, hint=hint)

    async def _end_local(self) -> None:
        if self._local is not None:
            local, self._local = self._local, None
            with suppress(Exception):
                await local.close(CLOSE_WITHIN_S)
