"""A filter means the same as a value and as a text; what cannot be read is told with its place and the cure."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chancy import JobFilter, Span, State
from chancy.errors import InvalidFilter

NOW = datetime(2026, 5, 4, 13, 30, tzinfo=UTC)
PRINTED = st.text(st.characters(min_codepoint=32, max_codepoint=0x2FF), min_size=1, max_size=12).filter(
    lambda text: text.isprintable() and text.strip()
)
TEXTS = st.lists(PRINTED, max_size=3)
NUMBERS = st.integers(-(2**31), 2**31 - 1)
PATHS = st.lists(PRINTED, min_size=1, max_size=3).map(
    lambda names: ".".join(name.replace("\\", "\\\\").replace(".", "\\.") for name in names)
)
JSON = st.one_of(PRINTED, st.integers(-1000, 1000), st.booleans(), st.none())
SIDES = {
    "ids": st.lists(st.uuids() | st.text("0123456789abcdef", min_size=1, max_size=32), max_size=2),
    "states": st.lists(st.sampled_from(State), max_size=3),
    "queues": TEXTS,
    "funcs": TEXTS,
    "errors": TEXTS,
    "tags": TEXTS,
    "kwargs": st.dictionaries(PATHS, st.lists(JSON, min_size=1, max_size=2), max_size=2),
    "attempts": st.lists(NUMBERS | st.tuples(NUMBERS, NUMBERS).map(lambda ends: Span(*sorted(ends))), max_size=2),
}
# Hypothesis adds the time zone.
YEARS = (datetime(2, 1, 1), datetime(9998, 1, 1))  # noqa: DTZ001
MOMENTS = st.one_of(
    st.none(),
    st.datetimes(*YEARS, timezones=st.sampled_from([UTC, timezone(timedelta(hours=5.5))])),
    st.timedeltas(timedelta(0), timedelta(days=30_000)),
)


@given(wanted=st.fixed_dictionaries(SIDES), unwanted=st.fixed_dictionaries(SIDES), since=MOMENTS, until=MOMENTS)
def test_the_text_of_a_filter_means_that_filter(wanted, unwanted, since, until):
    """Whatever a filter holds, `parse` makes the same of its text: it can be put into a URL and come back."""
    made = JobFilter(**wanted, since=since, until=until, without=JobFilter(**unwanted))
    assert JobFilter.parse(str(made)) == made
    assert hash(JobFilter.parse(str(made))) == hash(made)


@given(st.text(max_size=40))
def test_any_text_is_read_or_refused(text):
    """Nothing that somebody types into a search box ends in another error."""
    try:
        made = JobFilter.parse(text)
    except InvalidFilter as error:
        assert str(error)  # noqa: PT017
    else:
        assert JobFilter.parse(str(made)) == made


def test_the_text_and_the_fields_say_the_same():
    """Each term is the field beside it."""
    text = (
        "id:0197C3F2 state:failed queue:mail func:app.mail.* worker:host-? key:order-7 tag:gpu "
        'error:"timed out" note:x,y '
        "attempts:>2 priority:1..3,9 kwargs.user.id:7 meta.tenant:acme since:2h -state:cancelled -queue:a,b"
    )
    assert JobFilter.parse(text) == JobFilter(
        ids="0197c3f2",
        states=[State.FAILED],
        queues=["mail"],
        funcs="app.mail.*",
        workers="host-?",
        keys="order-7",
        tags="gpu",
        errors="timed out",
        notes=("x", "y"),
        attempts=">2",
        priorities=["1..3", 9],
        kwargs={"user.id": 7},
        meta={"tenant": ["acme"]},
        since=timedelta(hours=2),
        without=JobFilter(states="cancelled", queues=["a", "b"]),
    )
    assert JobFilter.parse("") == JobFilter() == JobFilter.parse(" \t\n")
    assert JobFilter.parse("state:live").states == (State.SCHEDULED, State.PENDING, State.RUNNING, State.RETRYING)
    id_ = uuid.uuid4()
    assert JobFilter(ids=id_) == JobFilter.parse(f"id:{id_.hex.upper()}")


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2h", timedelta(hours=2)),
        ("30min", timedelta(minutes=30)),
        ("1h30m", timedelta(minutes=90)),
        ("14:00", datetime(2026, 5, 3, 14, tzinfo=UTC)),
        ("9:15", datetime(2026, 5, 4, 9, 15, tzinfo=UTC)),
        ("today", datetime(2026, 5, 4, tzinfo=UTC)),
        ("yesterday", datetime(2026, 5, 3, tzinfo=UTC)),
        ("2026-01-31", datetime(2026, 1, 31, tzinfo=UTC)),
        ("2026-01-31T14:00", datetime(2026, 1, 31, 14, tzinfo=UTC)),
        ("2026-01-31T14:00+02:00", datetime(2026, 1, 31, 12, tzinfo=UTC)),
        ("2026-01-31T14:00Z", datetime(2026, 1, 31, 14, tzinfo=UTC)),
    ],
)
def test_times_as_people_write_them(text, moment):
    """How long ago stays how long ago; a time of day is the last one; what names no zone is UTC."""
    assert JobFilter.parse(f"since:{text}", now=NOW).since == moment


def test_the_zone_of_times_may_be_another():
    """For whoever shows times in a zone of their own."""
    zone = timezone(timedelta(hours=5))
    assert JobFilter.parse("since:today", now=NOW, zone=zone).since == datetime(2026, 5, 4, tzinfo=zone)


@pytest.mark.parametrize(
    ("text", "place", "told"),
    [
        ("queue:a stat:failed", 9, "Did you mean 'state'"),
        ("state:faild", 7, "Did you mean 'failed'"),
        ("state:failed,oops", 14, "The states are: scheduled"),
        ("func:", None, "has no value"),
        ("func:a,,b", 8, "has no value"),
        ('func:""', 6, "has no value"),
        ('queue:a error:"half', 15, "does not end"),
        ("timeout", 1, "error:timeout"),
        ("- x", 2, "-state:failed"),
        (":x", 1, "before the colon"),
        ("since:two", 7, "2h"),
        ("since:25:00", 7, "2h"),
        ("since:2026-02-30", 7, "2026-01-31"),
        ("since:1h,2h", 1, "one time"),
        ("-since:2h", 1, "until:"),
        ("since:2h since:3h", 10, "twice"),
        ("queue:a queue:b", 9, "queue:one,other"),
        ("kwargs.u:7 kwargs.u:8", 12, "twice"),
        ("kwargs:7", 1, "kwargs.user"),
        ("kwargs.a..b:7", 1, "empty name"),
        ("attempts:many", 10, "1..3"),
        ("attempts:3..1", 10, "lower one first"),
        ("priority:99999999999", 10, "2,147,483,647"),
        ("id:xyz", 4, "hexadecimal"),
        ("queue:a\x00b", 8, "\\x00"),
        ("error:\x1b[31m", 7, "\\x1b"),
        ("func:\ud800", 6, "\\ud800"),
    ],
)
def test_what_cannot_be_read_is_told_with_its_place(text, place, told):
    """An error names the character, and what to write instead."""
    with pytest.raises(InvalidFilter) as error:
        JobFilter.parse(text)
    assert told in str(error.value)
    assert str(error.value).startswith("At its end" if place is None else f"At character {place},")


@pytest.mark.parametrize("text", ["x" * 10_000, "kwargs.a:" + "b" * 10_000, "func:" + ",".join(["a"] * 3000)])
def test_a_filter_of_ten_kilobytes_is_refused_at_once(text):
    """It is no question, and its error is not as long as itself."""
    with pytest.raises(InvalidFilter, match="4,096") as error:
        JobFilter.parse(text)
    assert len(str(error.value)) < 200


@pytest.mark.parametrize(
    "fields",
    [
        {"queues": 7},
        {"queues": [""]},
        {"queues": ["a\x00"]},
        {"queues": "q" * 501},
        {"states": "gone"},
        {"states": [7]},
        {"ids": ["no"]},
        {"kwargs": "user"},
        {"kwargs": {"": 7}},
        {"kwargs": {"user": []}},
        {"kwargs": {7: 7}},
        {"since": datetime(2026, 1, 1)},  # noqa: DTZ001
        {"since": timedelta(seconds=-1)},
        {"since": 7},
        {"attempts": True},
        {"attempts": Span(None, None)},
        {"without": "state:failed"},
        {"without": JobFilter(since="2h")},
        {"without": JobFilter(without=JobFilter(states="failed"))},
        {"queues": ["q" * 400] * 2 + [f"{n:0400}" for n in range(20)]},
    ],
)
def test_fields_are_checked_as_texts_are(fields):
    """A filter that is made of wrong values is no filter."""
    with pytest.raises(InvalidFilter):
        JobFilter(**fields)
