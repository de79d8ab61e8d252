"""The views that others read: their columns are documented, they tell the truth, and cost no more than the tables."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import takewhile
from pathlib import Path
from typing import Any

import psycopg
import pytest

from chancy import Job, Queue, Worker
from chancy_core.store import run_sync
from chancy_core.store.migrate import kernel_migrations, migrate

# What is tested is how tables are made: none of an earlier test.
pytestmark = pytest.mark.new_tables

PAGE = Path(__file__).parents[2] / "docs/reference/sql.md"
VIEWS = ("jobs_v1", "finished_jobs_v1", "queues_v1", "workers_v1")
ECHO = Job(func="jobs.echo", kwargs={"value": 1})


def columns(query: Any, view: str) -> list[tuple[str, str]]:
    """The columns of a view, in their order, with their types."""
    return query(
        "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute "
        f"WHERE attrelid = '{{s}}.{view}'::regclass AND attnum > 0 ORDER BY attnum"
    )


@pytest.mark.parametrize("view", VIEWS)
async def test_the_page_lists_just_the_columns_of_a_view(chancy, query, view):
    """In their order, with their types."""
    section = PAGE.read_text().partition(f"\n## `{view}`\n")[2].partition("\n## ")[0]
    listed = re.findall(r"^\| `(\w+)` \| ([\w \[\]]+) \| ", section, re.MULTILINE)
    assert listed == columns(query, view)


async def test_a_live_job_is_shown_as_it_is(chancy, query):
    """State, age, arguments, errors."""
    reference = await chancy.push(ECHO.with_kwargs(value=2))
    query(
        "UPDATE {s}.jobs SET created_at = now() - interval '1 hour', errors = %s",
        '[{"type": "A", "message": "one"}, {"type": "B", "message": "two"}]',
    )
    ((*told, age_s, waits_s),) = query(
        "SELECT id, queue, func, state, kwargs, attempts, error_type, error_message, worker_alive, runs_s, "
        "cancel_requested, age_s, waits_s FROM {s}.jobs_v1"
    )
    assert told == [
        reference.identifier,
        "default",
        "jobs.echo",
        "pending",
        {"value": 2},
        0,
        "B",
        "two",
        None,
        None,
        False,
    ]
    assert age_s == waits_s
    assert 3600 <= age_s < 7200


async def test_whether_the_worker_of_a_job_is_alive(chancy, query):
    """By its lease; a worker that is forgotten is not."""
    await chancy.push_many([ECHO] * 3)
    query("INSERT INTO {s}.workers (worker, tags, lease_until) VALUES ('a', '{}', now() + interval '1 hour')")
    query("INSERT INTO {s}.workers (worker, tags, lease_until) VALUES ('b', '{}', now() - interval '1 second')")
    query(
        "UPDATE {s}.jobs SET state = 'running', attempts = 1, started_at = now(), worker = w FROM "
        "(SELECT id, (ARRAY['a', 'b', 'c'])[row_number() OVER (ORDER BY id)] AS w FROM {s}.jobs) AS one "
        "WHERE one.id = jobs.id"
    )
    assert query("SELECT worker, worker_alive FROM {s}.jobs_v1 ORDER BY worker") == [
        ("a", True),
        ("b", False),
        ("c", False),
    ]
    assert query("SELECT name, alive, running FROM {s}.workers_v1 ORDER BY name") == [("a", True, 1), ("b", False, 1)]


async def test_a_finished_job_is_shown_as_it_is(chancy, query):
    """With what it returned, and how long it took."""
    async with Worker(chancy):
        job = await (await chancy.push(ECHO)).wait(timeout=60)
    ((*told, run_s, total_s),) = query(
        "SELECT id, state, result, attempts, error_type, run_s, total_s FROM {s}.finished_jobs_v1"
    )
    assert told == [job.id, "succeeded", 1, 1, None]
    assert 0 <= run_s <= total_s


async def test_old_rows_with_impossible_moments_hide_nothing(chancy, query):
    """No constraint has looked at what was finished before there was one."""
    async with Worker(chancy):
        await (await chancy.push(ECHO)).wait(timeout=60)
    query("UPDATE {s}.finished_jobs SET created_at = '-infinity'")
    assert query("SELECT total_s FROM {s}.finished_jobs_v1") == [(None,)]


async def test_a_queue_is_shown_as_it_is_declared(chancy, query):
    """A pause that is over is none."""
    await chancy.declare(Queue("mail", concurrency=3, polling_interval=7))
    query("UPDATE {s}.queues SET state = 'paused', resume_at = now() - interval '1 second' WHERE name = 'mail'")
    query("UPDATE {s}.queues SET state = 'paused' WHERE name = 'default'")
    assert query("SELECT name, state, resume_at, concurrency, polling_interval_s FROM {s}.queues_v1 ORDER BY name") == [
        ("default", "paused", None, None, 5.0),
        ("mail", "active", None, 3, 7.0),
    ]


# -- plans --------------------------------------------------------------------------------


@pytest.fixture
def asks(dsn: str, schema: str) -> Callable[..., list[Any]]:
    """Runs statements in one session, `{s}` in them, and returns the rows of the last."""

    def run(*texts: str) -> list[Any]:
        with psycopg.connect(dsn, autocommit=True) as connection:
            for text in texts:
                cursor = connection.execute(text.replace("{s}", f'"{schema}"').encode())
            return cursor.fetchall() if cursor.description else []

    return run


def plan(asks: Any, text: str) -> str:
    """The plan of a query, without the planner's reluctance to use the indexes of empty tables."""
    found = asks("SET enable_seqscan = off", "SET enable_bitmapscan = off", f"EXPLAIN (COSTS OFF) {text}")
    return "\n".join(line for (line,) in found)


@pytest.mark.parametrize(
    ("text", "index"),
    [
        ("SELECT count(*) FROM {s}.jobs_v1 WHERE queue = 'a' AND state = 'pending'", "jobs_ready"),
        (
            "SELECT id FROM {s}.jobs_v1 WHERE queue = 'a' AND state = 'pending' ORDER BY priority, id LIMIT 9",
            "jobs_ready",
        ),
        ("SELECT queue FROM {s}.jobs_v1 WHERE state = 'running' ORDER BY worker LIMIT 9", "jobs_running"),
        (
            "SELECT queue FROM {s}.jobs_v1 WHERE state IN ('scheduled', 'retrying') ORDER BY scheduled_at LIMIT 9",
            "jobs_due",
        ),
        ("SELECT id FROM {s}.jobs_v1 WHERE unique_key = 'a'", "jobs_unique_key"),
        ("SELECT kwargs FROM {s}.jobs_v1 WHERE id = '0190f0f0-0000-7000-8000-000000000000'", "jobs_pkey"),
    ],
)
async def test_a_condition_reaches_the_index(chancy, asks, text, index):
    """And the join with the workers is gone where nobody asks whether they live; nothing is sorted."""
    found = plan(asks, text)
    assert index in found
    assert "Join" not in found
    assert "Nested Loop" not in found
    assert "Sort" not in found


async def test_finished_jobs_are_looked_for_in_their_partitions_only(chancy, asks):
    """Of the outcome that was asked for."""
    found = plan(asks, "SELECT id FROM {s}.finished_jobs_v1 WHERE state = 'failed' AND finished_at > '2020-01-01Z'")
    assert "finished_failed" in found
    assert "finished_succeeded" not in found


# -- rights -------------------------------------------------------------------------------


@pytest.fixture
def role(dsn):
    """A role that may do nothing."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        name = f"reader_{id(connection) % 10**9}"
        connection.execute(f"CREATE ROLE {name}")
        yield name
        connection.execute(f"DROP OWNED BY {name}")
        connection.execute(f"DROP ROLE {name}")


async def test_a_role_reads_a_view_without_any_right_to_the_table(chancy, asks, role):
    """On PostgreSQL 14 too, where a view has nobody's rights but its owner's."""
    asks(f"GRANT USAGE ON SCHEMA {{s}} TO {role}")
    asks(f"GRANT SELECT ON {{s}}.jobs_v1 TO {role}")
    assert asks(f"SET ROLE {role}", "SELECT count(*) FROM {s}.jobs_v1") == [(0,)]
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        asks(f"SET ROLE {role}", "SELECT count(*) FROM {s}.jobs")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        asks(f"SET ROLE {role}", "SELECT count(*) FROM {s}.workers_v1")


def test_who_may_read_a_table_may_read_its_view(dsn, schema, asks, role):
    """A role that runs workers, and owns nothing, goes on after the migration."""
    steps = kernel_migrations()
    before = list(takewhile(lambda step: "jobs_v1" not in step.sql, steps))
    with psycopg.connect(dsn, autocommit=True) as connection:
        run_sync(connection, migrate(schema, before))
        asks(f"GRANT USAGE ON SCHEMA {{s}} TO {role}")
        asks(f"GRANT SELECT ON {{s}}.jobs, {{s}}.queues TO {role}")
        asks("GRANT SELECT ON {s}.finished_jobs TO PUBLIC")
        run_sync(connection, migrate(schema, steps))
    for view in ("jobs_v1", "queues_v1", "finished_jobs_v1"):
        asks(f"SET ROLE {role}", f"SELECT count(*) FROM {{s}}.{view}")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        asks(f"SET ROLE {role}", "SELECT count(*) FROM {s}.workers_v1")
