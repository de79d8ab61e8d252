"""@job, and jobs whatever their values are."""

from __future__ import annotations

import pickle
import uuid
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jobvalues import top_level

from chancy import Backoff, Job, Limit, QueuedJob, State, job
from chancy_core.errors import InvalidJob
from chancy_core.store.insertparams import copy_line
from chancy_core.store.jobrows import job_row
from chancy_core.store.storedjobs import claimed_job
from chancy_core.values.fields import PRIORITY_MAX, PRIORITY_MIN


@job(queue="mail", max_attempts=5, priority=-3, meta={"team": "post"})
async def send(*, to: str) -> str:
    """Send a letter."""
    return f"sent to {to}"


@job()
def count(a: int, b: int = 2) -> int:
    return a + b


async def test_a_decorated_function_stays_what_it_was():
    """With @job a function is called as before, keeps its name and its doc, and has a job with the fields given."""
    assert await send(to="alice") == "sent to alice"
    assert count(1) == 3
    assert send.__doc__ == "Send a letter."
    assert send.__qualname__ == "send"
    assert send.job == Job(func="test_decorated.send", queue="mail", max_attempts=5, priority=-3, meta={"team": "post"})
    assert count.job == Job(func="test_decorated.count")
    assert Job.from_func(count) == count.job


def test_a_decorated_functions_job_is_changed_in_copies():
    """What is made from a function's job leaves that job as it was."""
    before = send.job
    changed = send.job.with_kwargs(to="bob").with_priority(1)
    assert (changed.func, changed.queue, changed.kwargs, changed.priority) == (
        "test_decorated.send",
        "mail",
        {"to": "bob"},
        1,
    )
    assert send.job is before
    assert send.job.kwargs == {}


def test_a_decorator_checks_its_fields():
    """A bad field of @job, or one that no job has, is an error where the function is defined."""
    with pytest.raises(InvalidJob, match="max_attempts is 0"):
        job(max_attempts=0)(top_level)
    with pytest.raises(InvalidJob, match="nonsense is no field of a job"):
        job(nonsense=1)(top_level)


NAMES = st.from_regex(r"[a-z_][a-zA-Z0-9_]{0,9}(\.[a-z_äß][a-z0-9_]{0,9}){0,3}", fullmatch=True)


PLAIN = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), min_size=1, max_size=20).filter(
    str.strip
)


LIMITS = st.lists(
    st.builds(Limit, st.sampled_from(Limit.Type), st.integers(1, 2**53) | st.floats(1e-9, 1e9)),
    max_size=2,
    unique_by=lambda limit: limit.type_,
)


MOMENTS = st.datetimes(
    datetime(2, 1, 1),  # noqa: DTZ001 -- the zones come from below
    datetime(9998, 1, 1),  # noqa: DTZ001
    timezones=st.timezones() | st.just(UTC),
)


BACKOFFS = st.builds(
    Backoff, base_s=st.floats(0, 1000), factor=st.floats(1, 10), max_s=st.floats(0, 9999), jitter=st.floats(0, 1)
)


FIELDS = {
    "queue": NAMES,
    "kwargs": st.dictionaries(PLAIN, st.integers() | PLAIN, max_size=3),
    "priority": st.integers(PRIORITY_MIN, PRIORITY_MAX),
    "max_attempts": st.integers(1, 2**31 - 1),
    "scheduled_at": st.none() | MOMENTS,
    "limits": LIMITS,
    "unique_key": st.none() | PLAIN,
    "meta": st.dictionaries(PLAIN, PLAIN, max_size=3),
    "backoff": st.none() | BACKOFFS,
    "expires_at": st.none() | MOMENTS,
}


POLICY = st.fixed_dictionaries({name: st.lists(NAMES, max_size=2).map(tuple) for name in ("retry_on", "give_up_on")})


@given(NAMES, st.fixed_dictionaries({}, optional=FIELDS))
def test_with_methods_make_the_job_that_the_constructor_makes(func, fields):
    """Any job can be made at once, or from a bare one through its `with_` methods, with the same result."""
    step_by_step = Job(func)
    for name, value in fields.items():
        step_by_step = getattr(step_by_step, f"with_{name}")(value)
    assert step_by_step == Job(func, **fields) == Job.from_func(func, **fields)
    assert pickle.loads(pickle.dumps(step_by_step)) == step_by_step


@given(NAMES, st.fixed_dictionaries(FIELDS), POLICY, st.booleans())
def test_a_row_holds_all_of_a_job(func, fields, policy, keep_result):
    """Turned into a row and back, as the store does it, any job is the same job."""
    made = Job(func, keep_result=keep_result, **fields, **policy)
    row = job_row(made, made.queue, str(uuid.UUID(int=1)), 10**6)
    back = claimed_job(
        (
            *(row.func, row.queue, row.kwargs, row.priority, row.max_attempts, row.scheduled_at),
            *(row.limits, row.unique_key, row.meta, row.options),
            *(uuid.UUID(row.id), "running", 1, 1, None, None, None, None, None, row.expires_at),
        )
    )
    assert isinstance(back, QueuedJob)
    # A local time that there was twice is equal to none in another zone.
    in_utc = {
        name: moment and moment.astimezone(UTC)
        for name, moment in (("scheduled_at", made.scheduled_at), ("expires_at", made.expires_at))
    }
    assert {name: getattr(back, name) for name in Job.__struct_fields__} == {
        **{name: getattr(made, name) for name in Job.__struct_fields__},
        **in_utc,
    }
    # What COPY is given is one line of as many fields, whatever characters there are.
    assert copy_line(row).count("\n") == 1
    assert copy_line(row).count("\t") == 11


def test_states_that_end_a_job():
    """Three states are final; a state is equal to its text."""
    assert {state for state in State if state.finished} == {"succeeded", "failed", "cancelled"}
    assert QueuedJob.State is State
    assert f"{State.RETRYING}" == "retrying"


async def test_a_job_from_the_database_is_a_job(chancy):
    """What get_job returns can be changed and pushed again as a new job, and is equal to itself read twice."""
    reference = await chancy.push(Job("jobs.echo", kwargs={"value": 1}, meta={"a": 1}))
    first, second = await reference.get(), await reference.get()
    assert first == second
    assert hash(first) == hash(second)
    again = await chancy.push(first.with_priority(5))
    assert again != reference
    found = await again.get()
    assert (found.kwargs, found.meta, found.priority, found.attempts) == (first.kwargs, first.meta, 5, 0)
    with pytest.raises(AttributeError):
        first.state = "failed"
