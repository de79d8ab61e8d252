"""Rows by somebody's hand: what the constraints accept is read; what cannot be read costs that row alone."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from chancy import Job, Worker
from chancy_core.errors import InvalidJob
from chancy_core.values import ranges

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
