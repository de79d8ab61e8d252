"""Bad input: a clear error before anything is written."""

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
import msgspec
import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from support import WITHIN_S

from chancy import Backoff, Chancy, Job, Limit, Queue, QueuedJob, Worker
from chancy_core.errors import (
    ChancyError,
    DatabaseUnavailable,
    InvalidJob,
    InvalidQueue,
    NotOpen,
    SchemaError,
    UnknownQueue,
)
from chancy_core.executors import Report
from chancy_core.executors.asyncio import AsyncExecutor
from chancy_core.values.raised import Raised

FORMS = ["push", "push_many", "transaction", "bulk_transaction"]


class Plain:
    """What JSON does not have."""

    def __repr__(self) -> str:
        return "<Plain>"


class Colour(enum.Enum):
    RED = "red"


async def tables(chancy: Chancy) -> dict[str, int]:
    """How many rows each table has."""
    async with chancy.pool.connection() as connection:
        found = {}
        for name in ("jobs", "finished_jobs", "queues"):
            cursor = await connection.execute(f"SELECT count(*) FROM {chancy.settings.schema}.{name}".encode())
            found[name] = (await cursor.fetchone())[0]
        return found


async def push(chancy: Chancy, form: str, *pushed: Any) -> None:
    """Push good jobs and `pushed` in one of the forms; on a connection of our own, commit whatever came of it."""
    good = Job("jobs.noop")
    if form == "push":
        await chancy.push(*pushed)
    elif form == "push_many":
        await chancy.push_many([good, *pushed, good])
    else:
        async with await psycopg.AsyncConnection.connect(chancy.dsn) as connection:
            try:
                if form == "transaction":
                    await chancy.push(*pushed, connection=connection)
                else:
                    await chancy.push_many([good, *pushed, good], connection=connection)
            finally:
                await connection.commit()


def in_itself() -> dict[str, Any]:
    """A dict that contains itself."""
    found: dict[str, Any] = {}
    found["me"] = found
    return found


# -- what is in a job ----------------------------------------------------------------------

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


# -- functions -----------------------------------------------------------------------------


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


# -- what is pushed, and to where ----------------------------------------------------------


async def test_pushing_what_is_no_job(chancy):
    """What is not a job, or does not say where to, is refused, and nothing is written."""
    for pushed, message in (
        ((), "names no job"),
        (("default",), "names no job"),
        (("default", None), "names no job"),
        (("default", "jobs.noop"), "'jobs.noop' is not a job"),
        ((jobs.noop,), "Decorate the function with @job"),
        (("default", jobs.noop), "Decorate the function with @job"),
        ((Job("m.f"), "default"), "the queue's name comes first"),
        ((5,), "5 is not a job"),
        (("", Job("m.f")), "queue is empty"),
        (("q" * 501, Job("m.f")), "queue has 501 characters"),
        (("a\x00", Job("m.f")), "NUL"),
    ):
        with pytest.raises(InvalidJob) as caught:
            await chancy.push(*pushed)
        assert message in str(caught.value)
    assert (await tables(chancy))["jobs"] == 0


async def test_pushing_many_of_which_one_is_no_job(chancy):
    """One thing among many that is no job keeps all of them from being stored."""
    good = Job("m.f")
    for pushed in (
        (5,),
        ("default", 5),
        ([good, 5],),
        ("default", good, jobs.noop),
        ("default", "x"),
        ("default", {"a": 1}),
    ):
        with pytest.raises(InvalidJob, match="is not a job"):
            await chancy.push_many(*pushed)
    assert (await tables(chancy))["jobs"] == 0


async def test_a_queue_that_nobody_declared(chancy):
    """A push to an unknown queue inserts nothing and names the nearest one, or all there are."""
    await chancy.declare(Queue("reports"))
    for form in FORMS:
        with pytest.raises(UnknownQueue, match=r"'report' was never declared .* Did you mean 'reports'\?"):
            await push(chancy, form, Job("m.f", queue="report"))
        with pytest.raises(UnknownQueue, match=r"Known: 'default', 'reports'"):
            await push(chancy, form, Job("m.f", queue="xyz"))
    assert await tables(chancy) == {"jobs": 0, "finished_jobs": 0, "queues": 2}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"name": ""}, "Queue name ''"),
        ({"name": "q" * 101}, "1 to 100 letters"),
        ({"name": "-q"}, "Queue name '-q'"),
        ({"name": "q q"}, "Queue name 'q q'"),
        ({"name": "q\n"}, "Queue name"),
        ({"name": "ü"}, "Queue name"),
        ({"name": None}, "Queue name None"),
        ({"concurrency": 0}, "concurrency is 0"),
        ({"concurrency": 10_001}, "from 1 to 10,000"),
        ({"concurrency": True}, "concurrency is True"),
        ({"concurrency": 1.5}, "concurrency is 1.5"),
        ({"tags": "gpu"}, "give a list of regular expressions"),
        ({"tags": [1]}, "give a list of regular expressions"),
        ({"tags": ["ok", "("]}, "tag '(' is not a regular expression"),
        ({"tags": ["a\x00"]}, "NUL"),
        ({"polling_interval": 0}, "polling_interval is 0"),
        ({"polling_interval": 3601}, "at most 3,600"),
        ({"polling_interval": math.nan}, "polling_interval is nan"),
        ({"polling_interval": True}, "polling_interval is True"),
        ({"rate_limit": 0}, "rate_limit is 0; give a whole number from 1 to 1,000,000"),
        ({"rate_limit": 1_000_001}, "rate_limit is 1000001"),
        ({"rate_limit": True}, "rate_limit is True"),
        ({"rate_limit": 1.5}, "rate_limit is 1.5"),
        ({"rate_limit_window": 0.05}, "give seconds from 0.1 to 86,400"),
        ({"rate_limit_window": 86_401}, "rate_limit_window is 86401"),
        ({"rate_limit_window": math.nan}, "rate_limit_window is nan"),
        ({"rate_limit_window": None}, "rate_limit_window is None"),
        ({"global_concurrency": 0}, "global_concurrency is 0"),
        ({"global_concurrency": "4"}, "global_concurrency is '4'"),
        ({"executor": ""}, "executor is ''"),
        ({"executor": 5}, "executor is 5"),
        ({"executor": "a\ud800"}, "lone surrogate"),
        ({"executor_options": ["a"]}, "give a dict"),
        ({"executor_options": {"a": {1}}}, "executor_options['a'] is a set"),
        ({"executor_options": {"a": math.nan}}, "executor_options['a'] is nan"),
        ({"state": "asleep"}, "state is 'asleep'; give 'active' or 'paused'"),
        ({"resume_at": datetime(2030, 1, 1)}, "resume_at is 2030-01-01T00:00:00, without a time zone"),  # noqa: DTZ001
        ({"resume_at": datetime.max.replace(tzinfo=timezone(timedelta(hours=-1)))}, "resume_at is 9999"),
    ],
)
def test_a_queue_out_of_range(fields, message):
    """A queue with a bad field is never made, and the error names the queue, the field and the value."""
    with pytest.raises(InvalidQueue) as caught:
        Queue(**{"name": "q", **fields})
    assert message in str(caught.value)


async def test_what_is_done_to_queues(chancy):
    """Declaring what is no queue, pausing until a bad moment and deleting `default` are refused, and change nothing."""
    before = await chancy.get_all_queues()
    with pytest.raises(InvalidQueue, match=r"give a Queue, as in declare\(Queue\('mail'\)\)"):
        await chancy.declare("mail")
    with pytest.raises(InvalidQueue, match="without a time zone"):
        await chancy.pause_queue("default", resume_at=datetime(2030, 1, 1))  # noqa: DTZ001
    with pytest.raises(InvalidQueue, match="give a moment from"):
        await chancy.pause_queue("default", resume_at=datetime.max.replace(tzinfo=timezone(timedelta(hours=-1))))
    with pytest.raises(InvalidQueue, match="cannot be deleted"):
        await chancy.delete_queue("default")
    for change in (chancy.get_queue, chancy.pause_queue, chancy.resume_queue, chancy.delete_queue):
        with pytest.raises(UnknownQueue, match=r"Did you mean 'default'\?"):
            await change("defualt")
    assert await chancy.get_all_queues() == before


# -- what was stored before it was refused --------------------------------------------------


async def test_what_python_cannot_read_is_not_stored_by_any_time_zone(chancy):
    """The first and the last moment that are taken come back equal, whatever the time zone of the session."""
    pushed = [
        Job("m.f", scheduled_at=moment)
        for moment in (
            datetime(1, 1, 2, tzinfo=UTC),
            datetime(9999, 12, 30, tzinfo=UTC),
            datetime(2030, 1, 1, tzinfo=timezone(timedelta(hours=20))),
            datetime(2030, 1, 1, tzinfo=timezone(timedelta(hours=-20, seconds=-1))),
            datetime(2030, 1, 1, tzinfo=timezone(timedelta(microseconds=1))),
        )
    ]
    references = [*(await chancy.push_many(pushed)), *[await chancy.push(job) for job in pushed]]
    for zone in ("UTC", "Pacific/Kiritimati", "Pacific/Pago_Pago"):
        dsn = make_conninfo(chancy.dsn, options=f"-c TimeZone={zone}")
        async with Chancy(dsn, schema=chancy.settings.schema, discover=False) as elsewhere:
            found = await elsewhere.get_jobs(references)
        assert [job.scheduled_at for job in found] == [job.scheduled_at for job in pushed * 2]


# -- the database --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "dsn",
    ["not a dsn", "host", "postgresql://user:s3cret@[::1/db", "password=s3cret hots=x", "x=\udc80 password=s3cret"],
)
async def test_a_wrong_dsn(dsn):
    """What is no connection string is an error that shows what one looks like, and never a password."""
    with pytest.raises(ChancyError) as caught:
        async with Chancy(dsn, discover=False):
            pass
    assert "postgresql://" in str(caught.value)
    assert "s3cret" not in str(caught.value)
    with pytest.raises(ChancyError), Chancy(dsn, discover=False):
        pass


async def test_no_server(tmp_path):
    """Where nothing answers, the error says where that is, why, and what to check, without the password."""
    dsn = f"host={tmp_path} port=5999 dbname=app user=me password=s3cret"
    for _ in range(2):
        with pytest.raises(DatabaseUnavailable) as caught:
            async with Chancy(dsn, discover=False):
                pass
        assert f"{tmp_path}:5999, database app" in str(caught.value)
        assert "Check that the server runs" in str(caught.value)
        assert "s3cret" not in str(caught.value)
    with pytest.raises(DatabaseUnavailable), Chancy(dsn, discover=False):
        pass


async def test_no_such_database(dsn, schema):
    """A database that does not exist is an error that repeats the server's reason."""
    with pytest.raises(DatabaseUnavailable, match='database "no_such_database" does not exist'):
        async with Chancy(make_conninfo(dsn, dbname="no_such_database"), schema=schema, discover=False):
            pass


async def test_a_schema_of_a_newer_version(chancy, new_chancy):
    """On a schema that newer code made, nothing can be pushed or run, and the error says what to upgrade."""
    async with chancy.pool.connection() as connection:
        await connection.execute(
            f"INSERT INTO {chancy.settings.schema}.migrations (owner, version) VALUES ('kernel', 99)".encode()
        )
    async with new_chancy() as opened:
        for use in (
            lambda: opened.push(Job("m.f")),
            lambda: opened.push_many([Job("m.f")]),
            lambda: opened.declare(Queue("q")),
            lambda: Worker(opened).start(),
            opened.migrate,
        ):
            with pytest.raises(SchemaError, match=r"version 99 of kernel, made by a newer chancy-core; .* Upgrade it"):
                await use()
    assert await tables(chancy) == {"jobs": 0, "finished_jobs": 0, "queues": 1}


@pytest.mark.parametrize("schema_name", ["", "Upper", "1st", "a-b", "pg_mine", 'a"; DROP', "a" * 49, "ü"])
def test_a_schema_that_cannot_be_one(dsn, schema_name):
    """A schema's name is plain and short, and the error says how."""
    with pytest.raises(ChancyError, match="schema"):
        Chancy(dsn, schema=schema_name, discover=False)


async def test_a_chancy_that_is_not_open(new_chancy):
    """Outside its block a Chancy says how to open it, in the form that fits the method."""
    closed = new_chancy()
    with pytest.raises(NotOpen, match="async with Chancy"):
        await closed.push(Job("m.f"))
    with pytest.raises(NotOpen, match="async with Chancy"):
        await closed.push_many([Job("m.f")])
    with pytest.raises(NotOpen, match="`with Chancy"):
        closed.sync_push(Job("m.f"))
    with pytest.raises(NotOpen, match="async with Chancy"):
        await closed.wait_for_job(str(uuid.UUID(int=1)), timeout=1)
    with pytest.raises(NotOpen):
        await Worker(closed).start()


async def test_a_connection_that_is_none(chancy):
    """What is no psycopg connection is refused, with where to find one, and nothing is written."""
    for given in ("text", 5, object()):
        for form in (chancy.push, chancy.push_many):
            with pytest.raises(TypeError, match=f"connection is {type(given).__name__}: give a psycopg 3 connection"):
                await form(Job("m.f"), connection=given)
    assert (await tables(chancy))["jobs"] == 0


# -- results, which are input as well --------------------------------------------------------


async def test_a_result_with_bad_text_holds_up_nobody(chancy):
    """A job whose result has text that cannot be stored, in itself or in its repr, succeeds, as do those beside it."""
    cases = [(where, text) for where in ("repr", "key", "value") for text in ("a\x00b", "a\ud800b", "x" * 100_000)]
    async with Worker(chancy):
        odd = [
            Job.from_func(jobs.odd, kwargs={"text": text.encode("utf-8", "surrogatepass").hex(), "where": where})
            for where, text in cases
        ]
        noop = Job("jobs.noop")
        finished = await chancy.wait_for_jobs(await chancy.push_many([noop, *odd, noop]), timeout=WITHIN_S)
    assert {job.state for job in finished} == {"succeeded"}
    for (where, text), job in zip(cases, finished[1:-1], strict=True):
        kept = len(text) > 10 and where != "repr"
        assert (job.result is not None) is kept
        assert (job.note is None) is kept
        assert len(job.note or "") <= 2000


class Unspeakable(AsyncExecutor):
    """An executor of somebody's whose reports hold what cannot be stored, or even sent."""

    async def run(self, job: QueuedJob) -> Report:
        report = await super().run(job)
        text = {"nul": "a\x00", "surrogate": "a\ud800"}.get(job.kwargs["value"])
        if text is None:
            return report
        return msgspec.structs.replace(
            report, result=None, error=Raised(type="E", message=text, traceback=text), note=text
        )


async def test_an_executor_with_bad_text_holds_up_nobody(chancy):
    """Outcomes that cannot be stored as they are, whoever made them, are stored without what is bad about them."""
    await chancy.declare(Queue("odd", executor="test_bad_input.Unspeakable"))
    async with Worker(chancy):
        values = ["good", "nul", "good", "surrogate", "good"]
        pushed = [Job.from_func(jobs.echo, kwargs={"value": value}) for value in values]
        finished = await chancy.wait_for_jobs(await chancy.push_many("odd", pushed), timeout=WITHIN_S)
    assert [job.state for job in finished] == ["succeeded", "failed", "succeeded", "failed", "succeeded"]
    assert [job.result for job in finished if job.state == "succeeded"] == ["good"] * 3
    assert finished[1].errors[0].message == finished[1].note == "a\\x00"
    assert finished[3].errors[0].message == finished[3].note == "a\\ud800"
