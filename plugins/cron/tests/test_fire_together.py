"""Schedules that are due at the same time are fired by the same few statements."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from chancy import Job, Queue
from chancy.errors import PluginError
from chancy_cron import Cron
from chancy_cron.fire import BATCH, fire_due

NOTE = Job(func="cron_jobs.note")
YEARLY = "0 0 1 1 *"
MANY = BATCH + 100
COLUMNS = "cron, timezone, job, queue, missed, missed_max, jitter_s, overlap, source"
FIRED = "SELECT meta->'cron'->>'schedule', kwargs->>'word' FROM {s}.jobs"


@pytest.fixture
async def many(chancy, query) -> int:
    """So many schedules, all of which are due."""
    await Cron.schedule(chancy, YEARLY, NOTE.with_kwargs(word="hi"), name="s0")
    query(
        f"INSERT INTO {{s}}.cron_schedules (name, {COLUMNS}) "
        f"SELECT 's' || n, {COLUMNS} FROM {{s}}.cron_schedules, generate_series(1, %s) AS n",
        MANY - 1,
    )
    query("UPDATE {s}.cron_schedules SET next_at = date_trunc('minute', now()), wake_at = now()")
    return MANY


async def fire(tick, **settings) -> int:
    return await fire_due(tick, **{"late_s": 90, "keep_fires": 100, **settings})


async def test_many_schedules_take_few_statements(chancy, query, tick_of, many):
    """Ten thousand schedules of every minute took four round trips each, and were late by minutes."""
    calls: list[int] = []

    async def alone(*_args, **_named):
        raise AssertionError("one was pushed alone")

    async def together(jobs, **named):
        calls.append(len(jobs))
        return await chancy.push_many(jobs, **named)

    fired = 0
    while fired < many:
        # A slow machine takes on fewer in one transaction, and goes on in the next.
        fired += await fire(tick_of(chancy, push=alone, push_many=together))
    assert fired == many == sum(calls)
    assert max(calls) > 1
    assert Counter(query(FIRED)) == {(f"s{n}", "hi"): 1 for n in range(many)}
    assert query(
        "SELECT count(*), count(last_job), count(*) FILTER (WHERE next_at > now()) FROM {s}.cron_schedules"
    ) == [(many, many, many)]


async def test_one_bad_schedule_among_many_holds_up_none(chancy, query, tick_of, many):
    """Its queue is deleted, its row cannot be read, a plugin refuses it: the others fire, and it says what it has."""
    await chancy.declare(Queue("mail"))
    await Cron.schedule(chancy, YEARLY, NOTE, name="no queue", queue="mail")
    await chancy.delete_queue("mail")
    query("UPDATE {s}.cron_schedules SET next_at = date_trunc('minute', now()), wake_at = now()")
    query("UPDATE {s}.cron_schedules SET job = '{}' WHERE name = 's7'")

    async def push(job, **named):
        if job.meta["cron"]["schedule"] == "s8":
            raise PluginError("not this one")
        return await chancy.push(job, **named)

    async def push_many(jobs, **named):
        if any(job.meta["cron"]["schedule"] == "s8" for job in jobs):
            raise PluginError("not this one")
        return await chancy.push_many(jobs, **named)

    fired = 0
    while fired < many - 2:
        fired += await fire(tick_of(chancy, push=push, push_many=push_many))
    assert Counter(query(FIRED)) == {(f"s{n}", "hi"): 1 for n in range(many) if n not in (7, 8)}
    errors = dict(query("SELECT name, last_error FROM {s}.cron_schedules WHERE last_error IS NOT NULL"))
    assert sorted(errors) == ["no queue", "s7", "s8"]
    assert "never declared" in errors["no queue"]
    assert errors["s8"] == "PluginError: not this one"


async def test_a_worker_lost_between_the_records_and_the_pushes_leaves_no_trace(chancy, query, tick_of, many):
    """The records, the jobs and the next times of all of them commit together or not at all."""

    async def lost(*args, **named):
        await chancy.push_many(*args, **named)
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await fire(tick_of(chancy, push_many=lost))
    assert query("SELECT (SELECT count(*) FROM {s}.cron_fires), (SELECT count(*) FROM {s}.jobs)") == [(0, 0)]


async def test_what_was_fired_before_is_not_fired_among_others(chancy, query, tick_of, many):
    """Whatever sets their times back, the record of fires stands for each of them."""
    query("INSERT INTO {s}.cron_fires SELECT name, next_at FROM {s}.cron_schedules WHERE name IN ('s1', 's2')")
    fired = 0
    while fired < many - 2:
        fired += await fire(tick_of(chancy))
    assert {name for name, _ in query(FIRED)} == {f"s{n}" for n in range(many)} - {"s1", "s2"}


async def test_what_comes_due_before_the_next_look_is_fired_in_its_moment(chancy, query, tick_of):
    """A look every half second made every fire late by a quarter on average."""
    await Cron.schedule(chancy, YEARLY, NOTE, name="s")
    query("UPDATE {s}.cron_schedules SET next_at = now() + interval '0.5 s', wake_at = now() + interval '0.5 s'")
    assert await fire(tick_of(chancy), ahead_s=60) == 1
    ((late,),) = query("SELECT pushed_at >= fire_at FROM {s}.cron_fires")
    assert late
