"""What everything else stands on: settings, plugins, connections, and the schema."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Self, TypeVar

import msgspec
import psycopg

from chancy_core import config
from chancy_core.app.pushing import Pusher
from chancy_core.app.turns import Turns
from chancy_core.app.waiting import Waiter
from chancy_core.config import Settings
from chancy_core.errors import NotOpen, SchemaError
from chancy_core.log import log
from chancy_core.plugins import Plugin, PluginHost, check_configured
from chancy_core.plugins import load as load_plugins
from chancy_core.store import Flow, Migration, Pool, Store, SyncPool, run, run_sync
from chancy_core.store.connect import connect, connect_sync, unavailable
from chancy_core.store.flow import AsyncConnection
from chancy_core.store.migrate import applied, kernel_migrations, migrate, problem
from chancy_core.store.tries import DEADLINE_S
from chancy_core.store.weather import Fault, fault_of

if TYPE_CHECKING:
    from chancy_core.embedded import EmbeddedServer

T = TypeVar("T")

APPLICATION_NAME: Final = "chancy"
# In a child: what belongs to its parent, which nothing here may close, not even the collector.
_PARENTS: Final[list[Any]] = []
_forked: Final = threading.RLock()


class Side(NamedTuple):
    """What is open in an event loop.

    Attributes:
        pool: its connections.
        pusher: writes its single pushes.
        waiter: watches the jobs that it waits for.
        loop: the event loop.
        turns: who may encode a large job.
    """

    pool: Pool
    pusher: Pusher
    waiter: Waiter
    loop: asyncio.AbstractEventLoop
    turns: Turns


class Opened:
    """A schema of a database, and the connections to it."""

    def __init__(
        self,
        dsn: str | None = None,
        *,
        config: str | Path | None = None,
        plugins: Sequence[Plugin] = (),
        **settings: Any,
    ) -> None:
        self.settings: Settings = _load(config, dsn=dsn, **settings)
        self.store: Final = Store(self.settings.schema, notifications=self.settings.notifications)
        self.plugins: Final = PluginHost(
            load_plugins(
                self.settings.plugins,
                plugins,
                self.settings.plugin_order,
                discover=self.settings.discover,
                source=str(self.settings.file or "the settings"),
            )
        )
        check_configured(self.settings.queues, self.plugins.enforced, self.settings.sources)
        self._server: EmbeddedServer | None = None
        self._side: Side | None = None
        self._sync_pool: SyncPool | None = None
        # Whose connections and server these are: not a child's that is forked off later.
        self._pid = os.getpid()
        self._opening = threading.Lock()
        self._sync_opening = threading.Lock()
        self._problem: SchemaError | None = None
        #: What opening it, or `migrate`, applied last.
        self.migrated: list[Migration] = []
        #: Whose tables `migrate` found that nobody here brings: plugins that were uninstalled or turned off.
        self.left_behind: list[str] = []

    # -- opening and closing ---------------------------------------------------------------

    @property
    def dsn(self) -> str:
        """The database in use. Raises NotOpen before the embedded one has been started."""
        if self.settings.dsn is not None:
            return self.settings.dsn
        if self._server is None:
            raise NotOpen("No DSN was given, and the embedded PostgreSQL starts when Chancy is opened.")
        return self._server.dsn

    async def open(self) -> None:
        """Connect, starting the embedded PostgreSQL if no database is named.

        Raises:
            DatabaseUnavailable: nothing answers there.
            SchemaError: the schema is missing and may not be created.
        """
        self._in_this_process()
        self._leave_dead_loop()
        if self._side is not None:
            raise NotOpen("This Chancy is open already.")
        with _alone(self._opening):
            try:
                if self.settings.dsn is None and self._server is None:
                    self._server = await asyncio.to_thread(_embedded_server)
                options = self._connection_options()
                async with await connect(self.dsn, **options, deadline_s=DEADLINE_S) as connection:
                    with self._unavailable():
                        if await run(connection, self._look()):
                            connection.deadline_s = None
                            await run(connection, self._migrate())
                pool = Pool(self.dsn, max_size=self.settings.pool_max_size, **options)
                await pool.open()
                pusher = Pusher(self.store, pool, notifications=self.settings.notifications)
                self._side = Side(pool, pusher, Waiter(self.store, pool), asyncio.get_running_loop(), Turns())
            except BaseException:
                self._release_server()
                raise

    async def close(self) -> None:
        """Write what is still waiting to be written, and disconnect; the latter also if this is cancelled."""
        self._in_this_process()
        side, self._side = self._side, None
        if side is None:
            return
        try:
            if side.loop is running_loop():
                await side.pusher.close()
        finally:
            try:
                if side.loop is running_loop():
                    await side.waiter.close()
            finally:
                side.pool.close_now()
                self._release_server()

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.close()

    def sync_open(self) -> None:
        """As `open`, for code without asyncio."""
        self._in_this_process()
        if self._sync_pool is not None:
            raise NotOpen("This Chancy is open already.")
        with _alone(self._sync_opening):
            try:
                if self.settings.dsn is None and self._server is None:
                    self._server = _embedded_server()
                options = self._connection_options()
                with connect_sync(self.dsn, **options, deadline_s=DEADLINE_S) as connection, self._unavailable():
                    if run_sync(connection, self._look()):
                        connection.deadline_s = None
                        run_sync(connection, self._migrate())
                self._sync_pool = self._new_sync_pool()
            except BaseException:
                self._release_server()
                raise

    def sync_close(self) -> None:
        """Disconnect."""
        self._in_this_process()
        pool, self._sync_pool = self._sync_pool, None
        if pool is not None:
            try:
                pool.close()
            finally:
                self._release_server()

    def __enter__(self) -> Self:
        self.sync_open()
        return self

    def __exit__(self, *exception: object) -> None:
        self.sync_close()

    @asynccontextmanager
    async def connect(self, *, application_name: str) -> AsyncIterator[AsyncConnection]:
        """A connection of its own to the database, for the length of the block, which closes it.

        For what must not wait for the pool, or keeps a connection for long, such as LISTEN. It has the settings of all
        of Chancy's connections, with the DSN's own before them, and autocommits outside `transaction()`.

        Args:
            application_name: what it is called in `pg_stat_activity`.

        Raises:
            NotOpen: no DSN was given, and the embedded PostgreSQL has not been started.
            DatabaseUnavailable: nothing answers there.
        """
        options = {**self._connection_options(), "application_name": application_name}
        async with await connect(self.dsn, **options) as connection:
            yield connection

    def _connection_options(self) -> dict[str, Any]:
        return {"application_name": APPLICATION_NAME, "pooler": self.settings.pooler}

    def _new_sync_pool(self) -> SyncPool:
        pool = SyncPool(self.dsn, max_size=self.settings.pool_max_size, **self._connection_options())
        pool.open()
        return pool

    @contextmanager
    def _unavailable(self) -> Iterator[None]:
        """A connection that is lost while this opens is as good as none."""
        try:
            yield
        except psycopg.Error as error:
            if fault_of(error) is Fault.GONE:
                raise unavailable(self.dsn, error) from error
            raise

    def _release_server(self) -> None:
        # The async and the sync side may both be open; the last one out lets the server go.
        if self._side is None and self._sync_pool is None and self._server is not None:
            server, self._server = self._server, None
            server.close()

    def _in_this_process(self) -> None:
        """In a child that was forked off: leave to its parent what is its parent's.

        The sockets lead nowhere here by now. What was open without asyncio is open here too, with connections of its
        own.
        """
        if self._pid == os.getpid():
            return
        dsn = self.dsn if self._sync_pool is not None or self._side is not None else None
        inherited = self._sync_pool
        self._pid = os.getpid()
        self._opening, self._sync_opening = threading.Lock(), threading.Lock()
        if self._server is not None and dsn is not None:
            self.settings = msgspec.structs.replace(self.settings, dsn=dsn)
        _PARENTS.append((self._side, self._sync_pool, self._server))
        self._side = self._sync_pool = self._server = None
        if inherited is not None:
            self._sync_pool = self._new_sync_pool()

    def _leave_dead_loop(self) -> None:
        """Forget what was opened in an event loop that has ended without closing this."""
        if self._side is not None and self._side.loop.is_closed():
            self._side.pool.close_now()
            self._side = None

    @property
    def _here(self) -> Side:
        """What was opened in this event loop. Raises NotOpen."""
        side = self._side
        if side is not None and side.loop is asyncio.get_running_loop():
            return side
        raise self._not_here()

    @property
    def _pusher(self) -> Pusher:
        return self._here.pusher

    @property
    def _waiter(self) -> Waiter:
        return self._here.waiter

    def _not_here(self) -> NotOpen:
        if self._pid != os.getpid():
            return NotOpen(
                f"This Chancy was opened by process {self._pid}, and this one was forked off it: use it inside "
                "`async with Chancy(…) as chancy:` of its own. (The methods that begin with sync_ work after a fork.)"
            )
        if self._side is None:
            return NotOpen("This Chancy is not open: use it inside `async with Chancy(…) as chancy:`.")
        return NotOpen(
            "This Chancy was opened in another event loop, which its connections belong to: open one in each loop "
            "(each asyncio.run makes a loop of its own), hand work to the other loop with "
            "asyncio.run_coroutine_threadsafe, or use the methods that begin with sync_."
        )

    @property
    def pool(self) -> Pool:
        """The application's connections. Raises NotOpen, also in another event loop than the one it was opened in."""
        side = self._side
        if side is None or running_loop() not in (None, side.loop) or self._pid != os.getpid():
            raise self._not_here()
        return side.pool

    @property
    def sync_pool(self) -> SyncPool:
        """The application's connections without asyncio. Raises NotOpen."""
        if self._pid != os.getpid():
            with _forked:
                self._in_this_process()
        if self._sync_pool is None:
            raise NotOpen("This Chancy is not open: use it inside `with Chancy(…) as chancy:`.")
        return self._sync_pool

    # -- the schema ------------------------------------------------------------------------

    def migrations(self) -> list[Migration]:
        """What the schema needs, in the order in which it is applied."""
        return [*kernel_migrations(), *self.plugins.migrations()]

    async def migrate(self) -> list[Migration]:
        """Bring the schema up to date: all that is missing, in one transaction.

        Returns:
            What was applied.

        Raises:
            SchemaError: it was made by newer code, may not be created, or is locked by somebody.
        """
        async with self.pool.connection() as connection:
            return await run(connection, self._migrate())

    def sync_migrate(self) -> list[Migration]:
        """As `migrate`, for code without asyncio."""
        with self.sync_pool.connection() as connection:
            return run_sync(connection, self._migrate())

    def check_schema(self) -> None:
        """Raise SchemaError if the schema, when this was opened, did not fit this code."""
        if self._problem is not None:
            raise self._problem

    def _migrate(self) -> Flow[list[Migration]]:
        wanted = self.migrations()
        done = yield from migrate(self.settings.schema, wanted)
        versions = yield from applied(self.settings.schema)
        self._problem = None
        self.migrated = done
        self.left_behind = sorted({*(versions or {})} - {migration.owner for migration in wanted})
        for migration in done:
            log.info("migration_applied", owner=migration.owner, version=migration.version)
        return done

    def _look(self) -> Flow[bool]:
        """Whether the schema does not fit this code, and may be changed so that it does."""
        versions = yield from applied(self.settings.schema)
        self._problem = problem(self.settings.schema, versions, self.migrations())
        if self._problem is None:
            return False
        allowed = self.settings.auto_migrate
        # A schema that is not there can hurt nobody by being made; one that holds jobs is changed when asked.
        return versions is None or self.settings.dsn is None if allowed is None else allowed

    async def _run(self, flow: Callable[[], Flow[T]]) -> T:
        self.check_schema()
        return await self.pool.run(flow)

    def _run_sync(self, flow: Callable[[], Flow[T]]) -> T:
        self.check_schema()
        return self.sync_pool.run(flow)

    async def _write(self, flow: Flow[T]) -> T:
        """Run a flow that changes something, and must not do so twice."""
        self.check_schema()
        return await self.pool.write(flow)

    def _write_sync(self, flow: Flow[T]) -> T:
        self.check_schema()
        return self.sync_pool.write(flow)


def running_loop() -> asyncio.AbstractEventLoop | None:
    """The event loop that runs this code, if one does."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


@contextmanager
def _alone(opening: threading.Lock) -> Iterator[None]:
    if not opening.acquire(blocking=False):
        raise NotOpen(
            "This Chancy is being opened already, by another task or thread: open it once, before they start."
        )
    try:
        yield
    finally:
        opening.release()


def _load(path: str | Path | None, **settings: Any) -> Settings:
    loaded = config.load(path, **settings)
    if loaded.pooler and loaded.notifications and loaded.sources.get("notifications", "default") == "default":
        # LISTEN belongs to a session, which a transaction pooler does not keep.
        loaded = msgspec.structs.replace(loaded, notifications=False)
    return loaded


def _embedded_server() -> EmbeddedServer:
    from chancy_core import embedded  # noqa: PLC0415 -- ten modules, for those who name no database

    return embedded.acquire()
