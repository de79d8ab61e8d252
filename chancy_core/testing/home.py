"""The schema of a test process, and a Chancy for it: made once, since tests roll back what they do in it."""

from __future__ import annotations

from typing import Any, Final

import psycopg

from chancy_core.app import Chancy
from chancy_core.store import run_sync
from chancy_core.store.flow import Flow, Query
from chancy_core.store.registry import quoted
from chancy_core.store.statements import statement
from chancy_core.testing.spares import new_name

_SQL: Final = "chancy_core.testing.sql"


class Home:
    """A schema that one test after the other finds clean. One in which something was left is replaced.

    Args:
        dsn: the database.
    """

    def __init__(self, dsn: str) -> None:
        self._dsn: Final = dsn
        self._chancy: Chancy | None = None
        self._queues: list[str] = []

    def chancy(self) -> Chancy:
        """A Chancy for it, which is open, with the plugins that are installed."""
        if self._chancy is None:
            chancy = Chancy(self._dsn, schema=new_name())
            chancy.sync_open()
            self._queues = sorted(queue.name for queue in chancy.sync_get_all_queues())
            self._chancy = chancy
        return self._chancy

    def tidy(self) -> None:
        """A test has ended: if it has left anything, the next one finds another schema."""
        chancy = self._chancy
        if chancy is None:
            return
        # One that a test has closed is as good as used.
        with psycopg.connect(self._dsn, autocommit=True) as connection:
            clean = run_sync(connection, self._look(chancy.settings.schema))
        if not clean:
            self.end()

    def _look(self, schema: str) -> Flow[Any]:
        ((clean,),) = yield Query(statement("is_clean", schema, _SQL), {"queues": self._queues})
        return clean

    def end(self) -> None:
        """Drop it."""
        chancy, self._chancy = self._chancy, None
        if chancy is None:
            return
        chancy.sync_close()
        with psycopg.connect(self._dsn, autocommit=True) as connection:
            connection.execute(b"SET client_min_messages = error")
            connection.execute(f"DROP SCHEMA IF EXISTS {quoted(chancy.settings.schema)} CASCADE".encode())
