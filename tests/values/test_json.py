"""JSON as it is kept: what is accepted comes back as it was, through PostgreSQL too, and the rest is refused."""

from __future__ import annotations

import collections
import enum
import json
import math
from typing import Any, NamedTuple

import jobs
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from support import WITHIN_S

from chancy import Job, Worker
from chancy_core.errors import InvalidJob
from chancy_core.values.jsonvalue import MAX_DEPTH, MAX_INT_BITS, decode, encode_checked

# All of Unicode but what PostgreSQL cannot hold, with what is special to JSON, to COPY and to SQL more often.
TEXT = st.text(
    st.sampled_from("\\\"'/{}[]:,\t\n\r\b\f\v\x01\x1f\x7f\x85\u2028\ufeff\uffff🐘%$N.")
    | st.characters(exclude_categories=["Cs"], exclude_characters="\x00"),
    max_size=12,
)
NUMBERS = (
    st.integers()
    | st.integers(-(2 ** (MAX_INT_BITS - 1)), 2 ** (MAX_INT_BITS - 1))
    | st.floats(allow_nan=False, allow_infinity=False)
)
SCALARS = st.none() | st.booleans() | NUMBERS | TEXT
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4), max_leaves=15
)
# With what JSON does not have, anywhere in it.
STRANGE = st.sampled_from([math.nan, math.inf, -math.inf, b"x", {1}, object(), 1j, ..., "\x00", "\ud800"])
MIXED = st.recursive(
    SCALARS | STRANGE,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner, inner)
        | st.dictionaries(TEXT | st.integers() | st.none() | st.just("\udfff"), inner, max_size=3)
    ),
    max_leaves=10,
)


class Level(enum.IntEnum):
    HIGH = 3


class Word(enum.StrEnum):
    YES = "yes"


class Point(NamedTuple):
    x: int
    y: int


class Name(str):
    """A string of a class of its own, which prints itself as another."""

    __slots__ = ()

    def __str__(self) -> str:
        return "another"


class Metres(float):
    """A number of a class of its own, as numpy has them."""

    __slots__ = ()


class Mode(str, enum.Enum):  # noqa: UP042 -- as it was written before StrEnum
    FAST = "fast"


@given(VALUES)
@example(-0.0)
@example(5e-324)
@example(1e16)
@example(2**64)
@example({"": {"": []}})
def test_what_is_accepted_comes_back_as_it_was(value):
    """Encoding and decoding gives an equal value of the same types, and the bytes are standard JSON."""
    encoded = encode_checked(value, "x")
    assert repr(decode(encoded)) == repr(value)
    assert repr(json.loads(encoded)) == repr(value)


@given(MIXED)
def test_anything_is_either_kept_as_it_is_or_refused(value):
    """No value is changed on its way, but for tuples, which become lists, and none raises anything but InvalidJob."""
    try:
        encoded = encode_checked(value, "the value")
    except InvalidJob as error:
        assert str(error).startswith("the value")  # noqa: PT017 -- the point is that either may be
    else:
        assert json.loads(encoded) == decode(encoded) == as_lists(value)


def as_lists(value: Any) -> Any:
    """The value with its tuples made lists."""
    if isinstance(value, list | tuple):
        return [as_lists(item) for item in value]
    if isinstance(value, dict):
        return {key: as_lists(item) for key, item in value.items()}
    return value


@given(st.recursive(SCALARS, lambda inner: st.lists(inner, min_size=1, max_size=3), max_leaves=8), STRANGE, st.data())
def test_the_path_leads_to_what_is_wrong(value, strange, data):
    """The error names the very place of the one thing that is not JSON."""
    path, inside = "x", value
    holder: dict[str, Any] = {"kwargs": value}
    where: tuple[Any, Any] = (holder, "kwargs")
    while isinstance(inside, list):
        index = data.draw(st.integers(0, len(inside) - 1))
        where = (inside, index)
        path += f"[{index}]"
        inside = inside[index]
    container, key = where
    container[key] = strange
    with pytest.raises(InvalidJob) as caught:
        encode_checked(holder["kwargs"], "x")
    assert str(caught.value).startswith(f"{path} ")


@pytest.mark.parametrize(
    ("value", "back"),
    [
        (Level.HIGH, 3),
        (Word.YES, "yes"),
        (Point(1, 2), [1, 2]),
        (Name("n"), "n"),
        ({Name("n"): Name("m")}, {"n": "m"}),
        (Metres(1.5), 1.5),
        (Mode.FAST, "fast"),
        (collections.OrderedDict(b=1, a=2), {"b": 1, "a": 2}),
        (collections.Counter("aab"), {"a": 2, "b": 1}),
        ((1, (2,)), [1, [2]]),
        ({Word.YES: Level.HIGH}, {"yes": 3}),
    ],
)
def test_subclasses_come_back_as_their_base(value, back):
    """Enums of strings or numbers, named tuples, kinds of dict, and subclasses of str and float are kept as JSON."""
    assert repr(decode(encode_checked(value, "x"))) == repr(back)


@pytest.mark.parametrize("value", [Name("a\x00"), Name("\ud800"), Metres("nan"), {"a": {Name("\x00"): 1}}])
def test_subclasses_are_checked_as_their_base(value):
    """What is wrong with a string or a number is seen in an instance of a subclass, whatever that prints."""
    with pytest.raises(InvalidJob, match=r"^x"):
        encode_checked(value, "x")


@pytest.mark.parametrize("container", [lambda inner: [inner], lambda inner: {"a": inner}, lambda inner: (inner,)])
def test_nesting_has_an_end(container):
    """A hundred levels are kept, one more is refused, in lists, dicts and tuples alike."""
    value: Any = 1
    for _ in range(MAX_DEPTH):
        value = container(value)
    encode_checked(value, "x")
    with pytest.raises(InvalidJob, match="nested deeper than 100 levels"):
        encode_checked(container(value), "x")


@pytest.mark.parametrize("sign", [1, -1])
def test_integers_have_an_end(sign):
    """An integer of the most bits comes back, and one bit more is refused before Python refuses to write it."""
    largest = sign * (2**MAX_INT_BITS - 1)
    assert decode(encode_checked(largest, "x")) == largest
    with pytest.raises(InvalidJob, match=f"x is an integer of {MAX_INT_BITS + 1} bits"):
        encode_checked(sign * 2**MAX_INT_BITS, "x")


# -- through PostgreSQL --------------------------------------------------------------------


def keep(chancy, kwargs: dict[str, Any], meta: dict[str, Any]) -> None:
    """Push in each form, and compare."""
    job = Job("m.f", kwargs=kwargs, meta=meta)
    unique = job.with_unique_key("k")
    with chancy.sync_pool.connection() as connection, connection.transaction(force_rollback=True):
        references = [
            chancy.sync_push(job, connection=connection),
            *chancy.sync_push_many([job, unique, job], connection=connection),
        ]
        found = connection.execute(
            f"SELECT kwargs::text, meta::text FROM {chancy.settings.schema}.jobs".encode()
        ).fetchall()
    assert len(found) == len(references)
    for kwargs_text, meta_text in found:
        for text, value in ((kwargs_text, kwargs), (meta_text, meta)):
            assert repr(decode(text) if text else {}) == repr(value)


@pytest.fixture
def sync_chancy(new_chancy):
    with new_chancy() as opened:
        opened.sync_migrate()
        yield opened


def test_arguments_go_through_the_database_unchanged(sync_chancy):
    """Whatever is accepted comes back from the table as it was, by INSERT and by COPY, in kwargs and in meta."""

    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.dictionaries(TEXT, VALUES, max_size=4), st.dictionaries(TEXT, VALUES, max_size=2))
    @example({"a": "\\N", "\\.": "\\.\n"}, {"\t": "\\t\\\\n"})
    def check(kwargs: dict[str, Any], meta: dict[str, Any]) -> None:
        keep(sync_chancy, kwargs, meta)

    check()


async def test_a_job_gets_the_arguments_it_was_pushed_with(chancy):
    """What a function is called with, and what it returns, is what was pushed, to the last character and type."""
    values = [
        -0.0,
        2**200,
        1e300,
        "\\N\t\n\\.",
        "🐘\u2028\x7f",
        {"": [None, True, {"x": ""}]},
        [],
        "null",
        "{}",
    ]
    pushed = [Job.from_func(jobs.echo, kwargs={"value": value}) for value in values]
    async with Worker(chancy):
        one = [await chancy.push(job) for job in pushed]
        many = await chancy.push_many(pushed)
        finished = await chancy.wait_for_jobs([*one, *many], timeout=WITHIN_S)
    assert repr([job.result for job in finished]) == repr(values * 2)
