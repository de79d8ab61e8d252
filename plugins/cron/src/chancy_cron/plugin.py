"""The plugin: its settings, its hooks, and what applications call."""

from __future__ import annotations

from datetime import datetime, tzinfo
from typing import TYPE_CHECKING, Any, ClassVar, Final, overload

import msgspec
import psycopg

from chancy import Chancy, Reference, Worker
from chancy.plugin import (
    Finding,
    Migration,
    Plugin,
    Tick,
    WebPage,
    check_seconds,
    check_whole,
    hookimpl,
    is_outage,
    log,
    read_migrations,
    text_of,
)
from chancy_cron import declared, manage
from chancy_cron.clock import ClockWatch
from chancy_cron.declare import declare, declare_settings
from chancy_cron.errors import InvalidSchedule
from chancy_cron.findings import find
from chancy_cron.fire import fire_due
from chancy_cron.schedule import Missed, Schedule, StoredSchedule, job_of

if TYPE_CHECKING:
    import click

NAME: Final = "cron"
INTERVAL_MIN_S: Final = 0.01
INTERVAL_MAX_S: Final = 60.0
LATE_MAX_S: Final = 3600.0
KEEP_FIRES_MAX: Final = 100_000
# What comes due before the next look is waited for in the tick, at most so long: a tick has to end in time.
AHEAD_S: Final = 1.0


class Cron(Plugin):
    """Pushes jobs on schedules, each fire exactly once, whatever the number of workers.

    ```toml
    [[plugins.cron.schedules]]
    name = "nightly"
    cron = "0 3 * * *"
    timezone = "Europe/Berlin"
    job = { func = "app.jobs.report", kwargs = { full = true } }
    ```

    Attributes:
        schedules: tables with the fields of `Schedule`, or `Schedule` objects. A worker that starts declares them, and
            removes those that it declared before and that are gone.
        interval: seconds between two looks for what is due.
        late_s: a fire that is this many seconds late, or less, is still in time; a later one counts as missed.
        keep_fires: how many fires of each schedule are remembered.
        owner: in whose name `schedules` are declared; applications that share a schema and have schedules in files of
            their own need different ones, or they remove each other's.
        strict: whether a schedule is refused whose function cannot be run in the process that declares it. By default
            that is a warning, because the jobs may be run elsewhere.
    """

    name: ClassVar[str] = NAME
    # Its statements are small.
    answer_within_s: ClassVar[float | None] = 5.0

    schedules: list[Any] = msgspec.field(default_factory=list)
    interval: float | None = 0.5
    late_s: float = 60.0
    keep_fires: int = 100
    owner: str = ""
    strict: bool = False

    def __post_init__(self) -> None:
        check_seconds("interval", self.interval, INTERVAL_MIN_S, INTERVAL_MAX_S)
        check_seconds("late_s", self.late_s, 1, LATE_MAX_S)
        check_whole("keep_fires", self.keep_fires, 1, KEEP_FIRES_MAX)
        tables = self.schedules
        self.schedules = declared.schedules(tables)
        self._given = declared.given_fields(tables, self.schedules)
        self._clock = ClockWatch()
        self._away = False

    # -- hooks -----------------------------------------------------------------------------

    @hookimpl
    def migrations(self) -> list[Migration]:
        """The tables of schedules and fires."""
        return read_migrations(NAME, "chancy_cron.migrations")

    @hookimpl
    def commands(self) -> list[click.Command]:
        """`chancy cron`."""
        # Workers and applications do without the command line, and so without what it needs.
        from chancy_cron.commands import cron  # noqa: PLC0415

        return [cron]

    @hookimpl
    async def on_start(self, worker: Worker) -> None:
        """Declare the schedules of the settings."""
        await declare_settings(worker.chancy, self.schedules, self.owner, self._given, strict=self.strict)

    @hookimpl
    async def on_tick(self, tick: Tick) -> None:
        """Fire what is due."""
        try:
            await fire_due(
                tick, late_s=self.late_s, keep_fires=self.keep_fires, ahead_s=min(self.interval or 0, AHEAD_S)
            )
            await self._clock.look(tick)
        except psycopg.Error as error:
            if not is_outage(error):
                raise
            # The database is away, or did not have it; nothing was committed, and the next tick is soon enough.
            if not self._away:
                log.warning("tick_put_off", plugin=NAME, error=text_of(error))
            self._away = True
        else:
            self._away = False

    @hookimpl
    async def findings(self, chancy: Chancy) -> list[Finding]:
        """Schedules that are late, cannot be read, cannot fire, or name a function that is not there."""
        return await find(chancy, self.late_s)

    @hookimpl
    def pages(self) -> list[WebPage]:
        """The page of the schedules."""
        # Only the dashboard shows it.
        from chancy_cron.page import SCHEDULES  # noqa: PLC0415

        return [SCHEDULES]

    # -- what applications call ------------------------------------------------------------

    @overload
    @staticmethod
    async def schedule(
        chancy: Chancy,
        cron: str,
        job: Any,
        *,
        name: str | None = ...,
        timezone: str | tzinfo = ...,
        queue: str | None = ...,
        missed: Missed | str = ...,
        missed_max: int = ...,
        jitter_s: float = ...,
        overlap: bool = ...,
        strict: bool | None = ...,
    ) -> StoredSchedule: ...

    @overload
    @staticmethod
    async def schedule(
        chancy: Chancy,
        cron: str,
        job: Any,
        second: Any,
        /,
        *more: Any,
        name: None = ...,
        timezone: str | tzinfo = ...,
        queue: str | None = ...,
        missed: Missed | str = ...,
        missed_max: int = ...,
        jitter_s: float = ...,
        overlap: bool = ...,
        strict: bool | None = ...,
    ) -> list[StoredSchedule]: ...

    @staticmethod
    async def schedule(
        chancy: Chancy,
        cron: str,
        job: Any,
        *more: Any,
        name: str | None = None,
        timezone: str | tzinfo = "UTC",
        queue: str | None = None,
        missed: Missed | str = Missed.ONCE,
        missed_max: int = 100,
        jitter_s: float = 0.0,
        overlap: bool = True,
        strict: bool | None = None,
    ) -> StoredSchedule | list[StoredSchedule]:
        """Declare a schedule, or change the one of that name; of several jobs, a schedule each, all or none.

        Declared anew with the same times, or while a fire is due, it keeps its next time: nothing is lost.

        ```python
        await Cron.schedule(chancy, "*/5 * * * *", report, timezone="Europe/Berlin")
        ```

        A function that cannot be run in this process is a warning in the log, because workers may well be able to.

        Args:
            chancy: an open Chancy that has the plugin.
            cron: five fields, six with seconds first, or a name such as `@hourly`.
            job: a `Job`, or a function decorated with `@job`.
            more: further ones, at the same times.
            name: what it is known by; by default the job's unique key, and without one the name of its function. A
                schedule that is given no name never replaces one that differs from it.
            timezone: as the fields of `Schedule`, and so are the others.
            queue: as above.
            missed: as above.
            missed_max: as above.
            jitter_s: as above.
            overlap: as above.
            strict: whether a function that cannot be run in this process is refused; by default, as the plugin's
                setting says.

        Returns:
            The schedule as it is stored; of several jobs, a list of them.

        Raises:
            InvalidSchedule: a value that cannot be, the name of a schedule that the configuration file declares, or a
                different schedule that goes by the same name, which was not given.
            UnknownQueue: nobody declared the queue.
        """
        if more and name is not None:
            raise InvalidSchedule(f"name is {name!r}, for {len(more) + 1} jobs: each schedule needs one of its own.")
        schedules = [
            Schedule(
                name=name,  # type: ignore[arg-type]  # None, and given one, there
                cron=cron,
                job=job_of(one),
                timezone=timezone,
                queue=queue,
                missed=missed,  # type: ignore[arg-type]  # checked, and made a Missed, there
                missed_max=missed_max,
                jitter_s=jitter_s,
                overlap=overlap,
            )
            for one in (job, *more)
        ]
        found = await declare(chancy, schedules, named=name is not None, strict=strict)
        return found if more else found[0]

    @staticmethod
    async def unschedule(chancy: Chancy, *names: str) -> None:
        """Remove schedules, by name, one after the other. Jobs they have pushed stay. Raises ScheduleNotFound.

        One that the configuration file declares comes back when the next worker starts.
        """
        for name in names:
            await manage.remove(chancy, name)

    @staticmethod
    async def get_schedules(chancy: Chancy) -> list[StoredSchedule]:
        """Every schedule, by name. One that this code cannot read is named in the log, and left out."""
        return await manage.get_all(chancy)

    @staticmethod
    async def pause(chancy: Chancy, name: str) -> None:
        """Stop firing a schedule, until it is resumed. Raises ScheduleNotFound."""
        await manage.pause(chancy, name)

    @staticmethod
    async def resume(chancy: Chancy, name: str) -> datetime | None:
        """Fire a paused schedule again, from its next time on; nothing is made up for.

        Returns:
            Its next time, in UTC.

        Raises:
            ScheduleNotFound: there is none of that name.
        """
        return await manage.resume(chancy, name)

    @staticmethod
    async def run_now(chancy: Chancy, name: str) -> Reference:
        """Push a schedule's job now, paused or not; its times stay as they are.

        Returns:
            The job's handle. Its `created` is False if the schedule must not overlap and its last job is not finished.

        Raises:
            ScheduleNotFound: there is none of that name.
            UnknownQueue: its queue has been deleted.
        """
        return await manage.run_now(chancy, name)

    @staticmethod
    async def next_times(chancy: Chancy, name: str, count: int = 5) -> list[datetime]:
        """The next times of a schedule, in its time zone, by the database's clock. Raises ScheduleNotFound."""
        return await manage.next_times(chancy, name, count)
