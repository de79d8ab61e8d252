"""Whether the schema fits this code, and how it is made to."""

from __future__ import annotations

from typing import Final

from chancy_core.app.declaring import declare_configured
from chancy_core.config import Settings
from chancy_core.errors import SchemaError, nearest
from chancy_core.log import log
from chancy_core.plugins import PluginHost
from chancy_core.store import Flow, Migration, Store
from chancy_core.store.bounded import BoundedAsyncConnection, BoundedConnection
from chancy_core.store.connect import where
from chancy_core.store.flow import Query
from chancy_core.store.migrate import applied, kernel_migrations, migrate, problem
from chancy_core.store.registry import edited
from chancy_core.store.statements import statement

EDITED: Final = "Its statements are not those that were applied to this schema: `chancy migrate` says what to do."


class Schema:
    """The schema of the settings, as this code needs it; with the queues that these name.

    Attributes:
        problem: what keeps this code from using it; None: nothing, as far as anybody has looked.
        looked: whether anybody has.
        migrated: what was applied last.
        left_behind: whose tables were found that nobody here brings: plugins that were uninstalled or turned off.
        may_be_missing: whether opening goes on if it is missing: it is made then, or told at the first use. Commands
            that only read are told when they open, and make none.
    """

    def __init__(self, settings: Settings, plugins: PluginHost, store: Store) -> None:
        self._settings = settings
        self._store = store
        self._plugins = plugins
        self.problem: SchemaError | None = None
        self.looked = False
        self.migrated: list[Migration] = []
        self.left_behind: list[str] = []
        self.may_be_missing = True

    @property
    def fits(self) -> bool:
        """Whether it fitted this code when it was looked at last."""
        return self.problem is None

    def check(self) -> None:
        """Raise SchemaError unless it fits."""
        if self.problem is not None:
            raise self.problem

    def migrations(self) -> list[Migration]:
        """What it needs, in the order in which it is applied."""
        return [*kernel_migrations(), *self._plugins.migrations()]

    def prepare(self, connection: BoundedAsyncConnection | BoundedConnection, *, makes: bool) -> Flow[None]:
        """Look whether it fits, and bring it up to date if it does not and that is allowed.

        Args:
            connection: on which the flow runs: a migration may take longer than its deadline, and others wait for it.
            makes: whether one that is missing may be made: nobody makes one by looking at it.
        """
        if (yield from self._look(makes=makes)):
            connection.deadline_s = None
            yield from self._migrate()
        if self.fits and self.may_be_missing:
            yield from declare_configured(self._store, self._settings)

    def migrate(self) -> Flow[list[Migration]]:
        """Bring it up to date: all that is missing, in one transaction. Returns what was applied."""
        done = yield from self._migrate()
        yield from declare_configured(self._store, self._settings)
        return done

    def _migrate(self) -> Flow[list[Migration]]:
        wanted = self.migrations()
        done = yield from migrate(self._settings.schema, wanted, pooler=self._settings.pooler)
        found = yield from applied(self._settings.schema)
        self.problem, self.looked = None, True
        self.migrated = done
        self.left_behind = sorted({*(found or {})} - {migration.owner for migration in wanted})
        for migration in done:
            log.info("migration_applied", owner=migration.owner, version=migration.version)
        return done

    def _look(self, *, makes: bool) -> Flow[bool]:
        """Whether it does not fit this code, and may be changed so that it does."""
        wanted = self.migrations()
        found = yield from applied(self._settings.schema)
        for migration in edited(found or {}, wanted):
            log.warning("migration_edited", owner=migration.owner, version=migration.version, hint=EDITED)
        self.problem, self.looked = problem(self._settings.schema, found, wanted), True
        if self.problem is None:
            return False
        allowed = self._settings.auto_migrate
        if found is None and (allowed is False or not makes or not self.may_be_missing):
            self.problem = yield from missing(self._settings)
            if not self.may_be_missing:
                raise self.problem
            return False
        # A schema that is not there can hurt nobody by being made; one that holds jobs is changed when asked.
        return found is None or self._settings.dsn is None if allowed is None else allowed


def missing(settings: Settings) -> Flow[SchemaError]:
    """What to say where the schema is not there: in which database, and what may have been meant."""
    schema, place = settings.schema, where(settings.dsn) if settings.dsn else "the embedded PostgreSQL"
    rows = yield Query(statement("find_schemas", schema))
    known = nearest(schema, [name for (name,) in rows]) if rows else " No schema there holds tables of Chancy."
    return SchemaError(
        f"The schema {schema!r} has not been set up in {place}.{known} "
        f"To make it: `chancy --schema {schema} migrate` (or `await chancy.migrate()`)."
    )
