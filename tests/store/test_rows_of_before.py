"""Rows from before the constraints, and publications."""

from __future__ import annotations

import uuid

import psycopg
import pytest

from chancy import Job, Worker
from chancy_core.store import run_sync
from chancy_core.store.migrate import kernel_migrations, migrate
from chancy_core.values import ranges
from chancy_core.values.backoff import Backoff

# What is tested is how tables are made: none of an earlier test.
pytestmark = pytest.mark.new_tables


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
