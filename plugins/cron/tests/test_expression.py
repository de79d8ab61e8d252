"""What a cron expression may be, and what is said about one that is none."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import islice

import pytest

from chancy_cron.errors import InvalidSchedule
from chancy_cron.expression import parse
from chancy_cron.times import fire_times, zone

NEW_YEAR = datetime(2027, 1, 1, tzinfo=UTC)


def times(cron: str, count: int = 3, after: datetime = NEW_YEAR, where: str = "UTC") -> list[str]:
    found = islice(fire_times(parse(cron), zone(where), after), count)
    return [f"{time:%Y-%m-%d %H:%M:%S}" for time in found]


@pytest.mark.parametrize(
    ("cron", "first", "second"),
    [
        ("*/5 * * * *", "2027-01-01 00:05:00", "2027-01-01 00:10:00"),
        ("*/20 * * * * *", "2027-01-01 00:00:20", "2027-01-01 00:00:40"),
        ("30 15 10 * * *", "2027-01-01 10:15:30", "2027-01-02 10:15:30"),
        ("0 12 * * MON-FRI", "2027-01-01 12:00:00", "2027-01-04 12:00:00"),
        ("0 0 * * 7", "2027-01-03 00:00:00", "2027-01-10 00:00:00"),
        ("0 9-17/4 * * *", "2027-01-01 09:00:00", "2027-01-01 13:00:00"),
        ("0 0 1,15 JAN,jul *", "2027-01-15 00:00:00", "2027-07-01 00:00:00"),
        ("0 0 L * *", "2027-01-31 00:00:00", "2027-02-28 00:00:00"),
        ("0 0 LW * *", "2027-01-29 00:00:00", "2027-02-26 00:00:00"),
        ("0 0 * * 1#2", "2027-01-11 00:00:00", "2027-02-08 00:00:00"),
        ("0 0 * * 5L", "2027-01-29 00:00:00", "2027-02-26 00:00:00"),
        # Either day, if neither field begins with a star: Debian's cron.
        ("0 0 13 * 5", "2027-01-08 00:00:00", "2027-01-13 00:00:00"),
        # Both days, if one does.
        ("0 0 */2 * 5", "2027-01-15 00:00:00", "2027-01-29 00:00:00"),
        ("0 0 29 2 *", "2028-02-29 00:00:00", "2032-02-29 00:00:00"),
        # Ranges that go over the turn of the week, of the year and of the day.
        ("0 0 * * SAT-SUN", "2027-01-02 00:00:00", "2027-01-03 00:00:00"),
        ("0 0 * * FRI-MON", "2027-01-02 00:00:00", "2027-01-03 00:00:00"),
        ("0 0 * * MON-SUN", "2027-01-02 00:00:00", "2027-01-03 00:00:00"),
        ("0 0 * * sun-mon", "2027-01-03 00:00:00", "2027-01-04 00:00:00"),
        ("0 0 * * 6-0", "2027-01-02 00:00:00", "2027-01-03 00:00:00"),
        ("0 0 * * 7-1", "2027-01-03 00:00:00", "2027-01-04 00:00:00"),
        ("0 0 * * 7-7", "2027-01-03 00:00:00", "2027-01-10 00:00:00"),
        ("0 0 * * SAT-MON/2,WED", "2027-01-02 00:00:00", "2027-01-04 00:00:00"),
        ("0 0 0 * * FRI-1", "2027-01-02 00:00:00", "2027-01-03 00:00:00"),
        ("0 0 1 NOV-FEB *", "2027-02-01 00:00:00", "2027-11-01 00:00:00"),
        ("0 0 1 12-2/2 *", "2027-02-01 00:00:00", "2027-12-01 00:00:00"),
        ("0 22-6/4 * * *", "2027-01-01 02:00:00", "2027-01-01 06:00:00"),
        ("@hourly", "2027-01-01 01:00:00", "2027-01-01 02:00:00"),
        ("@daily", "2027-01-02 00:00:00", "2027-01-03 00:00:00"),
        ("@midnight", "2027-01-02 00:00:00", "2027-01-03 00:00:00"),
        ("@weekly", "2027-01-03 00:00:00", "2027-01-10 00:00:00"),
        ("@monthly", "2027-02-01 00:00:00", "2027-03-01 00:00:00"),
        ("@Yearly", "2028-01-01 00:00:00", "2029-01-01 00:00:00"),
        ("@annually", "2028-01-01 00:00:00", "2029-01-01 00:00:00"),
    ],
)
def test_an_expression_names_its_times(cron, first, second):
    """Five fields, six, names and the library's extras mean what they mean elsewhere."""
    assert times(cron, 2) == [first, second]


def test_the_century_without_a_29th_of_february_is_stepped_over():
    """2100 is no leap year."""
    assert times("0 0 29 2 *", 1, datetime(2096, 3, 1, tzinfo=UTC)) == ["2104-02-29 00:00:00"]


@pytest.mark.parametrize(
    ("cron", "told"),
    [
        ("", "give an expression"),
        ("* * * *", "4 fields"),
        ("* * * * * * *", "7 fields"),
        ("61 * * * *", "the minute is '61'. It may be 0-59"),
        ("* 24 * * *", "the hour is '24'. It may be 0-23"),
        ("* * 32 * *", "the day-of-month is '32'"),
        ("* * * 13 *", "the month is '13'. It may be 1-12 or JAN-DEC"),
        ("* * * * 8", "the day-of-week is '8'. It may be 0-7"),
        ("99 * * * * *", "the second is '99'"),
        ("*/0 * * * *", "the minute is '*/0'"),
        ("5-1 * * * *", "the minute is '5-1'"),
        ("0 0 20-10 * *", "the day-of-month is '20-10'"),
        ("0 24-6 * * *", "the hour is '24-6'"),
        ("0 0 * * FRI-MONDAY", "the day-of-week is 'FRI-MONDAY'"),
        ("0 0 * * 8-MON", "the day-of-week is '8-MON'"),
        ("0 0 * * FRI-MON/0", "the day-of-week is 'FRI-MON/0'"),
        ("0 0 * 11-13 *", "the month is '11-13'"),
        ("1,,2 * * * *", "the minute is '1,,2'"),
        ("x * * * *", "the minute is 'x'"),
        ("* * * * 1#6", "the day-of-week is '1#6'"),
        ("0 0 30 2 *", "the day-of-month is '30'"),
        ("@hourl", "Did you mean '@hourly'?"),
        ("@reboot", "no one machine"),
        ("* " * 200, "give an expression"),
        (5, "give an expression"),
    ],
)
def test_a_wrong_expression_is_refused_in_words(cron, told):
    """The error names the field, its value, and what it may be."""
    with pytest.raises(InvalidSchedule) as caught:
        parse(cron)
    assert told in str(caught.value)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("Europe/Berlim", "Did you mean 'Europe/Berlin'?"),
        ("../etc/passwd", "not in the time zone database"),
        ("Europe", "not in the time zone database"),
        ("", "not in the time zone database"),
        (None, "not in the time zone database"),
        ("a\x00b", "not in the time zone database"),
    ],
)
def test_an_unknown_zone_is_refused_in_words(name, told):
    """The error names the nearest zone."""
    with pytest.raises(InvalidSchedule) as caught:
        zone(name)
    assert told in str(caught.value)
