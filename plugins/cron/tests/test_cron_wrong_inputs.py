"""Wrong settings, schedules and calls of the plugin, as people write them: each is refused in words to act on."""

from __future__ import annotations

from datetime import UTC, datetime, timezone  # noqa: F401 -- what rows are written with

import pytest

from chancy import Chancy, Job  # noqa: F401
from chancy.errors import ChancyError, ConfigError, UnknownQueue
from chancy_cron import Cron, InvalidSchedule, Schedule, ScheduleNotFound  # noqa: F401

WRONG = [
    ("Cron(poll_interval=60)", "Cron(poll_interval=…) is unknown. Did you mean 'interval'?"),
    ("Cron(60)", "Cron(60): settings are given by name"),
    ("Cron(interval='1')", "interval is '1': give seconds from 0.01"),
    ("Cron(late_s=-1)", "late_s is -1: give seconds from 1 to 3,600"),
    ("Cron(keep_fires=0)", "keep_fires is 0: give a whole number from 1"),
    ("Cron(owner=5)", "owner is 5: give a text"),
    ("Cron(strict='yes')", "strict is 'yes': give true or false"),
    ("Cron(schedules='x')", "schedules is 'x': give a list"),
]


@pytest.mark.parametrize(("written", "says"), WRONG, ids=[written for written, _ in WRONG])
def test_a_wrong_setting_is_refused(written: str, says: str) -> None:
    """With its name, its value, and what to give; the parts stand between ` … `."""
    with pytest.raises(ConfigError) as caught:
        eval(written)
    for part in says.split(" … "):
        assert part in str(caught.value)


WRONG_SCHEDULES = [
    ("Cron(schedules=[5])", "schedules[0]: a schedule is 5: give a table"),
    ("Cron(schedules=[{}])", "schedules[0]: cron is missing"),
    ("Cron(schedules=[{'cron': '@daily'}])", "schedules[0]: job is missing"),
    ("Cron(schedules=[{'cron': '@daily', 'job': 5}])", "schedules[0]: job is 5: give a table"),
    ("Cron(schedules=[{'cron': '@daily', 'job': 'a b'}])", "func is 'a b' … the dotted name"),
    ("Cron(schedules=[{'cron': '@daily', 'job': {'func': 'a.b', 'queue': 5}}])", "job.queue is 5: give a string"),
    ("Cron(schedules=[{'cron': '@daily', 'job': {'func': 'a.b', 'priority': 'x'}}])", "job.priority is 'x' … whole"),
    ("Cron(schedules=[{'cron': '@daily', 'job': {'func': 'a.b', 'backoff': {'base': 1}}}])", "Did you mean 'base_s'?"),
    ("Cron(schedules=[{'crom': '@daily', 'job': 'a.b'}])", "crom is unknown. Did you mean 'cron'?"),
    ("Schedule(cron=5, job=Job('a.b'))", "cron is 5: give an expression such as '*/5 * * * *'"),
    ("Schedule(cron='* * * *', job=Job('a.b'))", "'* * * *', which has 4 fields: give five"),
    ("Schedule(cron='60 * * * *', job=Job('a.b'))", "the minute is '60'. It may be 0-59"),
    ("Schedule(cron='* 25 * * *', job=Job('a.b'))", "the hour is '25'"),
    ("Schedule(cron='* * * JANN *', job=Job('a.b'))", "the month is 'JANN'. It may be 1-12 or JAN-DEC"),
    ("Schedule(cron='* * * * 8', job=Job('a.b'))", "is '8'"),
    ("Schedule(cron='*/0 * * * *', job=Job('a.b'))", "the minute is '*/0'"),
    ("Schedule(cron='@nightly', job=Job('a.b'))", "'@nightly' … Did you mean '@midnight'?"),
    ("Schedule(cron='@daily', job='a.b')", "job is 'a.b': give a Job"),
    ("Schedule(name='', cron='@daily', job=Job('a.b'))", "name is '': give 1 to 200 printable characters"),
    ("Schedule(cron='@daily', job=Job('a.b'), timezone='Europe/Berln')", "Did you mean 'Europe/Berlin'?"),
    ("Schedule(cron='@daily', job=Job('a.b'), timezone=5)", "timezone is 5 … Give a name such as 'Europe/Berlin'"),
    ("Schedule(cron='@daily', job=Job('a.b'), timezone=timezone.max)", "has no name under which a worker finds"),
    ("Schedule(cron='@daily', job=Job('a.b'), jitter_s=-1)", "jitter_s is -1: give seconds from 0"),
    ("Schedule(cron='@daily', job=Job('a.b'), missed='never')", "missed is 'never': give 'skip', 'once' or 'all'"),
    ("Schedule(cron='@daily', job=Job('a.b'), overlap='no')", "overlap is 'no': give true or false"),
    ("Schedule(cron='@daily', job=Job('a.b', scheduled_at=datetime.now(UTC)))", "it is the schedule that says when"),
]


@pytest.mark.parametrize(("written", "says"), WRONG_SCHEDULES, ids=[written for written, _ in WRONG_SCHEDULES])
def test_a_wrong_schedule_is_refused(written: str, says: str) -> None:
    """With the field, the value, and what to give."""
    with pytest.raises(ChancyError) as caught:
        eval(written)
    assert isinstance(caught.value, ValueError)
    for part in says.split(" … "):
        assert part in str(caught.value)


WRONG_CALLS = [
    ("Cron.schedule(5, '@daily', Job('a.b'))", ChancyError, "chancy is 5 … give the Chancy"),
    ("Cron.schedule(chancy, Job('a.b'), '@daily')", InvalidSchedule, "job is '@daily': give a Job"),
    ("Cron.schedule(chancy, '@daily', 'a.b')", ChancyError, "'a.b'"),
    ("Cron.schedule(chancy, '@daily', Job('a.b', queue='nope'))", UnknownQueue, "Queue 'nope'"),
    ("Cron.schedule(chancy, 'daily', Job('a.b'))", InvalidSchedule, "cron is 'daily'"),
    ("Cron.unschedule(chancy, 'nope')", ScheduleNotFound, "There is no schedule 'nope'"),
    ("Cron.unschedule(chancy, 5)", ChancyError, "name is 5 … give 1 to 200 printable characters"),
    ("Cron.unschedule(chancy, 'a\\x00')", ChancyError, "name is 'a\\x00' … printable"),
    ("Cron.pause(chancy, 'nope')", ScheduleNotFound, "There is no schedule 'nope'"),
    ("Cron.pause(chancy, None)", ChancyError, "name is None … give"),
    ("Cron.resume(chancy, '\\ud800')", ChancyError, "name is '\\ud800' … printable"),
    ("Cron.next_times(chancy, 'nope')", ScheduleNotFound, "There is no schedule 'nope'"),
    ("Cron.next_times(chancy, 'nope', 0)", ChancyError, "count is 0 … from 1 to 1,000"),
    ("Cron.next_times(chancy, 'nope', '5')", ChancyError, "count is '5' … a whole number"),
    ("Cron.run_now(chancy, '')", ChancyError, "name is '' … printable"),
]


@pytest.mark.parametrize(("written", "error", "says"), WRONG_CALLS, ids=[row[0] for row in WRONG_CALLS])
async def test_a_wrong_call_is_refused_and_changes_nothing(chancy: Chancy, query, written, error, says):
    """With what was given, and what to give; nothing is scheduled or pushed."""
    with pytest.raises(error) as caught:
        await eval(written)
    for part in says.split(" … "):
        assert part in str(caught.value)
    assert query("SELECT (SELECT count(*) FROM {s}.cron_schedules), (SELECT count(*) FROM {s}.jobs)") == [(0, 0)]
