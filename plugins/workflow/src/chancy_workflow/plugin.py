"""The plugin: its settings and its hooks."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Final

import psycopg

from chancy import Chancy, Ended, Ending, JobContext, Worker
from chancy.errors import ConfigError, InvalidJob
from chancy.plugin import Finding, Migration, Plugin, Tick, check_seconds, duration_s, hookimpl, read_migrations
from chancy_workflow import repairing
from chancy_workflow.advancing import EndedJob, jobs_ended
from chancy_workflow.beginning import META
from chancy_workflow.contained import Stuck, each_run, tell
from chancy_workflow.findings import find
from chancy_workflow.work import Ask, Work, grouped, run

if TYPE_CHECKING:
    import click

    from chancy.plugin import Gauge, WebPage, WebPanel
    from chancy_workflow.kept import Kept

NAME: Final = "workflow"
INTERVAL_MIN_S: Final = 0.05
INTERVAL_MAX_S: Final = 60.0
KEEP_LEAST_S: Final = 60
# Whoever records the ends of jobs waits so long at most for who moves the same run on, and is told again later.
LOCK_MS: Final = 2000
# Looking for ends that nobody told of reads every step that was pushed.
REPAIR_EVERY_S: Final = 5.0
FORGET_EVERY_S: Final = 60.0


class Workflows(Plugin):
    """Moves runs of workflows on, in the transactions in which their jobs end.

    Attributes:
        interval: seconds between two looks for signals that were sent in transactions of others, and for time-outs.
        keep: for how long runs are kept after they have ended, and what jobs have kept: "36h", "14d", "forever".
    """

    name: ClassVar[str] = NAME
    # Time-outs, and signals of other transactions.
    ticks_in_tests: ClassVar[bool] = True

    interval: float | None = 1.0
    keep: str = "14d"

    def __post_init__(self) -> None:
        """Raise ConfigError for a setting out of its range."""
        check_seconds("interval", self.interval, INTERVAL_MIN_S, INTERVAL_MAX_S)
        self._keep_s = duration_s("keep", self.keep, least_s=KEEP_LEAST_S)
        # The open ones that it serves; a worker's is the first.
        self._open: list[Chancy] = []
        self._repair_at = float("-inf")
        self._forget_at = float("-inf")

    @hookimpl
    def migrations(self) -> list[Migration]:
        """The tables of runs, steps, edges and signals, and of what jobs keep."""
        return read_migrations(NAME, "chancy_workflow.migrations")

    @hookimpl
    def commands(self) -> list[click.Command]:
        """`chancy workflow`."""
        # Workers and applications do without the command line, and so without what it needs.
        from chancy_workflow.commands import workflow  # noqa: PLC0415

        return [workflow]

    @hookimpl
    def pages(self) -> list[WebPage]:
        """The page of the runs, and that of one."""
        # Only the dashboard shows them.
        from chancy_workflow.page import RUN, RUNS  # noqa: PLC0415

        return [RUNS, RUN]

    @hookimpl
    def panels(self) -> list[WebPanel]:
        """On a job's page: the run that it is a step of, and what it has kept."""
        from chancy_workflow.page import STEPS  # noqa: PLC0415

        return [STEPS]

    @hookimpl
    async def findings(self, chancy: Chancy) -> list[Finding]:
        """Signals that do not come, and functions that no worker can run."""
        return await find(chancy)

    def steps_of(self, context: JobContext) -> Kept:
        """What a job keeps: `context.step` and `context.each` ask for it."""
        # Few jobs do.
        from chancy_workflow.kept import Kept  # noqa: PLC0415

        return Kept(context)

    @hookimpl
    async def gauges(self, chancy: Chancy) -> list[Gauge]:
        """Runs by state, how long they took, and the signals that are waited for."""
        from chancy_workflow.gauges import read  # noqa: PLC0415 -- only where there are metrics

        return await read(chancy)

    @hookimpl
    async def on_open(self, chancy: Chancy) -> None:
        """Learn whose jobs these are. A dashboard opens others that are set as this one, and have its plugins."""
        if any(_where(one) != _where(chancy) for one in self._open):
            raise ConfigError(
                "one Workflows object serves two Chancy objects of different databases or schemas: give each its own."
            )
        self._open.append(chancy)

    @hookimpl
    def on_close(self, chancy: Chancy) -> None:
        """Forget it."""
        self._open = [one for one in self._open if one is not chancy]

    @hookimpl
    async def on_start(self, worker: Worker) -> None:
        """Prefer the worker's, which can change things: that of a dashboard may only look."""
        self._open.sort(key=lambda one: one is not worker.chancy)

    @property
    def _chancy(self) -> Chancy | None:
        return self._open[0] if self._open else None

    @hookimpl
    async def on_end(self, ended: Sequence[Ended], connection: psycopg.AsyncConnection[Any]) -> None:
        """Move on the runs whose jobs these are."""
        # A batch without a step costs nothing. One whose meta its function has thrown away is found by the tick.
        chancy = self._chancy
        if chancy is not None and any(META in one.meta for one in ended):
            await run(chancy, connection, _told(ended))

    @hookimpl
    async def on_tick(self, tick: Tick) -> None:
        """Signals and time-outs; on the leader also what nobody told of, and runs that are old."""
        chancy = self._chancy
        if chancy is None:
            return
        stuck: list[Stuck] = []
        async with tick.connection() as connection:
            more: bool | None = True
            while more and (runs := await run(chancy, connection, repairing.find_due())):
                more = await each_run(chancy, connection, [(id_,) for id_ in runs], repairing.move_due, stuck)
            stopped = await run(chancy, connection, repairing.find_stopped())
            if tick.is_leader and time.monotonic() >= self._repair_at:
                await self._repair(chancy, connection, stuck)
        await self._cancel(chancy, stopped, stuck)
        tell(stuck)

    async def _cancel(self, chancy: Chancy, stopped: list[Any], stuck: list[Stuck]) -> None:
        """Cancel the jobs of runs that were stopped: those of a run whose note is no reason keep no others waiting."""
        for note, jobs in grouped(stopped, 1).items():
            try:
                await chancy.cancel_jobs([row[0] for row in jobs], reason=note.strip() or None)
            except InvalidJob as error:
                stuck.append(Stuck(jobs[0][2], error))

    async def _repair(self, chancy: Chancy, connection: psycopg.AsyncConnection[Any], stuck: list[Stuck]) -> None:
        lost = await run(chancy, connection, repairing.find_lost())
        if lost:
            await each_run(chancy, connection, lost, repairing.repair, stuck)
        if self._keep_s is not None and time.monotonic() >= self._forget_at:
            while await run(chancy, connection, repairing.forget(self._keep_s)) == repairing.RUNS_AT_ONCE:
                pass
            while await run(chancy, connection, repairing.forget_kept(self._keep_s)) == repairing.JOBS_AT_ONCE:
                pass
            self._forget_at = time.monotonic() + FORGET_EVERY_S
        self._repair_at = time.monotonic() + REPAIR_EVERY_S


def _where(chancy: Chancy) -> tuple[str | None, str]:
    return chancy.settings.dsn, chancy.settings.schema


def _told(ended: Sequence[Ended]) -> Work[None]:
    over = [one for one in ended if not one.revived]
    jobs = [EndedJob(str(one.id), _state(one), one.note, one.at) for one in over]
    if not jobs:
        return
    if (yield Ask("lock_runs_of", {"jobs": [one.id for one in jobs], "ms": str(LOCK_MS)})):
        yield from jobs_ended(jobs, min(one.at for one in over))


def _state(one: Ended) -> str:
    return "expired" if one.how is Ending.EXPIRY else str(one.state)
