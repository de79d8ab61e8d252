"""Bad calls, queues, databases and results: a clear error, nothing half-written."""

from __future__ import annotations

import math
import uuid
from datetime import UTC, datetime, timedelta, timezone

import jobs
import msgspec
import pytest
from nonsense import FORMS, push, tables
from psycopg.conninfo import make_conninfo
from support import WITHIN_S

from chancy import Chancy, Job, Queue, QueuedJob, Worker
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
            with pytest.raises(SchemaError, match=r"version 99 of kernel, made by a newer chancy-core, .* Upgrade it"):
                await use()
    assert await tables(chancy) == {"jobs": 0, "finished_jobs": 0, "queues": 1}


@pytest.mark.parametrize("schema_name", ["", "Upper", "1st", "a-b", "pg_mine", 'a"; DROP', "a" * 49, "ü"])
def test_a_schema_that_cannot_be_one(dsn, schema_name):
    """A schema's name is plain and short, and the error says how."""
    with pytest.raises(ChancyError, match="schema"):
        Chancy(dsn, schema=schema_name, discover=False)


async def test_a_chancy_that_was_closed(new_chancy):
    """Once it has been closed, a Chancy says how to open it, in the form that fits the method."""
    closed = new_chancy()
    await closed.close()
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
    await chancy.declare(Queue("odd", executor="test_bad_calls.Unspeakable"))
    async with Worker(chancy):
        values = ["good", "nul", "good", "surrogate", "good"]
        pushed = [Job.from_func(jobs.echo, kwargs={"value": value}) for value in values]
        finished = await chancy.wait_for_jobs(await chancy.push_many("odd", pushed), timeout=WITHIN_S)
    assert [job.state for job in finished] == ["succeeded", "failed", "succeeded", "failed", "succeeded"]
    assert [job.result for job in finished if job.state == "succeeded"] == ["good"] * 3
    assert finished[1].errors[0].message == finished[1].note == "a\\x00"
    assert finished[3].errors[0].message == finished[3].note == "a\\ud800"
