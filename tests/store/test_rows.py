"""Rows by somebody's hand: what the constraints accept is read; what cannot be read costs that row alone."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from chancy import Job, Worker
from chancy_core.errors import InvalidJob
from chancy_core.store import run_sync
from chancy_core.store.migrate import kernel_migrations, migrate
from chancy_core.values import ranges
from chancy_core.values.backoff import Backoff

DEEP = '{"a":' * 3000 + "1" + "}" * 3000

INTO_JOBS = "INSERT INTO {{s}}.jobs (id, queue, func, {columns}) VALUES (gen_random_uuid(), 'default', 'm.f', {values})"
INTO_QUEUES = "UPDATE {{s}}.queues SET {columns} = {values} WHERE name = 'default'"


def refused_by_the_database(query, into: str, column: str, value: str) -> bool:
    try:
        query(into.format(columns=column, values=value))
    except (psycopg.errors.CheckViolation, psycopg.errors.NumericValueOutOfRange):
        return True
    return False


@pytest.mark.parametrize("column", ["created_at", "scheduled_at", "started_at", "expires_at", "resume_at"])
async def test_moments_are_those_that_python_has(chancy, query, column):
    """The first and the last moment are stored; those around them, infinity and years before Christ are not."""
    into = INTO_QUEUES if column == "resume_at" else INTO_JOBS
    second = timedelta(seconds=1)
    for moment in (ranges.EARLIEST, ranges.LATEST):
        assert not refused_by_the_database(query, into, column, f"'{moment.isoformat()}'")
    beyond = [(ranges.EARLIEST - second).isoformat(), (ranges.LATEST + second).isoformat()]
    for text in (*beyond, "infinity", "-infinity", "0044-03-15 BC", "10000-01-01"):
        assert refused_by_the_database(query, into, column, f"'{text}'"), text
    if column in Job.__struct_fields__:
        for moment in (ranges.EARLIEST - second, ranges.LATEST + second):
            with pytest.raises(InvalidJob, match="give a moment from"):
                Job("m.f", **{column: moment})


async def test_what_can_never_be_claimed_is_not_stored(chancy, query):
    """A job without an attempt left is never runnable: no claim has to step over it."""
    for state, attempts in (("pending", 1), ("pending", -1), ("running", 2), ("retrying", 2)):
        with pytest.raises(psycopg.errors.CheckViolation):
            query(
                "INSERT INTO {s}.jobs (id, queue, func, state, attempts, scheduled_at, worker) VALUES "
                "(gen_random_uuid(), 'default', 'm.f', %s, %s, now(), %s)",
                state,
                attempts,
                "w" if state == "running" else None,
            )


async def test_what_cannot_be_shown_of_a_worker_is_not_stored(chancy, query):
    """What is shown of workers is in range too: one row cannot hide all of them."""
    query("INSERT INTO {s}.workers (worker, tags, lease_until) VALUES ('w', '{}', now())")
    for change in (
        "lease_s = 'NaN'",
        "lease_s = 'infinity'",
        "lease_s = 0",
        "seen_at = 'infinity'",
        "started_at = '-infinity'",
        "status_at = '0044-03-15 BC'",
        "tags = '{NULL}'",
    ):
        with pytest.raises(psycopg.errors.CheckViolation):
            query(f"UPDATE {{s}}.workers SET {change}")
    (worker,) = await chancy.get_workers()
    assert worker.name == "w"


async def test_what_waits_without_an_attempt_left_fails_when_it_is_due(chancy, query):
    """A job that somebody wrote so that no claim could start it ends as failed, with a note; its neighbours run."""
    good = await chancy.push(Job("jobs.noop", scheduled_at=datetime.now(UTC) + timedelta(seconds=0.1)))
    bad = [uuid.uuid4() for _ in range(2)]
    for id_, state in zip(bad, ("retrying", "scheduled"), strict=True):
        query(
            "INSERT INTO {s}.jobs (id, queue, func, state, max_attempts, attempts, scheduled_at) "
            "VALUES (%s, 'default', 'jobs.noop', %s, 3, 3, now())",
            id_,
            state,
        )
    async with Worker(chancy):
        assert (await good.wait(timeout=60)).state == "succeeded"
        for id_ in bad:
            found = await chancy.reference(id_).wait(timeout=60)
            assert (found.state, found.attempts) == ("failed", 3)
            assert "attempts were used up" in found.note


@pytest.mark.parametrize("claims", [2**31 - 1, 2**31 - 2, -(2**31), -1])
async def test_the_number_of_claims_may_be_any(chancy, query, claims):
    """A job that was claimed as often as can be counted is claimed once more, fails, is retried, and is recorded."""
    id_ = uuid.uuid4()
    query(
        "INSERT INTO {s}.jobs (id, queue, func, max_attempts, claims, priority, options) VALUES "
        "(%s, 'default', 'jobs.fail', 3, %s, -1, %s)",
        id_,
        claims,
        '{"backoff": {"base_s": 0.01}}',
    )
    good = await chancy.push(Job("jobs.noop"))
    async with Worker(chancy):
        assert (await good.wait(timeout=60)).state == "succeeded"
        found = await chancy.reference(id_).wait(timeout=60)
    assert (found.state, found.attempts, len(found.errors)) == ("failed", 3, 3)


UNREADABLE = {
    "kwargs": ["[1]", "3", '"x"', DEEP, '{"a":' * 150 + "1" + "}" * 150, '{"a": 1e999}', '{"a": "\\ud800"}'],
    "meta": ["[]", "true", DEEP, '{"a": "\\u0000"}'],
    "limits": [
        "{}",
        "3",
        '[{"type_": "cpu", "value": 1}]',
        '[{"type_": "time", "value": -1}]',
        "[" * 3000 + "]" * 3000,
    ],
    "options": [
        '{"unrunnable_since": "soon"}',
        '{"unrunnable_since": "2020-01-01T00:00:00"}',
        "3",
        "[]",
        '{"backoff": {"base_s": -1}}',
        '{"retry_on": 3}',
        f'{{"x": {DEEP}}}',
    ],
    "errors": ['"x"', "{}", "[1]", '[{"attempt": "one"}]', "[" * 3000 + "]" * 3000],
}


@pytest.mark.parametrize("column", UNREADABLE)
async def test_a_row_that_cannot_be_read_costs_that_job_alone(chancy, query, column):
    """Whatever the column, such a job fails at its first attempt, says which column, and its neighbours run."""
    ids = [uuid.uuid4() for _ in UNREADABLE[column]]
    for id_, text in zip(ids, UNREADABLE[column], strict=True):
        query(
            f"INSERT INTO {{s}}.jobs (id, queue, func, max_attempts, priority, {column}) "
            "VALUES (%s, 'default', 'jobs.noop', 5, -1, %s)",
            id_,
            text,
        )
    good = await chancy.push(Job("jobs.noop"))
    async with Worker(chancy):
        assert (await good.wait(timeout=60)).state == "succeeded"
        for id_ in ids:
            found = await chancy.reference(id_).wait(timeout=60)
            assert (found.state, found.attempts) == ("failed", 1)
            assert f"Its row cannot be read. {column}: " in found.errors[-1].message


@pytest.mark.parametrize("column", ["kwargs", "meta", "limits", "options", "errors", "progress"])
async def test_null_in_a_json_column_is_as_good_as_nothing(chancy, query, column):
    """JSON has a null of its own, which people write where they mean nothing: such a job runs."""
    id_ = uuid.uuid4()
    query(f"INSERT INTO {{s}}.jobs (id, queue, func, {column}) VALUES (%s, 'default', 'jobs.noop', 'null')", id_)
    async with Worker(chancy):
        assert (await chancy.reference(id_).wait(timeout=60)).state == "succeeded"


async def test_a_finished_job_is_read_whatever_is_in_its_row(chancy, query):
    """Of a finished job, what cannot be read is left out, and its note says so; others are found beside it."""
    good = await chancy.push(Job("jobs.noop"))
    bad = uuid.uuid4()
    query("ALTER TABLE {s}.finished_jobs DROP CONSTRAINT finished_jobs_finished_at")
    query(
        "INSERT INTO {s}.finished_jobs (id, queue, func, priority, state, max_attempts, attempts, claims, created_at, "
        "scheduled_at, started_at, expires_at, finished_at, kwargs, meta, limits, options, errors, result, progress, "
        "run_s, peak_bytes, note) VALUES (%s, '', '', -5, 'failed', -1, -2, -3, 'infinity', '-infinity', "
        "'4713-01-01 BC', 'infinity', 'infinity', '[]', '3', '{}', '7', '\"x\"', %s, '3', 'NaN', -1, 'Mine.')",
        bad,
        DEEP,
    )
    found, other = await chancy.get_jobs([bad, good.identifier])
    assert (found.state, found.created_at, found.completed_at, found.result) == ("failed", None, None, None)
    assert (found.kwargs, found.meta, found.limits, found.errors, found.progress) == ({}, {}, [], [], None)
    assert found.note.startswith("Mine. Its row cannot be read. kwargs: ")
    for column in ("limits: ", "meta: ", "options: ", "errors: ", "Its result ", "Its progress "):
        assert column in found.note
    assert other.id == good.identifier


async def test_a_worker_is_shown_whatever_it_is_said_to_have_said(chancy, query):
    """A status that cannot be read is left out, and the workers are listed."""
    for number, status in enumerate([DEEP, "3", "[]", '{"plugins": [{}]}', '{"plugins": 3}', "null"]):
        query(
            "INSERT INTO {s}.workers (worker, tags, lease_until, status) VALUES (%s, '{a}', now(), %s)",
            f"w{number}",
            status,
        )
    assert [(worker.tags, worker.status) for worker in await chancy.get_workers()] == [(["a"], None)] * 6


# -- what was there before the constraints -------------------------------------------------


@pytest.fixture
def before(dsn, schema):
    """The schema as it was before the constraints."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        run_sync(connection, migrate(schema, kernel_migrations()[:5]))
        yield


async def test_jobs_that_could_not_be_claimed_end_when_the_constraints_come(before, query, new_chancy):
    """A job without attempts left fails with a note; one with a moment out of range runs; both can be read."""
    used_up, moment, both = (uuid.uuid4() for _ in range(3))
    query(
        "INSERT INTO {s}.jobs (id, queue, func, max_attempts, attempts, created_at) VALUES "
        "(%s, 'default', 'jobs.noop', 3, 3, now()), (%s, 'default', 'jobs.noop', 3, 0, 'infinity'), "
        "(%s, 'default', 'jobs.noop', 1, 1, '0044-03-15 BC')",
        used_up,
        moment,
        both,
    )
    async with new_chancy() as chancy:
        await chancy.migrate()
        async with Worker(chancy):
            assert (await chancy.reference(moment).wait(timeout=60)).state == "succeeded"
        for id_ in (used_up, both):
            found = await chancy.get_job(chancy.reference(id_))
            assert found.state == "failed"
            assert "attempts were used up (attempts = max_attempts)" in found.note


async def test_queues_out_of_range_are_mended_when_the_constraints_come(before, query, new_chancy):
    """Each such field comes into its range, what has no possible name goes, and workers start."""
    query(
        "UPDATE {s}.queues SET concurrency = 20000, polling_interval = 'NaN', state = 'paused', resume_at = 'infinity',"
        " rate_limit = 2000000000, rate_limit_window = 'infinity', global_concurrency = 2000000000, executor = '', "
        "executor_options = '[]', tags = ARRAY['a', NULL]"
    )
    query(
        "INSERT INTO {s}.queues (name, executor, tags) VALUES ('bad name', 'x', '{{a},{b}}'), ('ok', 'x', '{{a},{b}}')"
    )
    async with new_chancy() as chancy:
        await chancy.migrate()
        default, ok = await chancy.get_all_queues()
        assert (default.concurrency, default.polling_interval, default.resume_at) == (10_000, 5, None)
        assert (default.rate_limit, default.rate_limit_window) == (1_000_000, 86_400)
        assert (default.global_concurrency, default.executor_options, default.tags) == (1_000_000, {}, ["a"])
        assert (ok.name, ok.tags) == ("ok", [".*"])


async def test_workers_out_of_range_are_forgotten_when_the_constraints_come(before, query, new_chancy):
    """A worker that could not be shown goes; one that lives registers again."""
    query("INSERT INTO {s}.workers (worker, tags, lease_until, seen_at) VALUES ('w', '{}', now(), 'infinity')")
    query("INSERT INTO {s}.workers (worker, tags, lease_until) VALUES ('x', '{}', now()), ('y', '{{a},{b}}', now())")
    async with new_chancy() as chancy:
        await chancy.migrate()
        assert [worker.name for worker in await chancy.get_workers()] == ["x"]


# -- publications --------------------------------------------------------------------------


async def test_every_table_says_by_what_its_rows_are_known(chancy, query):
    """Each table, and each partition, has a replica identity: a primary key, or the whole row."""
    rows = query(
        "SELECT relname FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace "
        "WHERE nspname = replace('{s}', '\"', '') AND relkind = 'r' AND NOT (relreplident IN ('f', 'i') OR "
        "relreplident = 'd' AND EXISTS (SELECT FROM pg_index WHERE indrelid = pg_class.oid AND indisprimary))"
    )
    assert rows == []


async def test_what_is_published_can_be_retried(chancy, query, schema):
    """With a publication of all tables, a finished job comes back, runs again, and can be deleted."""
    query(f"CREATE PUBLICATION {schema} FOR TABLES IN SCHEMA {{s}}")
    try:
        reference = await chancy.push(Job("jobs.noop"))
        async with Worker(chancy):
            await reference.wait(timeout=60)
            assert await chancy.retry_jobs([reference]) == [reference]
            assert (await reference.wait(timeout=60)).state == "succeeded"
        assert query("DELETE FROM {s}.finished_jobs RETURNING id") == [(reference.identifier,)]
    finally:
        query(f"DROP PUBLICATION {schema}")


async def test_what_nobody_could_have_pushed_is_brought_back_all_the_same(chancy, query):
    """retry_jobs brings a job back whose row is out of range, into the range; its neighbours with it."""
    ids = sorted(uuid.uuid4() for _ in range(2))
    for id_, attempts, moment in zip(ids, (-3, 1), ("infinity", "now"), strict=True):
        query(
            "INSERT INTO {s}.finished_jobs (id, queue, func, priority, state, max_attempts, attempts, claims,"
            " created_at, scheduled_at) VALUES (%s, 'default', 'jobs.noop', 0, 'failed', %s, 1, 1, %s, %s)",
            id_,
            attempts,
            moment,
            moment,
        )
    assert len(await chancy.retry_jobs(ids)) == 2
    assert {job.state for job in await chancy.get_jobs(ids)} == {"pending"}


def test_no_delay_is_longer_than_may_be():
    """A backoff that varies its longest delay stays within what a job may wait."""
    backoff = Backoff.fixed(ranges.DELAY_S.high, jitter=1)
    assert all(0 <= backoff.delay_s(1) <= ranges.DELAY_S.high for _ in range(100))


ODD_TEXTS = [
    "",
    " ",
    ".",
    "..",
    ":",
    "a..b",
    "os",
    "os.",
    ".path",
    "é.ü",
    "a b",
    "\\x00",
    "os.path:join:x",
    "__main__.x",
]


async def test_a_function_of_any_name_costs_that_job_alone(new_chancy, query):
    """Whatever stands in func, such a job fails, where nobody is to wait for a function, and its neighbours run."""
    async with new_chancy(worker_unrunnable_for_s=0) as chancy:
        await functions_of_any_name(chancy, query)


async def functions_of_any_name(chancy, query):
    names = [*ODD_TEXTS, "x" * 100_000, "m." * 5_000 + "f"]
    ids = [uuid.uuid4() for _ in names]
    for id_, name in zip(ids, names, strict=True):
        query("INSERT INTO {s}.jobs (id, queue, func, max_attempts) VALUES (%s, 'default', %s, 3)", id_, name)
    good = await chancy.push(Job("jobs.noop"))
    async with Worker(chancy):
        assert (await good.wait(timeout=60)).state == "succeeded"
        for name, id_ in zip(names, ids, strict=True):
            found = await chancy.reference(id_).wait(timeout=60)
            assert (name[:20], found.state, found.attempts) == (name[:20], "failed", 1)


async def test_texts_of_any_length_are_carried_through(chancy, query):
    """A note, a reason to cancel and a worker's name of any length stop neither claims, nor rescues, nor sweeps."""
    ids = [uuid.uuid4() for _ in range(3)]
    long = "n" * 2_000_000
    query("INSERT INTO {s}.jobs (id, queue, func, note) VALUES (%s, 'default', 'jobs.noop', %s)", ids[0], long)
    query("INSERT INTO {s}.jobs (id, queue, func, cancel_note) VALUES (%s, 'default', 'jobs.noop', %s)", ids[1], long)
    query(
        "INSERT INTO {s}.jobs (id, queue, func, state, worker, attempts, claims) "
        "VALUES (%s, 'default', 'jobs.noop', 'running', repeat('w', 20000), 1, 1)",
        ids[2],
    )
    assert await chancy.reference(ids[2]).cancel() == "stopping"
    async with Worker(chancy, lease_s=1):
        states = [(await chancy.reference(id_).wait(timeout=60)).state for id_ in ids]
    assert states[:2] == ["succeeded", "cancelled"]
    assert states[2] in ("failed", "cancelled")
