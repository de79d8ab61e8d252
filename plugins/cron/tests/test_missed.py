"""Which of the times that have passed are fired."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from chancy_cron.expression import parse
from chancy_cron.missed import to_fire
from chancy_cron.schedule import Missed
from chancy_cron.times import fire_times, zone

NOW = datetime(2027, 1, 1, 12, 10, 30, tzinfo=UTC)


def fired(cron: str, next_at: datetime, missed: Missed, *, now: datetime = NOW, most: int = 100) -> list[str]:
    times = to_fire(parse(cron), zone("UTC"), next_at=next_at, now=now, late_s=60, missed=missed, missed_max=most)
    return [f"{time:%H:%M:%S}" for time in times]


def at(clock: str) -> datetime:
    return datetime.fromisoformat(f"2027-01-01T{clock}+00:00")


@pytest.mark.parametrize("missed", list(Missed))
def test_what_is_in_time_is_fired_whatever_the_policy(missed):
    """Times up to a minute old have not been missed."""
    assert fired("*/10 * * * *", at("12:10:00"), missed) == ["12:10:00"]
    assert fired("*/20 * * * * *", at("12:10:00"), missed) == ["12:10:00", "12:10:20"]


@pytest.mark.parametrize(
    ("missed", "expected"),
    [
        (Missed.SKIP, []),
        (Missed.ONCE, ["12:00:00"]),
        (Missed.ALL, ["11:00:00", "11:20:00", "11:40:00", "12:00:00"]),
    ],
)
def test_what_was_missed_is_for_the_policy(missed, expected):
    """None of it, its last time, or each."""
    assert fired("*/20 * * * *", at("11:00:00"), missed) == expected


@pytest.mark.parametrize(
    ("missed", "expected"),
    [
        (Missed.SKIP, ["12:10:00"]),
        (Missed.ONCE, ["12:10:00"]),
        (Missed.ALL, ["11:50:00", "12:00:00", "12:10:00"]),
    ],
)
def test_a_time_that_is_in_time_makes_up_for_missed_ones(missed, expected):
    """`once` is one job, not two."""
    assert fired("*/10 * * * *", at("11:50:00"), missed) == expected


def test_all_is_bounded_and_takes_the_latest():
    """Nobody gets a year of jobs."""
    assert fired("* * * * *", NOW - timedelta(days=365), Missed.ALL, most=3) == [
        "12:07:00",
        "12:08:00",
        "12:09:00",
        "12:10:00",
    ]


def test_a_time_of_an_expression_that_was_changed_is_not_lost():
    """The next time was due under the old expression: it is fired, though the new one does not name it."""
    assert fired("0 0 1 1 *", at("12:10:05"), Missed.SKIP) == ["12:10:05"]
    assert fired("0 0 1 1 *", at("11:03:00"), Missed.ONCE) == ["11:03:00"]


@pytest.mark.parametrize("missed", list(Missed))
def test_years_of_seconds_are_not_counted_through(missed, monkeypatch):
    """Ten years without a worker, a schedule of every second: a few hundred of its 315 million times are looked at."""
    looked_at = 0

    def counted(*arguments):
        nonlocal looked_at
        for moment in fire_times(*arguments):
            looked_at += 1
            yield moment

    monkeypatch.setattr("chancy_cron.missed.fire_times", counted)
    assert len(fired("* * * * * *", NOW - timedelta(days=3650), missed)) in (61, 161)
    assert 0 < looked_at < 1000
