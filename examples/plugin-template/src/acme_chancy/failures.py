"""Write down what failed, exactly once, in the transaction by which the plugin is told."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import psycopg
from chancy import Chancy, Ended, State
from chancy.plugin import Migration, Plugin, Statements, hookimpl, read_migrations

SQL = Statements("acme_chancy.sql")


class Failures(Plugin):
    """Has a row for each failure of a job in the table `acme_failures`, however it came about.

    A job that will be tried again has not failed. One that is brought back with `retry_jobs` and fails again has a
    second row.

    Attributes:
        queues: only the failures of these queues; None: of all.
    """

    name: ClassVar[str] = "failures"

    queues: list[str] | None = None

    def __post_init__(self) -> None:
        if self.queues is not None and not self.queues:
            raise ValueError("queues is empty: name at least one, or leave it out, for all.")
        # What is not a setting is kept in attributes with an underscore.
        self._schema = ""

    @hookimpl
    def migrations(self) -> list[Migration]:
        """The table."""
        return read_migrations(self.name, "acme_chancy.migrations")

    @hookimpl
    async def on_open(self, chancy: Chancy) -> None:
        """Learn the schema, in a worker or in an application: both call `on_end`."""
        self._schema = chancy.settings.schema

    @hookimpl
    async def on_end(self, ended: Sequence[Ended], connection: psycopg.AsyncConnection[Any]) -> None:
        """Write the rows of a batch, with one statement."""
        failed = [one for one in ended if one.state is State.FAILED and self._wants(one)]
        if failed:
            await SQL.rows(
                connection,
                self._schema,
                "insert_failures",
                jobs=[one.id for one in failed],
                claims=[one.claims for one in failed],
                queues=[one.queue for one in failed],
                funcs=[one.func for one in failed],
                notes=[one.note for one in failed],
            )

    def _wants(self, one: Ended) -> bool:
        return self.queues is None or one.queue in self.queues
