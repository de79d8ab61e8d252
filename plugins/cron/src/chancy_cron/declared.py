"""Schedules from the tables of the configuration file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from chancy import Backoff, Job
from chancy.plugin import nearest
from chancy_cron.errors import InvalidSchedule
from chancy_cron.schedule import Schedule

JOB_FIELDS: Final = [name for name in Job.__struct_fields__ if name != "scheduled_at"]
REQUIRED: Final = ("cron", "job")


def schedules(tables: Iterable[Any]) -> list[Schedule]:
    """The schedules in `[[plugins.cron.schedules]]`, or given in code as `Schedule`.

    Raises:
        InvalidSchedule: all that is wrong, a line each.
    """
    found: list[Schedule] = []
    wrong: list[str] = []
    for place, table in enumerate(tables):
        try:
            found.append(table if isinstance(table, Schedule) else _schedule(table))
        except ValueError as error:
            wrong.append(f"schedules[{place}]{_named(table)}: {error}")
    names = [schedule.name for schedule in found]
    wrong.extend(
        f"schedules: there are {names.count(name)} named {name!r}: each needs a name of its own."
        for name in sorted(set(names))
        if names.count(name) > 1
    )
    if wrong:
        raise InvalidSchedule("\n  ".join(wrong))
    return found


def given_fields(tables: Iterable[Any], found: Iterable[Schedule]) -> dict[str, set[str]]:
    """By the name of each schedule, the fields of its job that its table has: they mean what they say."""
    given: dict[str, set[str]] = {}
    for table, schedule in zip(tables, found, strict=True):
        if isinstance(table, Mapping):
            job = table["job"]
            given[schedule.name] = {*(job if isinstance(job, Mapping) else ()), *({"queue"} & table.keys())}
    return given


def _schedule(table: Any) -> Schedule:
    _check_keys("", table, Schedule.__struct_fields__)
    for key in REQUIRED:
        if key not in table:
            raise InvalidSchedule(f"{key} is missing.")
    return Schedule(**{**table, "job": _job(table["job"])})


def _job(value: Any) -> Job:
    """`"app.jobs.report"`, or a table with the fields of a `Job`."""
    if isinstance(value, Job):
        return value
    if isinstance(value, str):
        return Job(func=value)
    _check_keys("job.", value, JOB_FIELDS)
    if "func" not in value:
        raise InvalidSchedule("job.func is missing: give the importable name of a function.")
    if isinstance(value.get("backoff"), Mapping):
        _check_keys("job.backoff.", value["backoff"], Backoff.__struct_fields__)
    fields = dict(value)
    try:
        if isinstance(fields.get("backoff"), Mapping):
            fields["backoff"] = Backoff(**fields["backoff"])
        return Job(**fields)
    except ValueError as error:
        raise InvalidSchedule(f"job.{error}") from None


def _check_keys(prefix: str, table: Any, known: Iterable[str]) -> None:
    if not isinstance(table, Mapping):
        raise InvalidSchedule(f"{prefix.rstrip('.') or 'a schedule'} is {table!r:.60}: give a table.")
    for key in table:
        if key not in set(known):
            raise InvalidSchedule(f"{prefix}{key} is unknown.{nearest(str(key), known)}")


def _named(table: Any) -> str:
    name = table.get("name") if isinstance(table, Mapping) else None
    return f" ({name})" if isinstance(name, str) else ""
