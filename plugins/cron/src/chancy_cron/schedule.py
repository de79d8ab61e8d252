"""What a schedule is."""

from __future__ import annotations

from datetime import datetime, tzinfo
from enum import StrEnum
from typing import Any, Final

import msgspec

from chancy import Job
from chancy.plugin import Range, check_json, check_seconds, check_text, check_whole
from chancy_cron.errors import InvalidSchedule
from chancy_cron.expression import parse
from chancy_cron.times import zone, zone_name

NAME_LENGTH_MAX: Final = 200
MISSED_MAX_LIMIT: Final = 10_000
MISSED_MAX: Final = Range(1, MISSED_MAX_LIMIT, "a whole number", whole=True)
# A jitter that is longer is a slip of the unit.
JITTER_S: Final = Range(0, 86_400, "seconds", note="a day")


class Missed(StrEnum):
    """What happens to times that passed while nobody ran."""

    SKIP = "skip"
    """Nothing."""
    ONCE = "once"
    """One job for all of them."""
    ALL = "all"
    """A job for each, up to the schedule's `missed_max`."""


class Schedule(msgspec.Struct, frozen=True, kw_only=True):
    """A schedule, as it is declared.

    Attributes:
        name: what it is known by, at most 200 characters. By default the job's `unique_key`, and without one the name
            of its function.
        cron: five fields, six with seconds first, or a name such as `@hourly`.
        job: what is pushed.
        timezone: the zone of `cron`'s times, such as `Europe/Berlin` or `ZoneInfo("Europe/Berlin")`; kept as the name.
        queue: where it is pushed to, instead of the job's own queue.
        missed: what happens to times that passed while nobody ran: `skip`, `once` or `all`.
        missed_max: how many missed times `all` makes up for, at most; the latest.
        jitter_s: each job starts up to so many seconds after its time, at random.
        overlap: False: no new job while the one before is not finished. It is the job's `unique_key` that does it; a
            job without one is given `cron:` and the schedule's name.

    Raises:
        InvalidSchedule: a value that cannot be, with the field and what would be right.
    """

    # It always has one once it is made.
    name: str = None  # type: ignore[assignment]
    cron: str
    job: Job
    timezone: str | tzinfo = "UTC"
    queue: str | None = None
    missed: Missed = Missed.ONCE
    missed_max: int = 100
    jitter_s: float = 0.0
    overlap: bool = True

    def __post_init__(self) -> None:
        _check_job(self.job)
        if self.job.json == "typed":
            # A schedule is stored, and shown, as what it will push.
            msgspec.structs.force_setattr(self, "job", self.job.with_kwargs(self.job.to_dict()["kwargs"]))
        if self.name is None:
            msgspec.structs.force_setattr(self, "name", default_name(self.job))
        check_text("name", self.name, most=NAME_LENGTH_MAX, error=InvalidSchedule)
        parse(self.cron)
        zone(self.timezone)
        msgspec.structs.force_setattr(self, "timezone", zone_name(self.timezone))
        self._check_numbers()
        if self.missed not in tuple(Missed):
            raise InvalidSchedule(f"missed is {self.missed!r}: give 'skip', 'once' or 'all'.")
        msgspec.structs.force_setattr(self, "missed", Missed(self.missed))
        if not isinstance(self.overlap, bool):
            raise InvalidSchedule(f"overlap is {self.overlap!r}: give true or false.")
        if not self.overlap and self.job.unique_while != "live":
            raise InvalidSchedule(
                f"overlap is False, and job.unique_while {self.job.unique_while!r}: one of them says that a job may "
                "wait while the one before runs, the other that it may not. Leave one of them out."
            )
        if self.queue is not None:
            # A queue's name is checked by the job.
            msgspec.structs.force_setattr(self, "job", self.job.with_queue(self.queue))
        msgspec.structs.force_setattr(self, "queue", self.job.queue)

    def _check_numbers(self) -> None:
        check_seconds("jitter_s", self.jitter_s, JITTER_S.low, JITTER_S.high, error=InvalidSchedule)
        check_whole("missed_max", self.missed_max, 1, MISSED_MAX_LIMIT, error=InvalidSchedule)


class StoredSchedule(msgspec.Struct, frozen=True, kw_only=True):
    """A schedule, as the database holds it.

    Attributes:
        name … overlap: as in `Schedule`.
        paused: whether it fires.
        next_at: its next time; one in the past is about to be fired.
        last_fired_at: the latest time that was fired.
        last_job: the id of the job that was pushed then; None if the job before it was still there.
        last_error: why it could not be fired the last time it was tried.
        source: `toml`: from the plugin's settings; `code`: from `Cron.schedule` or `chancy cron add`.
    """

    name: str
    cron: str
    job: Job
    timezone: str
    queue: str
    missed: Missed
    missed_max: int
    jitter_s: float
    overlap: bool
    paused: bool
    next_at: datetime | None
    last_fired_at: datetime | None
    last_job: str | None
    last_error: str | None
    source: str

    def to_dict(self) -> dict[str, Any]:
        """Every field by its name, as what JSON has: for a web endpoint, `json.dumps`, or a log."""
        found: dict[str, Any] = msgspec.to_builtins(self)
        return found | {"job": self.job.to_dict()}


def default_name(job: Job) -> str:
    """What a schedule of this job is known by if it was given no name."""
    return job.unique_key or job.func


def job_of(value: Any) -> Job:
    """The job in what somebody gave as one: a Job, or a function decorated with `@job`. Raises InvalidSchedule."""
    found = getattr(value, "job", value)
    if isinstance(found, Job):
        return found
    raise InvalidSchedule(f"job is {value!r:.80}: give a Job, or a function decorated with @job().")


def _check_job(job: Any) -> None:
    if not isinstance(job, Job):
        raise InvalidSchedule(f"job is {job!r:.80}: give a Job.")
    if job.scheduled_at is not None:
        raise InvalidSchedule(f"job.scheduled_at is {job.scheduled_at}: it is the schedule that says when.")
    # Now rather than at the first fire.
    for field in ("meta",) if job.json == "typed" else ("kwargs", "meta"):
        check_json(f"job.{field}", getattr(job, field), error=InvalidSchedule)
