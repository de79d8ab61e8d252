"""What is wrong with schedules: they are late, cannot be read, cannot fire, or name a function that is not there."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from chancy import Chancy, State
from chancy.plugin import Finding, Severity, Subject, command_line
from chancy_cron import manage
from chancy_cron.runnable import problems
from chancy_cron.schedule import StoredSchedule

# A person waits for the answer; what takes longer to import is not said to be missing.
IMPORTED_WITHIN_S: Final = 0.6
_SHOWN: Final = 300
# What a job of a schedule is while nobody can say that its function is missing.
_RUNS: Final = frozenset({State.SUCCEEDED, State.RUNNING})


async def find(chancy: Chancy, late_s: float) -> list[Finding]:
    """What is wrong with schedules now.

    Args:
        chancy: the application.
        late_s: a fire that is later than this, in seconds, is missed.
    """
    schedules, unreadable, now = await manage.read_with_time(chancy)
    active = [one for one in schedules if not one.paused]
    found = [_unreadable(chancy, name, why) for name, why in unreadable.items()]
    found += [_late(chancy, one, now) for one in active if _late_s(one, now) > late_s]
    found += [_failing(chancy, one) for one in active if one.last_error]
    wrong = await problems(await _unproven(chancy, active), chancy.settings.functions, IMPORTED_WITHIN_S)
    by_name = {one.name: one for one in active}
    return found + [_missing(chancy, by_name[name], why) for name, why in wrong.items()]


async def _unproven(chancy: Chancy, schedules: Sequence[StoredSchedule]) -> list[StoredSchedule]:
    """Those of which no job is known to have run: whether it imports here says nothing about workers elsewhere."""
    jobs = await chancy.get_jobs([one.last_job for one in schedules if one.last_job])
    proven = {str(job.id) for job in jobs if job is not None and job.state in _RUNS}
    return [one for one in schedules if one.last_job not in proven]


def _late_s(one: StoredSchedule, now: datetime) -> float:
    return (now - one.next_at).total_seconds() if one.next_at is not None else 0.0


def _late(chancy: Chancy, one: StoredSchedule, now: datetime) -> Finding:
    late_s = _late_s(one, now)
    return Finding(
        id="schedule-late",
        severity=Severity.ERROR,
        subject=Subject("schedule", one.name),
        what=f"The schedule {one.name} should have fired at {one.next_at:%Y-%m-%d %H:%M:%S} UTC, and has not.",
        evidence={"late_s": round(late_s, 1), "func": one.job.func, "queue": one.queue},
        why="No worker with chancy-cron runs, or it cannot fire. What is missed is made up for as `missed` says.",
        fix=command_line(chancy, "plugins"),
    )


def _failing(chancy: Chancy, one: StoredSchedule) -> Finding:
    return Finding(
        id="schedule-failing",
        severity=Severity.ERROR,
        subject=Subject("schedule", one.name),
        what=f"The schedule {one.name} cannot fire: {one.last_error or '':.{_SHOWN}}",
        evidence={"func": one.job.func, "queue": one.queue},
        why="Its job is not pushed; it is tried again all the time.",
        fix=command_line(chancy, "cron", "run-now", one.name),
    )


def _missing(chancy: Chancy, one: StoredSchedule, why: str) -> Finding:
    last = "its last job did not succeed" if one.last_job else "it has not fired yet"
    return Finding(
        id="schedule-cannot-run",
        severity=Severity.WARNING,
        subject=Subject("schedule", one.name),
        what=f"The job of the schedule {one.name} cannot be run here, and {last}: {why:.{_SHOWN}}",
        evidence={"func": one.job.func, "queue": one.queue},
        why="If workers lack the function as well, each fire makes a job that no worker can run.",
        fix=command_line(chancy, "cron", "remove", one.name),
    )


def _unreadable(chancy: Chancy, name: str, why: str) -> Finding:
    return Finding(
        id="schedule-unreadable",
        severity=Severity.ERROR,
        subject=Subject("schedule", name),
        what=f"{why:.{_SHOWN}}",
        why="It does not fire.",
        fix=command_line(chancy, "cron", "remove", name),
    )
