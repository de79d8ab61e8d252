"""What a schedule's job says of its unique key and of its arguments."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from chancy import Job
from chancy_cron import Schedule
from chancy_cron.declared import schedules
from chancy_cron.errors import InvalidSchedule

WHEN = datetime(2030, 1, 1, tzinfo=UTC)


def test_a_schedule_may_have_typed_arguments():
    """A date in the file, or in code, is kept as the JSON that will be pushed; its job says that it is typed."""
    table = {"cron": "0 3 * * *", "job": {"func": "a.b", "kwargs": {"since": WHEN}, "json": "typed"}}
    (declared,) = schedules([table])
    given = Schedule(cron="0 3 * * *", job=Job("a.b", kwargs={"since": WHEN}, json="typed"))
    for schedule in (declared, given):
        assert (schedule.job.kwargs, schedule.job.json) == ({"since": "2030-01-01T00:00:00Z"}, "typed")


def test_a_schedule_that_has_not_chosen_is_told_of_the_choice():
    """A date among plain arguments is refused at declaration, and the error names the choice."""
    with pytest.raises(InvalidSchedule, match=r"kwargs.*datetime.*json='typed'"):
        Schedule(cron="0 3 * * *", job=Job("a.b", kwargs={"since": WHEN}))


def test_a_schedule_may_say_what_becomes_of_a_taken_key():
    """Both words can be written into a file; one that is none is refused."""
    job = {"func": "a.b", "unique_key": "k", "unique_while": "waiting", "on_conflict": "replace"}
    (schedule,) = schedules([{"cron": "0 3 * * *", "job": job}])
    assert (schedule.job.unique_while, schedule.job.on_conflict) == ("waiting", "replace")
    with pytest.raises(InvalidSchedule, match="on_conflict"):
        schedules([{"cron": "0 3 * * *", "job": {**job, "on_conflict": "ignore"}}])


def test_no_overlap_and_a_key_that_is_held_while_waiting_contradict_each_other():
    """One says that a job may wait while the one before runs, the other that it may not."""
    with pytest.raises(InvalidSchedule, match=r"overlap is False.*unique_while"):
        Schedule(cron="0 3 * * *", job=Job("a.b", unique_key="k", unique_while="waiting"), overlap=False)
