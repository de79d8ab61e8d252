"""The values: immutable, checked where they are made."""

from __future__ import annotations

import functools
import pickle
import sys
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jobvalues import top_level

from chancy import Backoff, Job, Limit, job
from chancy_core.errors import InvalidJob
from chancy_core.values.fields import PRIORITY_MAX, PRIORITY_MIN
from chancy_core.values.jsonvalue import decode, encode_checked


class Holder:
    """A class with functions that can be imported, and one that cannot."""

    @staticmethod
    def static() -> None: ...

    @classmethod
    def of_class(cls) -> None: ...

    def bound(self) -> None: ...


def test_a_job_cannot_be_changed():
    """Neither by assignment nor through the dict it was made from."""
    kwargs = {"a": 1}
    made = Job(func="a.b", kwargs=kwargs)
    with pytest.raises(AttributeError):
        made.priority = 3
    kwargs["a"] = 2
    assert made.kwargs == {"a": 1}
    assert Job(func="a.b").kwargs is not Job(func="a.b").kwargs


def test_with_methods_return_changed_copies():
    """Each `with_` method changes its field in a copy and leaves the original alone."""
    made = Job(func="a.b")
    moment = datetime(2030, 1, 1, tzinfo=UTC)
    limits = [Limit(Limit.Type.TIME, 5)]
    changed = {
        "queue": made.with_queue("q").queue == "q",
        "kwargs": made.with_kwargs({"a": 1}).kwargs == made.with_kwargs(a=1).kwargs == {"a": 1},
        "priority": made.with_priority(-3).priority == -3,
        "max_attempts": made.with_max_attempts(4).max_attempts == 4,
        "scheduled_at": made.with_scheduled_at(moment).scheduled_at == moment,
        "limits": made.with_limits(limits).limits == limits,
        "unique_key": made.with_unique_key("k").unique_key == "k",
        "meta": made.with_meta({"m": 1}).meta == {"m": 1},
        "backoff": made.with_backoff(Backoff(base_s=5)).backoff == Backoff(base_s=5),
    }
    assert all(changed.values()), changed
    assert made == Job(func="a.b")


def test_a_job_survives_pickling():
    """A job can be sent to another process."""
    made = Job(func="a.b", kwargs={"a": [1]}, limits=[Limit(Limit.Type.TIME, 5)])
    assert pickle.loads(pickle.dumps(made)) == made


def test_from_func_names_what_can_be_imported():
    """Functions, static and class methods at the top of a module get their dotted names."""
    assert Job.from_func(top_level, kwargs={"a": 2}) == Job(func="jobvalues.top_level", kwargs={"a": 2})
    assert Job.from_func(Holder.static).func == "test_job.Holder.static"
    assert Job.from_func(Holder.of_class).func == "test_job.Holder.of_class"
    assert Job.from_func("a.b").func == "a.b"


@pytest.mark.parametrize(
    ("func", "says"),
    [
        (lambda: None, "lambda"),
        (Holder().bound, "bound to an object"),
        (functools.partial(top_level, 1), "no importable name"),
        (3, "no importable name"),
    ],
)
def test_from_func_refuses_what_cannot(func, says):
    """What a worker could not import is refused where the job is made, with the reason."""
    with pytest.raises(InvalidJob, match=says):
        Job.from_func(func)


def test_from_func_refuses_local_functions():
    """A function inside a function is refused with what to do."""

    def local() -> None: ...

    with pytest.raises(InvalidJob, match="move it to the top of the module"):
        Job.from_func(local)
    with pytest.raises(InvalidJob, match="inside a function"):
        job()(local)


def test_main_is_allowed_with_a_warning(monkeypatch):
    """A function of the script itself is allowed, and the warning says who cannot import it."""
    monkeypatch.delitem(sys.modules, "chancy_core.worker", raising=False)

    def script() -> None: ...

    script.__module__, script.__qualname__ = "__main__", "script"
    with pytest.warns(UserWarning, match="only a worker started by the same script"):
        assert Job.from_func(script).func == "__main__.script"


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"func": ""}, "func is empty"),
        ({"func": "x" * 501}, "func has 501 characters"),
        ({"func": "not a name"}, "give the dotted name"),
        ({"func": 3}, "func is 3"),
        ({"queue": ""}, "queue is empty"),
        ({"queue": "q\x00"}, "NUL"),
        ({"priority": PRIORITY_MAX + 1}, "priority is 2147483648"),
        ({"priority": PRIORITY_MIN - 1}, "priority is -2147483649"),
        ({"priority": 1.5}, "priority is 1.5"),
        ({"priority": True}, "priority is True"),
        ({"max_attempts": 0}, "max_attempts is 0"),
        ({"max_attempts": None}, "max_attempts is None"),
        ({"unique_key": ""}, "unique_key is empty"),
        ({"unique_key": "k" * 501}, "unique_key has 501"),
        ({"unique_key": "\ud800"}, "lone surrogate"),
        ({"scheduled_at": "tomorrow"}, "scheduled_at is 'tomorrow'"),
        ({"scheduled_at": datetime(2030, 1, 1)}, "without a time zone"),  # noqa: DTZ001
        ({"kwargs": [1]}, "kwargs is [1]"),
        ({"meta": 3}, "meta is 3"),
        ({"limits": [3]}, "limits is [3]"),
        ({"limits": [Limit(Limit.Type.TIME, 1), Limit(Limit.Type.TIME, 2)]}, "two of the same type"),
    ],
)
def test_a_field_out_of_range_is_refused(fields, says):
    """Each wrong field is refused where the job is made, with its name and value."""
    with pytest.raises(InvalidJob) as caught:
        Job(**{"func": "a.b", **fields})
    assert says in str(caught.value)


@pytest.mark.parametrize("value", [0, -1, float("inf"), float("nan"), "60", True])
def test_a_limit_needs_a_number_above_zero(value):
    """A limit without a usable number is refused."""
    with pytest.raises(InvalidJob, match="give a number of seconds above zero"):
        Limit(Limit.Type.TIME, value)


@pytest.mark.parametrize(
    ("kwargs", "says"),
    [
        ({"a": {1, 2}}, "kwargs['a'] is a set"),
        ({"a": [{"b": datetime(2030, 1, 1)}]}, "kwargs['a'][0]['b'] is a datetime"),  # noqa: DTZ001
        ({"a": b"x"}, "kwargs['a'] is a bytes"),
        ({"a": float("nan")}, "kwargs['a'] is nan"),
        ({"a": float("-inf")}, "kwargs['a'] is -inf"),
        ({"a": "x\x00y"}, "kwargs['a'] contains a NUL"),
        ({"a": ["\ud800"]}, "kwargs['a'][0] contains a lone surrogate"),
        ({"a": {3: 4}}, "kwargs['a'] has the key 3"),
        ({3: 4}, "kwargs has the key 3"),
        ({"a": object}, "kwargs['a'] is a type"),
        ({"\ud800": 1}, "lone surrogate"),
    ],
)
async def test_kwargs_that_are_not_json_are_refused(chancy, kwargs, says):
    """Each is refused before anything is written, with the path to the value."""
    for push in (chancy.push, lambda made: chancy.push_many([Job(func="a.b"), made])):
        with pytest.raises(InvalidJob) as caught:
            await push(Job(func="jobs.echo", kwargs=kwargs))
        assert says in str(caught.value)
    with pytest.raises(InvalidJob):
        await chancy.push(Job(func="jobs.echo", meta=kwargs))
    assert await chancy.count_jobs() == {}


async def test_endless_nesting_and_large_payloads_are_refused(new_chancy):
    """A list inside itself, and a payload over the limit, are refused with the numbers."""
    endless: list[object] = []
    endless.append(endless)
    async with new_chancy(payload_limit_bytes=1000) as chancy:
        with pytest.raises(InvalidJob, match="nested deeper than 100 levels"):
            await chancy.push(Job(func="a.b", kwargs={"a": endless}))
        with pytest.raises(InvalidJob, match=r"take 1,001 bytes as JSON: the limit is 1,000"):
            await chancy.push(Job(func="a.b", kwargs={"a": "x" * 993}))
        await chancy.push(Job(func="a.b", kwargs={"a": "x" * 992}))


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00")),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00")), inner, max_size=4
        )
    ),
    max_leaves=20,
)


@given(JSON)
def test_json_comes_back_as_it_was(value):
    """Whatever is accepted comes back equal and of the same types."""
    found = decode(encode_checked(value, "x"))
    assert found == value
    assert repr(found) == repr(value)


@given(st.integers(1, 10_000), st.floats(0, 1000), st.floats(1, 10), st.floats(0, 1000), st.floats(0, 1))
def test_a_backoff_stays_in_its_bounds(attempts, base_s, factor, max_s, jitter):
    """However many attempts, the delay is never negative, never above the cap and its jitter."""
    delay = Backoff(base_s=base_s, factor=factor, max_s=max_s, jitter=jitter).delay_s(attempts)
    assert 0 <= delay <= max_s * (1 + jitter) + 1e-9


def test_a_backoff_grows():
    """Without jitter it is base times factor to the number of failures but one, up to the cap."""
    backoff = Backoff(base_s=1, factor=3, max_s=20, jitter=0)
    assert [backoff.delay_s(n) for n in (1, 2, 3, 4, 5)] == [1, 3, 9, 20, 20]
