"""The plugin: its settings and its hooks."""

from __future__ import annotations

import itertools
import time
import uuid
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, Final

from chancy import Chancy, Outcome, QueuedJob, Worker
from chancy.plugin import (
    Finding,
    Migration,
    Plugin,
    Tick,
    check_seconds,
    check_whole,
    hookimpl,
    read_migrations,
)
from chancy_history.findings import find
from chancy_history.lengths import length_s
from chancy_history.recorder import Recorder
from chancy_history.store import Connection, Writing, add, keep_up

if TYPE_CHECKING:
    import click

NAME: Final = "history"
# A count belongs to a minute: written later, it would be told of the wrong one.
INTERVAL_MAX_S: Final = 60.0
# Hours are made of minutes, so these have to last until that is done, and a day of outage longer.
MINUTES_LEAST_S: Final = 7200
HOURS_LEAST_S: Final = 86_400
UPKEEP_EVERY_S: Final = 60.0


class History(Plugin):
    """Keeps how many jobs of each queue and function began and ended, how, and how long they waited and ran.

    Workers count in memory, and write every ten seconds what has moved; reading it are `chancy history`,
    `chancy_history.rates` and whoever else wants to know.

    Attributes:
        interval: seconds between two writings of a worker, 1 to 60.
        keep_minutes: how long the rows of minutes are kept: "36h", "2d".
        keep_hours: how long the rows of hours are kept.
        max_functions: how many pairs of a queue and a function a worker keeps apart in one writing; more than these
            are counted together, as the function `(other)`.
    """

    name: ClassVar[str] = NAME
    answer_within_s: ClassVar[float | None] = 10.0

    interval: float | None = 10.0
    keep_minutes: str = "2d"
    keep_hours: str = "90d"
    max_functions: int = 200

    def __post_init__(self) -> None:
        """Raise ConfigError for a setting out of its range."""
        check_seconds("interval", self.interval, 1, INTERVAL_MAX_S)
        check_whole("max_functions", self.max_functions, 1, 10_000)
        self._minutes_s = length_s("keep_minutes", self.keep_minutes, MINUTES_LEAST_S)
        self._hours_s = length_s("keep_hours", self.keep_hours, HOURS_LEAST_S)
        self._recorder = Recorder(self.max_functions)
        self._taken_at = time.monotonic()
        self._upkeep_at = float("-inf")
        self._writer = uuid.uuid4().hex
        self._numbers = itertools.count(1)
        self._unanswered: Writing | None = None

    # -- hooks -----------------------------------------------------------------------------

    @hookimpl
    def migrations(self) -> list[Migration]:
        """The tables of minutes, hours, totals and depths."""
        return read_migrations(NAME, "chancy_history.migrations")

    @hookimpl
    def commands(self) -> list[click.Command]:
        """`chancy history`."""
        # Workers and applications do without the command line, and so without what it needs.
        from chancy_history.commands import history  # noqa: PLC0415

        return [history]

    @hookimpl
    async def findings(self, chancy: Chancy) -> list[Finding]:
        """Workers that do not count, and counts that nobody writes."""
        return await find(chancy, NAME)

    @hookimpl
    def on_claim(self, jobs: list[QueuedJob]) -> None:
        """Count what begins."""
        self._recorder.claimed(jobs)

    @hookimpl
    def on_recorded(self, outcomes: Sequence[Outcome]) -> None:
        """Count what has ended, once that is recorded."""
        self._recorder.recorded(outcomes)

    @hookimpl
    async def on_tick(self, tick: Tick) -> None:
        """Write what was counted; once a minute, if this worker leads, keep the tables up."""
        async with tick.connection() as connection:
            await self._write(connection, tick.schema)
            if tick.is_leader and time.monotonic() >= self._upkeep_at:
                await keep_up(connection, tick.schema, self._minutes_s, self._hours_s)
                self._upkeep_at = time.monotonic() + UPKEEP_EVERY_S

    @hookimpl
    async def on_stop(self, worker: Worker) -> None:
        """Write what was counted since the last tick."""
        async with worker.chancy.pool.connection() as connection:
            await self._write(connection, worker.chancy.settings.schema)

    async def _write(self, connection: Connection, schema: str) -> None:
        """Write what was counted; before that, what was on its way when an answer was lost."""
        if self._unanswered is not None:
            await self._write_one(connection, schema, self._unanswered)
        taken, now = self._recorder.take(), time.monotonic()
        # After an outage, what was counted long ago is told of now, not of a minute that may be an hour already.
        within_s, self._taken_at = min(now - self._taken_at, INTERVAL_MAX_S), now
        if taken:
            await self._write_one(connection, schema, Writing(self._writer, next(self._numbers), taken, within_s))

    async def _write_one(self, connection: Connection, schema: str, writing: Writing) -> None:
        self._unanswered = writing
        await add(connection, schema, writing)
        self._unanswered = None
