"""What everything else stands on: settings, plugins, connections, and the schema."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar

import msgspec

from chancy_core import config
from chancy_core.config import Settings
from chancy_core.errors import NotOpen, SchemaError
from chancy_core.log import log
from chancy_core.plugins import Plugin, PluginHost, check_configured
from chancy_core.plugins import load as load_plugins
from chancy_core.pushing import Pusher
from chancy_core.store import Flow, Migration, Pool, Store, SyncPool, run, run_sync
from chancy_core.store.connect import connect, connect_sync
from chancy_core.store.flow import AsyncConnection
from chancy_core.store.migrate import applied, kernel_migrations, migrate, problem
from chancy_core.waiting import Waiter

if TYPE_CHECKING:
    from chancy_core.embedded import EmbeddedServer

T = TypeVar("T")

APPLICATION_NAME: Final = "chancy"


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
        self.settings: Final[Settings] = _load(config, dsn=dsn, **settings)
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
        self._pool: Pool | None = None
        self._sync_pool: SyncPool | None = None
        self._pusher: Pusher | None = None
        self._waiter: Waiter | None = None
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
        if self._pool is not None:
            raise NotOpen("This Chancy is open already.")
        if self.settings.dsn is None and self._server is None:
            self._server = await asyncio.to_thread(_embedded_server)
        try:
            options = self._connection_options()
            async with await connect(self.dsn, **options) as connection:
                await run(connection, self._set_up())
            pool = Pool(self.dsn, max_size=self.settings.pool_max_size, **options)
            await pool.open()
        except BaseException:
            self._release_server()
            raise
        self._pool = pool
        self._pusher = Pusher(self.store, pool, notifications=self.settings.notifications)
        self._waiter = Waiter(self.store, pool)

    async def close(self) -> None:
        """Write what is still waiting to be written, and disconnect."""
        pool, self._pool = self._pool, None
        if pool is None:
            return
        try:
            if self._pusher is not None:
                await self._pusher.close()
            if self._waiter is not None:
                await self._waiter.close()
            await pool.close()
        finally:
            self._release_server()

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.close()

    def sync_open(self) -> None:
        """As `open`, for code without asyncio."""
        if self._sync_pool is not None:
            raise NotOpen("This Chancy is open already.")
        if self.settings.dsn is None and self._server is None:
            self._server = _embedded_server()
        try:
            options = self._connection_options()
            with connect_sync(self.dsn, **options) as connection:
                run_sync(connection, self._set_up())
            pool = SyncPool(self.dsn, max_size=self.settings.pool_max_size, **options)
            pool.open()
        except BaseException:
            self._release_server()
            raise
        self._sync_pool = pool

    def sync_close(self) -> None:
        """Disconnect."""
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

    def _release_server(self) -> None:
        # The async and the sync side may both be open; the last one out lets the server go.
        if self._pool is None and self._sync_pool is None and self._server is not None:
            server, self._server = self._server, None
            server.close()

    @property
    def pool(self) -> Pool:
        """The application's connections. Raises NotOpen."""
        if self._pool is None:
            raise NotOpen("This Chancy is not open: use it inside `async with Chancy(…) as chancy:`.")
        return self._pool

    @property
    def sync_pool(self) -> SyncPool:
        """The application's connections without asyncio. Raises NotOpen."""
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

    def _set_up(self) -> Flow[None]:
        versions = yield from applied(self.settings.schema)
        self._problem = problem(self.settings.schema, versions, self.migrations())
        if self._problem is None:
            return
        allowed = self.settings.auto_migrate
        if allowed is None:
            # A schema that is not there can hurt nobody by being made; one that holds jobs is changed when asked.
            allowed = versions is None or self.settings.dsn is None
        if allowed:
            yield from self._migrate()

    async def _run(self, flow: Callable[[], Flow[T]]) -> T:
        self.check_schema()
        return await self.pool.run(flow)

    def _run_sync(self, flow: Callable[[], Flow[T]]) -> T:
        self.check_schema()
        return self.sync_pool.run(flow)


def _load(path: str | Path | None, **settings: Any) -> Settings:
    loaded = config.load(path, **settings)
    if loaded.pooler and loaded.notifications and loaded.sources.get("notifications", "default") == "default":
        # LISTEN belongs to a session, which a transaction pooler does not keep.
        loaded = msgspec.structs.replace(loaded, notifications=False)
    return loaded


def _embedded_server() -> EmbeddedServer:
    from chancy_core import embedded  # noqa: PLC0415 -- ten modules, for those who name no database

    return embedded.acquire()
