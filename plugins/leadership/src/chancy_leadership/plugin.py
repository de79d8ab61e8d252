"""The plugin: its settings, its hooks, and what applications call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final, Self

import psycopg

from chancy import Chancy, Worker
from chancy.errors import ConfigError
from chancy.plugin import Finding, Migration, Plugin, check_seconds, hookimpl, read_migrations
from chancy_leadership import clock
from chancy_leadership.candidate import Candidate
from chancy_leadership.elector import Elector
from chancy_leadership.errors import NotLeader
from chancy_leadership.fence import fence
from chancy_leadership.findings import find
from chancy_leadership.leader import Leader, get_leader

if TYPE_CHECKING:
    import click

NAME: Final = "leadership"
LEASE_MIN_S: Final = 0.5
LEASE_MAX_S: Final = 3600.0
# Two renewals may fail before the lease is in danger.
RENEWALS_PER_LEASE: Final = 3


class Leadership(Plugin):
    """Elects one leader among the workers of a schema.

    Leadership is per process: the workers of one `Chancy` stand as one, and lead as one. A process stands while at
    least one of its workers has not been told to stop.

    Attributes:
        lease_s: seconds for which a leader leads without giving a sign of life, from 0.5 to 3600: after a leader was
            killed, another one is elected within this.
        interval: seconds between renewals, at most half the lease; by default a third of it.
    """

    name: ClassVar[str] = NAME

    lease_s: float = 15.0

    def __post_init__(self) -> None:
        check_seconds("lease_s", self.lease_s, LEASE_MIN_S, LEASE_MAX_S)
        if self.interval is None:
            self.interval = self.lease_s / RENEWALS_PER_LEASE
        if not 0 < self.interval <= self.lease_s / 2:
            raise ConfigError(
                f"interval is {self.interval!r}: give seconds above 0, at most half of lease_s, which is "
                f"{self.lease_s:g}; or leave it out, for a third."
            )
        self._interval_s: float = self.interval
        self._chancy: Chancy | None = None
        self._workers: list[Worker] = []
        self._elector: Elector | None = None

    # -- hooks -----------------------------------------------------------------------------

    @hookimpl
    def is_leader(self) -> bool:
        """Whether this process leads, from memory."""
        return self.term is not None

    @hookimpl
    async def on_start(self, worker: Worker) -> None:
        """Stand for election with the first worker of this process."""
        if self._workers and worker.chancy is not self._chancy:
            raise ConfigError("one Leadership object serves two Chancy objects: give each its own.")
        self._chancy = worker.chancy
        self._workers.append(worker)
        if self._elector is None:
            self._elector = Elector(
                worker.chancy,
                Candidate(worker.name, self.lease_s, clock.seconds),
                lease_s=self.lease_s,
                interval_s=self._interval_s,
                stands=self._stands,
            )
            await self._elector.start()

    @hookimpl
    async def on_stop(self, worker: Worker) -> None:
        """Resign with the last worker of this process."""
        if worker in self._workers:
            self._workers.remove(worker)
        if not self._workers and self._elector is not None:
            elector, self._elector = self._elector, None
            await elector.stop()

    @hookimpl
    async def on_tick(self) -> None:
        """Let the worker hear what went wrong with the elections; they have a task of their own."""
        if self._elector is not None:
            self._elector.report()

    @hookimpl
    async def findings(self, chancy: Chancy) -> list[Finding]:
        """That nobody leads, although somebody could."""
        return await find(chancy, self.lease_s)

    @hookimpl
    def migrations(self) -> list[Migration]:
        """The table."""
        return read_migrations(NAME, "chancy_leadership.migrations")

    @hookimpl
    def commands(self) -> list[click.Command]:
        """`chancy leader`."""
        from chancy_leadership.commands import leader  # noqa: PLC0415 -- click comes with the command line only

        return [leader]

    # -- for applications ------------------------------------------------------------------

    @classmethod
    def of(cls, chancy: Chancy) -> Self:
        """The plugin of an application.

        Raises:
            LookupError: it has none.
        """
        for loaded in chancy.plugins.loaded:
            if isinstance(loaded.plugin, cls):
                return loaded.plugin
        raise LookupError("This Chancy has no leadership plugin: install chancy-leadership, or enable it.")

    @property
    def term(self) -> int | None:
        """The term in which this process leads now; None if it does not. Answers from memory, on any thread.

        Each election raises it: of two numbers, the greater one is the later leader's. What receives work from leaders
        can refuse whatever comes with a number below the greatest that it has seen.
        """
        elector = self._elector
        return elector.candidate.term if elector is not None else None

    async def fence(self, connection: psycopg.AsyncConnection[Any]) -> int:
        """Make a transaction the leader's own: until it ends, nobody else is elected.

        ```python
        async with tick.connection() as connection, connection.transaction():
            term = await leadership.fence(connection)
            ...
        ```

        Keep such transactions short: others who wait to be elected wait for them. Renewals do not.

        Args:
            connection: to the same database, in a transaction.

        Returns:
            The term.

        Raises:
            NotLeader: this process does not lead. Nothing is locked.
            ValueError: the connection is not in a transaction.
        """
        elector, chancy, term = self._elector, self._chancy, self.term
        if elector is None or chancy is None or term is None:
            raise NotLeader("This process does not lead now: leave the work to the leader.")
        await fence(connection, chancy.settings.schema, elector.candidate.holder, term)
        return term

    @staticmethod
    async def get_leader(chancy: Chancy) -> Leader | None:
        """Who leads, as the database has it; None if nobody ever did. Raises SchemaError."""
        return await get_leader(chancy)

    def _stands(self) -> bool:
        return any(not worker.stopping for worker in self._workers)
