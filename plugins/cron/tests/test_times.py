"""Clocks that are changed: what Debian's cron does, in the words of crontab(5) and cron(8)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise, takewhile

import pytest
from cronsim import CronSim
from hypothesis import given, settings
from hypothesis import strategies as st

from chancy_cron.expression import parse
from chancy_cron.times import fire_times, zone

MINUTE = timedelta(minutes=1)


def local_times(cron: str, where: str, start: str, count: int) -> list[str]:
    """The next times after a local time, with their offsets."""
    area = zone(where)
    after = datetime.fromisoformat(start).replace(tzinfo=area)
    found = islice(fire_times(parse(cron), area, after), count)
    return [f"{time.astimezone(area):%m-%d %H:%M %z}" for time in found]


@pytest.mark.parametrize(
    ("case", "cron", "where", "start", "expected"),
    [
        # Spring 2027: 02:00 becomes 03:00 on 28 March in Berlin.
        ("a time in the gap runs after it", "30 2 * * *", "Europe/Berlin", "2027-03-27 12:00",
         ["03-28 03:00 +0200", "03-29 02:30 +0200"]),
        ("several times in the gap run as one", "15,45 2 * * *", "Europe/Berlin", "2027-03-27 12:00",
         ["03-28 03:00 +0200", "03-29 02:15 +0200"]),
        ("with the time that the gap leads to, too", "0 2,3 * * *", "Europe/Berlin", "2027-03-27 12:00",
         ["03-28 03:00 +0200", "03-29 02:00 +0200"]),
        ("six fields are no different", "15 30 2 * * *", "Europe/Berlin", "2027-03-27 12:00",
         ["03-28 03:00 +0200", "03-29 02:30 +0200"]),
        ("an interval has no time in the gap", "*/30 2 * * *", "Europe/Berlin", "2027-03-27 12:00",
         ["03-29 02:00 +0200", "03-29 02:30 +0200"]),
        ("an interval goes on across the gap", "30 * * * *", "Europe/Berlin", "2027-03-28 01:00",
         ["03-28 01:30 +0100", "03-28 03:30 +0200"]),
        ("asked just before the gap ends", "30 2 * * *", "Europe/Berlin", "2027-03-28 01:59:59",
         ["03-28 03:00 +0200"]),
        ("asked at its end", "30 2 * * *", "Europe/Berlin", "2027-03-28 03:00", ["03-29 02:30 +0200"]),
        # Autumn 2027: 03:00 becomes 02:00 on 31 October.
        ("a time that comes twice runs once", "30 2 * * *", "Europe/Berlin", "2027-10-30 12:00",
         ["10-31 02:30 +0200", "11-01 02:30 +0100"]),
        ("six fields are no different", "0 30 2 * * *", "Europe/Berlin", "2027-10-30 12:00",
         ["10-31 02:30 +0200", "11-01 02:30 +0100"]),
        ("an interval runs both times", "30 * * * *", "Europe/Berlin", "2027-10-31 02:00",
         ["10-31 02:30 +0200", "10-31 02:30 +0100", "10-31 03:30 +0100"]),
        ("an interval in one hour runs in both", "*/30 2 * * *", "Europe/Berlin", "2027-10-31 00:00",
         ["10-31 02:00 +0200", "10-31 02:30 +0200", "10-31 02:00 +0100", "10-31 02:30 +0100", "11-01 02:00 +0100"]),
        # Midnight itself is skipped: Cairo, 30 April 2027.
        ("midnight is skipped", "0 0 * * *", "Africa/Cairo", "2027-04-29 12:00",
         ["04-30 01:00 +0300", "05-01 00:00 +0300"]),
        ("an interval at a midnight that is skipped", "*/30 0 * * *", "Africa/Cairo", "2027-04-29 12:00",
         ["05-01 00:00 +0300"]),
        # Half an hour: Lord Howe.
        ("a gap of half an hour", "10 2 * * *", "Australia/Lord_Howe", "2027-10-02 12:00",
         ["10-03 02:30 +1100", "10-04 02:10 +1100"]),
        ("an interval in a gap of half an hour", "*/15 2 * * *", "Australia/Lord_Howe", "2027-10-03 01:50",
         ["10-03 02:30 +1100", "10-03 02:45 +1100"]),
        ("an interval in an overlap of half an hour", "*/20 1 * * *", "Australia/Lord_Howe", "2027-04-04 01:30",
         ["04-04 01:40 +1100", "04-04 01:40 +1030"]),
        ("after an overlap of half an hour", "*/20 3 * * *", "Australia/Lord_Howe", "2027-04-04 01:45",
         ["04-04 03:00 +1030", "04-04 03:20 +1030"]),
        # Zones that changed their rules.
        ("Samoa left out 30 December 2011", "0 12 * * *", "Pacific/Apia", "2011-12-29 00:00",
         ["12-29 12:00 -1000", "12-31 00:00 +1400", "12-31 12:00 +1400"]),
        ("Samoa, by the hour", "0 */12 * * *", "Pacific/Apia", "2011-12-29 06:00",
         ["12-29 12:00 -1000", "12-31 00:00 +1400", "12-31 12:00 +1400"]),
        ("Pyongyang put clocks forward by half an hour", "15,45 23 * * *", "Asia/Pyongyang", "2018-05-04 12:00",
         ["05-04 23:15 +0830", "05-05 00:00 +0900", "05-05 23:15 +0900"]),
        ("Caracas, by the half hour", "*/30 * * * *", "America/Caracas", "2016-05-01 01:30",
         ["05-01 02:00 -0430", "05-01 03:00 -0400"]),
        ("Istanbul stayed in summer time in 2016", "30 3 * * *", "Europe/Istanbul", "2016-10-29 12:00",
         ["10-30 03:30 +0300", "10-31 03:30 +0300"]),
        ("Morocco's Ramadan", "0 2 * * *", "Africa/Casablanca", "2026-02-14 12:00",
         ["02-15 02:00 +0100", "02-16 02:00 +0000"]),
        # 29 February, where the clocks differ from the year before.
        ("29 February by zone", "0 0 29 2 *", "America/New_York", "2027-01-01 00:00",
         ["02-29 00:00 -0500", "02-29 00:00 -0500"]),
        ("29 February by interval", "*/30 23 29 2 *", "Asia/Kolkata", "2027-01-01 00:00",
         ["02-29 23:00 +0530", "02-29 23:30 +0530", "02-29 23:00 +0530"]),
    ],
)  # fmt: skip
def test_clocks_that_are_changed(case, cron, where, start, expected):
    """Times of day run once a day; intervals run whenever the clock on the wall matches."""
    assert local_times(cron, where, start, len(expected)) == expected


def test_a_zone_without_changes_is_plain_arithmetic():
    """Every hour in UTC is an hour."""
    found = list(islice(fire_times(parse("@hourly"), zone("UTC"), datetime(2027, 3, 27, tzinfo=UTC)), 48))
    assert {after - before for before, after in pairwise(found)} == {timedelta(hours=1)}


ZONES = st.sampled_from(
    ["UTC", "Europe/Berlin", "America/New_York", "America/Sao_Paulo", "Australia/Lord_Howe", "Africa/Casablanca",
     "Pacific/Apia", "Asia/Pyongyang", "Africa/Cairo", "Asia/Kathmandu", "America/St_Johns", "Antarctica/Troll"]
)  # fmt: skip
MOMENTS = st.datetimes(datetime(2005, 1, 1), datetime(2035, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
MINUTES = st.sampled_from(["0", "30", "7,37", "*/10", "15-45/15", "59"])
HOURS = st.sampled_from(["0", "1", "2", "3", "0-4", "23", "1,2,3"])
STARS = st.sampled_from([("*/10", "*"), ("0", "*"), ("*/15", "2"), ("*/20", "0-3"), ("30", "*/2"), ("*/7", "23")])


def matches(cron: str, local: datetime) -> bool:
    """Whether a local time is one that the expression names, by the library alone."""
    return next(CronSim(cron, local - timedelta(seconds=1))) == local


@settings(max_examples=25, deadline=None)
@given(STARS, ZONES, MOMENTS)
def test_intervals_run_at_every_minute_that_matches(star, where, after):
    """Against looking at the clock on the wall minute by minute, for two days around any moment."""
    cron, area = f"{star[0]} {star[1]} * * *", zone(where)
    after = after.replace(second=0, microsecond=0)
    until = after + timedelta(days=2)
    found = list(takewhile(lambda time: time <= until, fire_times(parse(cron), area, after)))
    minutes = (after + MINUTE * n for n in range(1, 2881))
    seen = [moment for moment in minutes if matches(cron, moment.astimezone(area).replace(tzinfo=None, fold=0))]
    assert found == seen


@settings(max_examples=200, deadline=None)
@given(MINUTES, HOURS, ZONES, MOMENTS)
def test_times_of_day_are_the_librarys(minute, hour, where, after):
    """For five fields the library knows Debian's rules itself; each of its moments is ours, once."""
    if minute.startswith("*"):
        minute = "20"
    cron, area = f"{minute} {hour} * * *", zone(where)
    ours = list(islice(fire_times(parse(cron), area, after), 6))
    theirs = (time.astimezone(UTC) for time in CronSim(cron, after.astimezone(area)))
    later = sorted(set(islice((time for time in theirs if time > after), 12)))
    assert ours == later[:6]


@settings(max_examples=100, deadline=None)
@given(st.one_of(st.tuples(MINUTES, HOURS), STARS), ZONES, MOMENTS)
def test_where_one_begins_does_not_matter(fields, where, after):
    """The next time is the same from any moment before it, so that a restart changes nothing."""
    expression, area = parse(f"{fields[0]} {fields[1]} * * *"), zone(where)
    found = list(islice(fire_times(expression, area, after), 5))
    for before, time in pairwise(found):
        assert next(fire_times(expression, area, before)) == time
        assert next(fire_times(expression, area, time - timedelta(seconds=1))) == time
