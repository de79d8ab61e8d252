"""Write down what failed, in the transaction that records the failure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import psycopg
from chancy import Outcome, State, Worker
from chancy.plugin import Migration, Plugin, Statements, hookimpl, read_migrations

SQL = Statements("acme_chancy.sql")


class Failures(Plugin):
    """Has a row for each failed job in the table `acme_failures`.

    A job that will be tried again has not failed.

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
    async def on_start(self, worker: Worker) -> None:
        """Learn the schema."""
        self._schema = worker.chancy.settings.schema

    @hookimpl
    async def on_complete(self, outcomes: Sequence[Outcome], connection: psycopg.AsyncConnection[Any]) -> None:
        """Write the rows of a batch, with one statement."""
        failed = [outcome for outcome in outcomes if outcome.state is State.FAILED and self._wants(outcome)]
        if failed:
            await SQL.rows(connection, self._schema, "insert_failures", **_columns(failed))

    def _wants(self, outcome: Outcome) -> bool:
        return self.queues is None or outcome.job.queue in self.queues


def _columns(failed: Sequence[Outcome]) -> dict[str, list[Any]]:
    return {
        "job": [outcome.job.id for outcome in failed],
        "queue": [outcome.job.queue for outcome in failed],
        "func": [outcome.job.func for outcome in failed],
        "error": [outcome.error.type if outcome.error else None for outcome in failed],
        "message": [outcome.error.message if outcome.error else outcome.note for outcome in failed],
    }
