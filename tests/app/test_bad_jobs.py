"""Bad jobs and functions: a clear error before anything is written."""

from __future__ import annotations

import asyncio
import enum
import math
import subprocess
import sys
import uuid
from collections import OrderedDict
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import jobs
import pytest
from nonsense import FORMS, push, tables

from chancy import Backoff, Job, Limit
from chancy_core.errors import (
    ChancyError,
    InvalidJob,
    UnknownQueue,
)


class Plain:
    """What JSON does not have."""

    def __repr__(self) -> str:
        return "<Plain>"


class Colour(enum.Enum):
    RED = "red"


def in_itself() -> dict[str, Any]:
    """A dict that contains itself."""
    found: dict[str, Any] = {}
    found["me"] = found
    return found


NOT_JSON = {
    "set": ({"a": {1}}, "kwargs['a'] is a set", "list"),
    "frozenset": ({"a": frozenset()}, "kwargs['a'] is a frozenset", "list"),
    "bytes": ({"a": b"x"}, "kwargs['a'] is a bytes", "base64"),
    "datetime": ({"at": datetime(2030, 1, 1)}, "kwargs['at'] is a datetime", "isoformat"),  # noqa: DTZ001
    "aware datetime": ({"at": datetime(2030, 1, 1, tzinfo=UTC)}, "kwargs['at'] is a datetime", "isoformat"),
    "date": ({"on": date(2030, 1, 1)}, "kwargs['on'] is a date", "isoformat"),
    "time": ({"at": time(1)}, "kwargs['at'] is a time", "isoformat"),
    "uuid": ({"id": uuid.UUID(int=1)}, "kwargs['id'] is a UUID", "id"),
    "decimal": ({"sum": Decimal(1)}, "kwargs['sum'] is a Decimal", "plain"),
    "path": ({"file": Path("a")}, "kwargs['file'] is a PosixPath", "path"),
    "object": ({"it": Plain()}, "kwargs['it'] is a Plain (<Plain>)", "plain values"),
    "enum": ({"colour": Colour.RED}, "kwargs['colour'] is a Colour", "plain"),
    "function": ({"f": jobs.add}, "kwargs['f'] is a function", "plain"),
    "generator": ({"g": (n for n in ())}, "kwargs['g'] is a generator", "plain"),
    "deep inside": ({"a": [{"b": (1, {"c": Plain()})}]}, "kwargs['a'][0]['b'][1]['c'] is a Plain", "plain"),
    "in a subclass": ({"a": OrderedDict(b=Plain())}, "kwargs['a']['b'] is a Plain", "plain"),
    "nan": ({"x": math.nan}, "kwargs['x'] is nan", "None"),
    "infinity": ({"x": [-math.inf]}, "kwargs['x'][0] is -inf", "None"),
    "key that is no string": ({"a": {1: 2}}, "kwargs['a'] has the key 1", "strings"),
    "key that is None": ({"a": {None: 2}}, "kwargs['a'] has the key None", "strings"),
    "name that is no string": ({1: 2}, "kwargs has the key 1", "strings"),
    "nul": ({"a": "x\x00y"}, "kwargs['a'] contains a NUL", "PostgreSQL"),
    "nul in a key": ({"a": {"x\x00": 1}}, "kwargs['a'] has the key 'x\\x00'", "PostgreSQL"),
    "lone surrogate": ({"a": ["b", "\ud800"]}, "kwargs['a'][1] contains a lone surrogate", "Unicode"),
    "low surrogate": ({"a": "x\udfffy"}, "kwargs['a'] contains a lone surrogate", "Unicode"),
    "surrogate in a key": ({"a": {"\ud800": 1}}, "kwargs['a'] (a key) contains a lone surrogate", "Unicode"),
    "in itself": (in_itself(), "kwargs['me']", "nested deeper than"),
    "very deep": ({"a": eval("[" * 150 + "]" * 150)}, "kwargs['a']", "nested deeper than"),
    "very long integer": ({"a": 10**5000}, "kwargs['a'] is an integer", "bits"),
}


@pytest.mark.parametrize("form", FORMS)
async def test_kwargs_that_are_not_json(chancy, form):
    """Whatever is no JSON, or cannot be stored, is refused, naming the key, and nothing is written."""
    for what, (kwargs, where, advice) in NOT_JSON.items():
        with pytest.raises(InvalidJob) as caught:
            await push(chancy, form, Job("jobs.noop", kwargs=kwargs))
        assert where in str(caught.value), what
        assert advice in str(caught.value), what
        assert ("Job 1 of push_many" in str(caught.value)) == (form in ("push_many", "bulk_transaction"))
    assert await tables(chancy) == {"jobs": 0, "finished_jobs": 0, "queues": 1}


async def test_meta_that_is_not_json(chancy):
    """The same holds for `meta`, under its own name."""
    for meta, where, _ in NOT_JSON.values():
        with pytest.raises(InvalidJob) as caught:
            await chancy.push(Job("jobs.noop", meta=meta))
        assert where.replace("kwargs", "meta") in str(caught.value)
    assert await tables(chancy) == {"jobs": 0, "finished_jobs": 0, "queues": 1}


async def test_a_bad_job_does_not_fail_its_neighbours(chancy):
    """Of many single pushes at a time, only the bad ones fail."""
    bad = Job("jobs.noop", kwargs={"a": Plain()})
    good = Job("jobs.noop")
    pushes = [chancy.push(bad if n % 3 == 0 else good.with_kwargs(n=n)) for n in range(30)]
    pushes.append(chancy.push("nowhere", good))
    answers = await asyncio.gather(*pushes, return_exceptions=True)
    assert {n for n, answer in enumerate(answers) if isinstance(answer, InvalidJob)} == set(range(0, 30, 3))
    assert isinstance(answers[-1], UnknownQueue)
    assert (await tables(chancy))["jobs"] == 20


@pytest.mark.parametrize("text", ["x", "é", "🐘"])
async def test_a_payload_over_the_limit(new_chancy, text):
    """The payload is measured in bytes of JSON, up to the limit it is taken, and one byte more is refused."""
    limit = 1000
    size = len(text.encode())
    async with new_chancy(payload_limit_bytes=limit) as chancy:
        # {"a":"…"} and {"b":"…"} around it.
        fits = Job("jobs.noop", kwargs={"a": text * 100}, meta={"b": "x" * (limit - 16 - 100 * size)})
        for form in FORMS:
            await push(chancy, form, fits)
            with pytest.raises(InvalidJob, match=r"jobs.noop take 1,001 bytes as JSON: the limit is 1,000"):
                await push(chancy, form, fits.with_meta(b=fits.meta["b"] + "x"))
        assert (await tables(chancy))["jobs"] == 1 + 3 + 1 + 3


FIELDS: dict[str, tuple[dict[str, Any], str]] = {
    "priority too low": ({"priority": -(2**31) - 1}, "priority is -2147483649"),
    "priority too high": ({"priority": 2**31}, "from -2,147,483,648 to 2,147,483,647"),
    "priority a float": ({"priority": 1.0}, "priority is 1.0: give a whole number"),
    "priority a boolean": ({"priority": True}, "priority is True"),
    "priority None": ({"priority": None}, "priority is None"),
    "no attempt": ({"max_attempts": 0}, "max_attempts is 0: give a whole number from 1"),
    "negative attempts": ({"max_attempts": -1}, "max_attempts is -1"),
    "too many attempts": ({"max_attempts": 2**31}, "max_attempts is 2147483648"),
    "attempts as text": ({"max_attempts": "3"}, "max_attempts is '3'"),
    "no function": ({"func": ""}, "func is empty"),
    "a blank function": ({"func": "  "}, "func is empty"),
    "a long function": ({"func": "m." + "f" * 499}, "func has 501 characters"),
    "a function that is no name": ({"func": "not a name"}, "'package.module.function'"),
    "a function with a gap": ({"func": "a..b"}, "'package.module.function'"),
    "a function without an end": ({"func": "a."}, "'package.module.function'"),
    "a function that is a number": ({"func": "a.1b"}, "'package.module.function'"),
    "a function that is no text": ({"func": jobs.add}, "func is <function add"),
    "a function with a NUL": ({"func": "m.f\x00"}, "NUL"),
    "no queue": ({"queue": ""}, "queue is empty"),
    "a long queue": ({"queue": "q" * 501}, "queue has 501 characters"),
    "a queue that is no text": ({"queue": 5}, "queue is 5"),
    "a queue with a surrogate": ({"queue": "q\ud800"}, "lone surrogate"),
    "an empty key": ({"unique_key": ""}, "unique_key is empty"),
    "a long key": ({"unique_key": "é" * 501}, "unique_key has 501 characters"),
    "a key with a NUL": ({"unique_key": "a\x00"}, "NUL"),
    "a key with a surrogate": ({"unique_key": "\udc80"}, "lone surrogate"),
    "a key that is no text": ({"unique_key": 7}, "unique_key is 7"),
    "a naive datetime": ({"scheduled_at": datetime(2030, 1, 1)}, "without a time zone"),  # noqa: DTZ001
    "a date": ({"scheduled_at": date(2030, 1, 1)}, "give a datetime with a time zone"),
    "a number of seconds": ({"scheduled_at": 5}, "scheduled_at is 5"),
    "before all time": ({"scheduled_at": datetime.min.replace(tzinfo=timezone(timedelta(hours=1)))}, "scheduled_at is"),
    "after all time": ({"scheduled_at": datetime.max.replace(tzinfo=timezone(timedelta(hours=-1)))}, "to 9999-12-30"),
    "kwargs in a list": ({"kwargs": ["a"]}, "kwargs is ['a']: give a mapping"),
    "meta as text": ({"meta": "a"}, "meta is 'a'"),
    "no limits": ({"limits": [1]}, "limits is [1]: give a list of Limit"),
    "limits twice": ({"limits": [Limit(Limit.Type.TIME, 1), Limit(Limit.Type.TIME, 2)]}, "two of the same type"),
}


@pytest.mark.parametrize("what", FIELDS)
def test_a_field_out_of_its_range(what):
    """A job with a bad field is never made: the error names the field, the value and what would be right."""
    fields, message = FIELDS[what]
    with pytest.raises(InvalidJob) as caught:
        Job(**{"func": "m.f", **fields})
    assert message in str(caught.value)
    assert isinstance(caught.value, ChancyError)
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize("what", [what for what in FIELDS if "function" not in what])
def test_a_job_cannot_be_changed_into_a_bad_one(what):
    """The `with_` methods check as the constructor does."""
    fields, message = FIELDS[what]
    ((name, value),) = fields.items()
    with pytest.raises(Exception) as caught:
        getattr(Job("m.f"), f"with_{name}")(value)
    if name not in ("kwargs", "meta"):
        assert isinstance(caught.value, InvalidJob)
        assert message in str(caught.value)


@pytest.mark.parametrize("value", [0, -1, math.nan, math.inf, "5", True, None, 2**53 + 1, 2**63, 10**400])
@pytest.mark.parametrize("kind", [Limit.Type.MEMORY, Limit.Type.TIME])
def test_a_limit_out_of_its_range(kind, value):
    """A limit is a number above zero that a database can keep, and its error names the unit."""
    with pytest.raises(InvalidJob, match="bytes" if kind is Limit.Type.MEMORY else "seconds"):
        Limit(kind, value)


def test_a_limit_of_an_unknown_type():
    """A limit's type is one of `Limit.Type`, and the error lists them."""
    with pytest.raises(InvalidJob, match=r"'cpu' is unknown: use Limit.Type.MEMORY .* or Limit.Type.TIME"):
        Limit("cpu", 1)


@pytest.mark.parametrize(
    "fields",
    [
        {"base_s": -1},
        {"base_s": math.nan},
        {"base_s": "1"},
        {"factor": 0.5},
        {"factor": math.inf},
        {"max_s": 10**9},
        {"jitter": 1.1},
        {"jitter": -0.1},
    ],
)
def test_a_backoff_out_of_its_range(fields):
    """A backoff's numbers have ranges, and the error names the field and the range."""
    with pytest.raises(InvalidJob, match=rf"Backoff {next(iter(fields))} is .*: give (a number|seconds) from"):
        Backoff(**fields)


class Owner:
    def method(self) -> None: ...

    def __call__(self) -> None: ...


def test_functions_that_no_worker_could_import():
    """A lambda, a local function, a bound method and a callable object are refused, each with its own way out."""

    def local() -> None: ...

    for func, message in (
        (lambda: None, "lambda .* give it a name with `def`"),
        (local, r"local is defined inside a function, .* move it to the top of the module"),
        (Owner().method, r"Owner.method is bound to an object, .* pass what it needs in kwargs"),
        (Owner(), "no importable name"),
        (5, "no importable name"),
        (None, "no importable name"),
    ):
        with pytest.raises(InvalidJob, match=message):
            Job.from_func(func)


def test_a_function_of_main_is_allowed_with_a_warning():
    """A function of the script that runs makes a job, and a warning says that a worker elsewhere cannot import it."""
    script = (
        "import warnings\n"
        "from chancy import Job, job\n"
        "def f(): ...\n"
        "with warnings.catch_warnings(record=True) as caught:\n"
        "    warnings.simplefilter('always')\n"
        "    assert Job.from_func(f).func == '__main__.f'\n"
        "    job()(f)\n"
        "    print(len(caught), caught[0].category.__name__, caught[0].message)\n"
    )
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert found.stdout.startswith("2 UserWarning f is defined in __main__: only a worker started by the same script")
