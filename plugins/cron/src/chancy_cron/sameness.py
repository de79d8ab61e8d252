"""Whether a schedule that was given no name is the one that is stored under the name it would go by, or another."""

from __future__ import annotations

from typing import Final

import msgspec

from chancy import Job
from chancy_cron.errors import InvalidSchedule
from chancy_cron.schedule import Schedule, StoredSchedule

# What a schedule's job does. Everything else is when, where and how.
_WORK: Final = ("job.func", "job.kwargs")
_FIELDS: Final = ("cron", "timezone", "missed", "missed_max", "jitter_s", "overlap")


def differences(stored: StoredSchedule, schedule: Schedule) -> list[str]:
    """The fields in which two schedules differ, those of their jobs as `job.kwargs`."""
    # As it will be stored: a tuple becomes a list.
    job = msgspec.json.decode(msgspec.json.encode(schedule.job), type=Job)
    return [
        *(name for name in _FIELDS if getattr(stored, name) != getattr(schedule, name)),
        *(f"job.{name}" for name in Job.__struct_fields__ if getattr(stored.job, name) != getattr(job, name)),
    ]


def check_same(stored: StoredSchedule, schedule: Schedule) -> None:
    """Raise InvalidSchedule if a schedule without a name would replace another.

    Its job's unique key says that it is the same piece of work: then its times and the like may be changed, as long as
    it is the same function with the same arguments. Two schedules of one function are two schedules.
    """
    different = differences(stored, schedule)
    if schedule.job.unique_key is not None:
        different = [name for name in different if name in _WORK]
    if different:
        raise InvalidSchedule(
            f"There is a schedule {schedule.name!r} already, and it is another one ({', '.join(different)}): a "
            "schedule without a name goes by its job's unique_key, or else by its function. To have both, give this "
            f"one a name of its own; to change the one that is there, give name={schedule.name!r}."
        )
