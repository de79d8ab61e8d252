"""`Chancy`: what an application holds."""

from __future__ import annotations

import logging
import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self

import msgspec

from chancy_core import config
from chancy_core.app.connections import Connections
from chancy_core.app.ending import hearing
from chancy_core.app.opening import Opening
from chancy_core.app.operation import faces
from chancy_core.app.operations import acting, finding, jobs, pushes, queues, waits
from chancy_core.app.reference import Reference
from chancy_core.app.schema import Schema
from chancy_core.config import Settings
from chancy_core.config.variables import OF_PLUGIN
from chancy_core.errors import ConfigError
from chancy_core.log import below
from chancy_core.plugins import Loaded, Plugin, PluginHost, check_configured, load_plugins
from chancy_core.plugins.enforced import enforced_by
from chancy_core.store import Migration, Pool, Store, SyncPool, run, run_sync
from chancy_core.store.flow import AsyncConnection
from chancy_core.values.queue import Executor

if TYPE_CHECKING:
    from chancy_core.app.overloaded import Overloaded
else:
    Overloaded = object


class Chancy(Overloaded):
    """A job queue in one schema of one PostgreSQL database.

    ```python
    chancy = Chancy("postgresql://localhost/app")

    reference = await chancy.push(Job.from_func(greet, kwargs={"name": "Alice"}))
    ```

    Make one for the whole application, where its modules find it. It opens itself at its first use, in every event
    loop, in every thread (where the methods whose names begin with `sync_` work), and in processes that were forked
    off; it is closed at the end of the process. With `async with`, or plain `with` in code without asyncio, it is
    opened at the beginning of the block, and closed at its end.

    Args:
        dsn: where the database is: a connection string, or a dict of Django's settings, `DATABASES["default"]`. Without
            one, here, in `CHANCY_DSN` or in the configuration file: the embedded PostgreSQL, a private server for
            development.
        config: the configuration file; by default `chancy.toml` or `pyproject.toml` is looked for.
        plugins: plugins to add to those that are installed; or a dict, the settings of those that are installed by
            their names, as the tables `[plugins.NAME]` of the file have them.
        log: a logger of your application's, to whose handlers Chancy's events go; one for the whole process. By default
            they go to the logger `chancy`, and from there to the root logger.
        settings: any other setting of `[chancy]`, by its name, such as `schema="billing"`.

    Attributes:
        settings: what is configured.
        plugins: those that are loaded.
        added: those of them that were given here.
        log: the logger to set a level or handlers on: the one that was given, or `chancy`.
        store: the names of its schema.
        connections: all of its connections; `pool` and `sync_pool` are the ones to use.
        opening: when these are open.

    Raises:
        ConfigError: a setting that is unknown or out of range.
        PluginError: plugins that cannot be used; every problem of each.
    """

    Executor: ClassVar[type[Executor]] = Executor

    def __init__(
        self,
        dsn: str | Mapping[str, Any] | None = None,
        *,
        config: str | Path | None = None,
        plugins: Sequence[Plugin] | Mapping[str, Mapping[str, Any]] = (),
        log: logging.Logger | None = None,
        **settings: Any,
    ) -> None:
        if isinstance(plugins, Mapping):
            settings["plugins"], plugins = plugins, ()
        if log is not None and not isinstance(log, logging.Logger):
            raise ConfigError(f"argument log is {log!r:.60}: give a logger, such as logging.getLogger('app').")
        # A child process is given those of its worker, as they are.
        self.settings: Final = config if isinstance(config, Settings) else _load(config, dsn=dsn, **settings)
        self.log: Final = below(log)
        self.store: Final = Store(self.settings.schema, notifications=self.settings.notifications)
        self.plugins: Final = PluginHost(self._load_plugins(plugins))
        self.added: Final = tuple(plugins)
        self._schema: Final = Schema(self.settings, self.plugins, self.store)
        self.connections: Final = Connections(self.settings, self.store, self._schema)
        if self.plugins.has("on_end"):
            self.connections.hearer = partial(hearing, self.store, self.plugins)
        self.opening: Final = Opening(self, self.connections, self._schema)

    def _load_plugins(self, added: Sequence[Plugin]) -> list[Loaded]:
        """The plugins in force, which enforce whatever limits the settings name."""
        loaded = load_plugins(
            self.settings.plugins,
            added,
            self.settings.plugin_order,
            discover=self.settings.discover,
            source=_source(self.settings),
        )
        check_configured(self.settings.queues, enforced_by(loaded), self.settings.sources)
        return loaded

    # -- its life --------------------------------------------------------------------------

    async def open(self) -> None:
        """Connect now, starting the embedded PostgreSQL if no database is named, and make the schema if it is missing.

        It need not be called: whatever is asked first opens it. It is for those who want to hear at their start what
        would keep them from pushing later, and it stays open until it is closed.

        Raises:
            NotOpen: it was opened before, and has not been closed.
            DatabaseUnavailable: nothing answers there.
            SchemaError: the schema is missing and may not be created.
            PluginError: a plugin's `on_open` failed.
        """
        await self.opening.open()

    async def close(self) -> None:
        """Write what is still waiting to be written, and disconnect; the latter also if this is cancelled.

        It does not open itself again. What was opened in another event loop, or for threads, is closed with it, unless
        that was opened by an `open` of its own.
        """
        await self.opening.close()

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.close()

    def sync_open(self) -> None:
        """As `open`, for code without asyncio."""
        self.opening.open_sync()

    def sync_close(self) -> None:
        """As `close`, for code without asyncio."""
        self.opening.close_sync()

    def __enter__(self) -> Self:
        self.sync_open()
        return self

    def __exit__(self, *exception: object) -> None:
        self.sync_close()

    @asynccontextmanager
    async def lifespan(self, app: object = None) -> AsyncIterator[dict[str, Any]]:  # noqa: ARG002 -- it is given one
        """Open it while a web application runs: `FastAPI(lifespan=chancy.lifespan)`; Starlette's and Litestar's, too.

        Args:
            app: the application, which these give to what they call; nothing of it is used.

        Yields:
            What requests find in their state: `request.state.chancy` is this Chancy. An application with more to open
            does so inside of this block, and yields this together with its own. Litestar hands none of it on.
        """
        async with self:
            yield {"chancy": self}

    # -- its connections -------------------------------------------------------------------

    @property
    def dsn(self) -> str:
        """The database in use. Raises NotOpen before the embedded one has been started."""
        return self.connections.database.dsn

    @property
    def pool(self) -> Pool:
        """The application's connections in this event loop. Raises NotOpen if it was closed, or no loop runs."""
        return self.opening.pool

    @property
    def sync_pool(self) -> SyncPool:
        """The application's connections without asyncio. Raises as `sync_open`."""
        return self.opening.ready_sync(fits=False).pool

    @asynccontextmanager
    async def connect(self, *, application_name: str) -> AsyncIterator[AsyncConnection]:
        """A connection of its own to the database, for the length of the block, which closes it.

        For what must not wait for the pool, or keeps a connection for long, such as LISTEN. It has the settings of all
        of Chancy's connections, with the DSN's own before them, and autocommits outside `transaction()`.

        Args:
            application_name: what it is called in `pg_stat_activity`.

        Raises:
            NotOpen: no DSN was given, and it has been closed.
            DatabaseUnavailable: nothing answers there.
        """
        if self.connections.database.must_start:
            await self.opening.ready(fits=False)
        async with self.connections.connect(application_name=application_name) as connection:
            yield connection

    # -- its schema ------------------------------------------------------------------------

    @property
    def migrated(self) -> list[Migration]:
        """What opening it, or `migrate`, applied last."""
        return self._schema.migrated

    @property
    def left_behind(self) -> list[str]:
        """Whose tables `migrate` found that nobody here brings: plugins that were uninstalled or turned off."""
        return self._schema.left_behind

    def migrations(self) -> list[Migration]:
        """What the schema needs, in the order in which it is applied."""
        return self._schema.migrations()

    @property
    def schema_fits(self) -> bool:
        """Whether the schema fitted this code, when this was opened or migrated."""
        return self._schema.fits

    def check_schema(self) -> None:
        """Raise SchemaError if the schema, when this was opened, did not fit this code."""
        self._schema.check()

    async def migrate(self) -> list[Migration]:
        """Bring the schema up to date: all that is missing, in one transaction.

        Returns:
            What was applied.

        Raises:
            SchemaError: it was made by newer code, may not be created, or is locked by somebody.
        """
        side = await self.opening.ready(fits=False)
        async with side.pool.connection() as connection:
            done = await run(connection, self._schema.migrate())
        await self.opening.telling.opened()
        return done

    def sync_migrate(self) -> list[Migration]:
        """As `migrate`, for code without asyncio."""
        with self.sync_pool.connection() as connection:
            done = run_sync(connection, self._schema.migrate())
        self.opening.telling.opened_sync()
        return done

    # -- what it is asked: each operation is written once, and has two faces ----------------

    def reference(self, text: str | uuid.UUID) -> Reference:
        """The reference to a job, from its text. Raises InvalidJob if that is no id."""
        return Reference(text, self)

    push, sync_push = pushes.push, pushes.sync_push
    push_many, sync_push_many = pushes.push_many, pushes.sync_push_many

    get_job, sync_get_job = faces(jobs.get_job)
    get_jobs, sync_get_jobs = faces(jobs.get_jobs)
    find_jobs, sync_find_jobs = faces(finding.find_jobs)
    find_hits, sync_find_hits = faces(finding.find_hits)
    find_failures, sync_find_failures = faces(finding.find_failures)
    cancel_job, sync_cancel_job = faces(jobs.cancel_job)
    delete_jobs, sync_delete_jobs = faces(acting.delete_jobs)
    update_jobs, sync_update_jobs = faces(acting.update_jobs)
    if not TYPE_CHECKING:  # `Overloaded` has their types
        count_jobs, sync_count_jobs = faces(finding.count_jobs)
        cancel_jobs, sync_cancel_jobs = faces(acting.cancel_jobs)
        retry_jobs, sync_retry_jobs = faces(acting.retry_jobs)

    wait_for_job, sync_wait_for_job = waits.wait_for_job, waits.sync_wait_for_job
    wait_for_jobs, sync_wait_for_jobs = waits.wait_for_jobs, waits.sync_wait_for_jobs

    declare, sync_declare = faces(queues.declare)
    get_queue, sync_get_queue = faces(queues.get_queue)
    get_all_queues, sync_get_all_queues = faces(queues.get_all_queues)
    get_unreadable_queues, sync_get_unreadable_queues = faces(queues.get_unreadable_queues)
    pause_queue, sync_pause_queue = faces(queues.pause_queue)
    resume_queue, sync_resume_queue = faces(queues.resume_queue)
    delete_queue, sync_delete_queue = faces(queues.delete_queue)
    get_serving, sync_get_serving = faces(queues.get_serving)
    get_workers, sync_get_workers = faces(queues.get_workers)


def _load(path: str | Path | None, **settings: Any) -> Settings:
    loaded = config.load_settings(path, **settings)
    if loaded.pooler and loaded.notifications and loaded.sources.get("notifications", "default") == "default":
        # LISTEN belongs to a session, which a transaction pooler does not keep.
        loaded = msgspec.structs.replace(loaded, notifications=False)
    return loaded


def _source(settings: Settings) -> str:
    """Where the tables of plugins come from, for errors about them: the file, and variables."""
    file = str(settings.file or "the settings")
    return ", ".join([file, *sorted({one for one in settings.sources.values() if OF_PLUGIN.fullmatch(one)})])
