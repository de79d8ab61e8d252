"""A worker's connections: one for each duty that needs its own, reopened after whatever happens to them."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Final, TypeVar

import psycopg

from chancy_core.errors import DatabaseUnavailable
from chancy_core.store.bounded import BoundedAsyncConnection
from chancy_core.store.connect import connect
from chancy_core.store.flow import AsyncConnection, Flow, run
from chancy_core.store.spare import SPARE
from chancy_core.store.weather import ConnectionGone, Fault, NoAnswer, fault_of, of_no_use, text_of

T = TypeVar("T")

# What a worker pins on its own connections. The statements of a queue are planned against statistics that are always
# stale; with one join method and no scans of whole tables there is one plan left, which is right at every size. And so
# it need not be made anew for each claim, which the planner would choose to do.
PINNED: Final = {
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "enable_material": "off",
    "enable_memoize": "off",
    "enable_bitmapscan": "off",
    "jit": "off",
    "plan_cache_mode": "force_generic_plan",
    # Every statement expects to see what was committed before it began, whatever the database's default is.
    "default_transaction_isolation": "read committed",
}

# What a worker sets where plugins take part in a claim. A worker that was stopped in the middle holds what they locked:
# the server ends its session after a time that every hook, whatever it waits for, stays within. And claims from all
# limited queues of a worker take turns, so that none of them may wait for a lock for long.
WITH_PLUGINS: Final = {"idle_in_transaction_session_timeout": "3s", "lock_timeout": "250ms"}

# How long connecting may take: shorter than for an application, because a worker tries again anyway.
CONNECT_TIMEOUT_S: Final = 4
# Between two attempts to connect. All duties of a worker share the connection, and so the attempts.
FIRST_PAUSE_S: Final = 0.05
LONGEST_PAUSE_S: Final = 1.0
# The server ends a statement so much later than its worker has given it up, so that it holds no locks for nobody.
SERVER_LATER_S: Final = 1.0


class WorkerConnection:
    """A worker's connection for one duty: opened when needed, reopened after a failure, plans pinned.

    Behind a transaction pooler the settings cannot stay on a session, so each use carries them in
    its own transaction.

    Args:
        dsn: where the database is.
        application_name: what the database shows it as.
        pooler: whether a transaction pooler stands between.
        settings: more settings than the pinned plans.
        deadline_s: how long the database may be silent while somebody waits for it; then the connection is given up.

    """

    def __init__(
        self,
        dsn: Callable[[], str],
        *,
        application_name: str,
        pooler: bool,
        settings: Mapping[str, str] | None = None,
        deadline_s: float | None = None,
    ) -> None:
        self._dsn = dsn
        self._name = application_name
        self._pooler = pooler
        self._deadline_s = deadline_s
        limits = {}
        if deadline_s is not None:
            limits["statement_timeout"] = f"{(deadline_s + SERVER_LATER_S) * 1000:.0f}ms"
        self._settings = {**PINNED, **limits, **(settings or {})}
        self._connection: BoundedAsyncConnection | None = None
        self._lock = asyncio.Lock()
        self._pause_s = FIRST_PAUSE_S
        self._next_try_at = 0.0
        #: Called when it was given up because nothing came: others that lead to the same server are likely to hang too.
        self.on_silence: Callable[[], Awaitable[None]] | None = None
        # Since when somebody has waited without any answer, by the monotonic clock.
        self._asked_at: float | None = None

    async def run(self, flow: Flow[T]) -> T:
        """Run a flow with pinned plans, each statement on its own.

        Raises:
            ConnectionGone: the connection was lost, or is of no more use; what became of the statement is unknown.
            psycopg.Error: the server refused something; `fault_of` says what that means.
        """
        async with self._held() as connection:
            if not self._pooler:
                return await run(connection, flow)
            async with connection.transaction():
                await self._pin(connection, local=True)
                return await run(connection, flow)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncConnection]:
        """A transaction with pinned plans. Raises as `run`."""
        async with self._held() as connection, connection.transaction():
            if self._pooler:
                await self._pin(connection, local=True)
            yield connection

    async def ready(self) -> None:
        """Have it open, so that it need not be opened when that may no longer be possible."""
        if self._connection is None:
            async with self._held():
                pass

    @asynccontextmanager
    async def _held(self) -> AsyncIterator[AsyncConnection]:
        """The connection, for one user at a time."""
        self._ask()
        async with self._lock:
            self._ask()
            connection = await self._open()
            try:
                yield connection
            except psycopg.Error as error:
                if fault_of(error) is not Fault.GONE and not of_no_use(connection):
                    self._asked_at = None
                    raise
                await self.close()
                if isinstance(error, NoAnswer) and self.on_silence is not None:
                    await self.on_silence()
                if isinstance(error, ConnectionGone):
                    raise
                raise ConnectionGone(text_of(error)) from error
            except BaseException:
                if of_no_use(connection):
                    await self.close()
                else:
                    self._asked_at = None
                raise
            self._asked_at = None

    def _ask(self) -> None:
        if self._asked_at is None:
            self._asked_at = time.monotonic()

    @property
    def unanswered_s(self) -> float:
        """For how long somebody has waited for it, or for several of them in turn, without any answer; in seconds."""
        return 0.0 if self._asked_at is None else time.monotonic() - self._asked_at

    async def close(self) -> None:
        """Close it; a later use opens it again."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()

    async def close_if_idle(self) -> None:
        """Close it unless somebody uses it just now."""
        if not self._lock.locked():
            await self.close()

    def cut(self) -> None:
        """Let it be lost, for whoever waits for it as well."""
        if self._connection is not None:
            self._connection.cut()

    async def _open(self) -> AsyncConnection:
        if self._connection is None or self._connection.broken or self._connection.closed:
            self._connection = None
            self._connection = await self._opened()
        return self._connection

    async def _opened(self) -> BoundedAsyncConnection:
        wait_s = self._next_try_at - time.monotonic()
        if wait_s > 0:
            await asyncio.sleep(wait_s)
        try:
            with SPARE.descriptors():
                connection = await self._connected()
        except (psycopg.Error, DatabaseUnavailable, OSError):
            self._next_try_at = time.monotonic() + self._pause_s * random.uniform(0.5, 1)  # noqa: S311
            self._pause_s = min(self._pause_s * 2, LONGEST_PAUSE_S)
            raise
        self._pause_s = FIRST_PAUSE_S
        return connection

    async def _connected(self) -> BoundedAsyncConnection:
        connection = await connect(
            self._dsn(),
            application_name=self._name,
            pooler=self._pooler,
            connect_timeout_s=CONNECT_TIMEOUT_S,
            deadline_s=self._deadline_s,
        )
        try:
            if not self._pooler:
                await self._pin(connection, local=False)
        except BaseException:
            await connection.close()
            raise
        return connection

    async def _pin(self, connection: AsyncConnection, *, local: bool) -> None:
        calls = ", ".join(f"set_config('{name}', '{value}', {local})" for name, value in self._settings.items())
        await connection.execute(f"SELECT {calls}".encode())
