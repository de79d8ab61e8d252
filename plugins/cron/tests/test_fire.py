"""Each fire is pushed once, in the transaction that records it."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from chancy import Job, Queue, Worker
from chancy.errors import PluginError
from chancy_cron import Cron
from chancy_cron.fire import fire_due

NOTE = Job(func="cron_jobs.note")
# Far enough in the future that it comes due only when a test says so.
YEARLY = "0 0 1 1 *"
PUSHED = (
    "SELECT meta->'cron'->>'schedule', (meta->'cron'->>'fire_at')::timestamptz, scheduled_at, unique_key FROM {s}.jobs"
)


async def fire(tick, **settings) -> int:
    return await fire_due(tick, **{"late_s": 90, "keep_fires": 100, **settings})


async def test_a_fire_is_pushed_recorded_and_followed_by_its_next_time(chancy, query, tick_of, make_due):
    """What is due becomes one job, which says for which time; the next tick has nothing to do."""
    await Cron.schedule(chancy, YEARLY, NOTE.with_kwargs(word="hi").with_meta(own=1), name="s")
    due = make_due("s", 0)
    assert await fire(tick_of(chancy)) == 1
    assert await fire(tick_of(chancy)) == 0
    ((kwargs, meta),) = query("SELECT kwargs, meta FROM {s}.jobs")
    assert (kwargs, meta["own"]) == ({"word": "hi"}, 1)
    assert meta["cron"] == {"schedule": "s", "fire_at": due.isoformat()}
    (stored,) = await Cron.get_schedules(chancy)
    assert stored.last_fired_at == due
    assert stored.next_at > datetime.now(UTC)
    assert await chancy.get_job(stored.last_job) is not None
    assert query("SELECT schedule, fire_at FROM {s}.cron_fires") == [("s", due)]


async def test_many_at_once_fire_each_time_once(new_chancy, query, tick_of):
    """Four workers look at the same moment at 250 schedules with three missed times each: 750 jobs, no two alike."""
    async with AsyncExitStack() as stack:
        chancys = [await stack.enter_async_context(new_chancy()) for _ in range(4)]
        for n in range(250):
            await Cron.schedule(chancys[0], "* * * * *", NOTE, name=f"s{n}", missed="all")
        ((base,),) = query("SELECT date_trunc('minute', now()) - interval '2 minutes'")
        query("UPDATE {s}.cron_schedules SET next_at = %s, wake_at = %s", base, base)
        await asyncio.gather(*(fire(tick_of(chancy)) for chancy in chancys for _ in range(2)))
    counts = Counter((schedule, fire_at) for schedule, fire_at, _, _ in query(PUSHED))
    assert set(counts.values()) == {1}
    per_schedule = Counter(schedule for schedule, _ in counts)
    # A minute may have passed meanwhile.
    assert len(per_schedule) == 250
    assert min(per_schedule.values()) >= 3
    assert query("SELECT count(*) FROM {s}.cron_fires") == [(sum(per_schedule.values()),)]


async def test_two_workers_run_every_second_once_and_not_before_its_time(new_chancy, query, until):
    """Twenty schedules of every second on two workers: no second twice, none left out, none begun too early."""
    tables = [{"name": f"s{n}", "cron": "* * * * * *", "job": "cron_jobs.note"} for n in range(20)]
    async with (
        new_chancy(Cron(schedules=tables)) as one,
        new_chancy(Cron(schedules=tables)) as two,
        Worker(one, grace_s=5),
        Worker(two, grace_s=5),
    ):
        await until(lambda: query("SELECT count(*) >= 80 FROM {s}.finished_jobs")[0][0])
    ran = query(PUSHED.replace("{s}.jobs", "{s}.finished_jobs") + " UNION ALL " + PUSHED)
    counts = Counter((schedule, fire_at) for schedule, fire_at, _, _ in ran)
    assert set(counts.values()) == {1}
    for name in {schedule for schedule, _ in counts}:
        times = sorted(fire_at for schedule, fire_at in counts if schedule == name)
        assert times == [times[0] + timedelta(seconds=n) for n in range(len(times))]
    early = "SELECT count(*) FROM {s}.finished_jobs WHERE started_at < (meta->'cron'->>'fire_at')::timestamptz"
    assert query(early) == [(0,)]


async def test_a_time_that_was_recorded_is_never_pushed_again(chancy, query, tick_of, make_due):
    """Whatever sets the next time back, the record of fires stands."""
    await Cron.schedule(chancy, YEARLY, NOTE, name="s")
    due = make_due("s", 0)
    query("INSERT INTO {s}.cron_fires VALUES ('s', %s)", due)
    assert await fire(tick_of(chancy)) == 0
    (stored,) = await Cron.get_schedules(chancy)
    assert stored.next_at > datetime.now(UTC)


async def test_a_worker_lost_between_record_and_push_leaves_no_trace(chancy, query, tick_of, make_due):
    """The record, the job and the next time commit together or not at all; another worker then fires."""
    await Cron.schedule(chancy, YEARLY, NOTE, name="s")
    make_due("s", 0)

    async def lost(*args, **named):
        await chancy.push(*args, **named)
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await fire(tick_of(chancy, push=lost))
    assert query("SELECT (SELECT count(*) FROM {s}.cron_fires), (SELECT count(*) FROM {s}.jobs)") == [(0, 0)]
    assert await fire(tick_of(chancy)) == 1


async def test_a_schedule_that_cannot_be_fired_stays_due_and_holds_up_nobody(chancy, query, tick_of, make_due):
    """A deleted queue: the error is told, the others fire, and the fire happens once the queue is back."""
    await chancy.declare(Queue("mail"))
    await Cron.schedule(chancy, YEARLY, NOTE, name="bad", queue="mail")
    await Cron.schedule(chancy, YEARLY, NOTE, name="good")
    await chancy.delete_queue("mail")
    due = make_due("bad", 5)
    make_due("good", 0)
    assert await fire(tick_of(chancy)) == 1
    assert await fire(tick_of(chancy)) == 0
    bad, good = await Cron.get_schedules(chancy)
    assert "'mail' was never declared" in bad.last_error
    assert (bad.next_at, good.last_error) == (due, None)

    await chancy.declare(Queue("mail"))
    query("UPDATE {s}.cron_schedules SET wake_at = now() WHERE name = 'bad'")
    assert await fire(tick_of(chancy), late_s=3600) == 1
    bad, _ = await Cron.get_schedules(chancy)
    assert (bad.last_error, bad.last_fired_at) == (None, due)


async def test_a_refused_push_is_the_schedules_error(chancy, tick_of, make_due):
    """A plugin that refuses the push of one schedule is told there, and raises nothing."""
    await Cron.schedule(chancy, YEARLY, NOTE, name="s")
    make_due("s", 0)

    async def refused(*args, **named):
        raise PluginError("too large")

    assert await fire(tick_of(chancy, push=refused)) == 0
    (stored,) = await Cron.get_schedules(chancy)
    assert stored.last_error == "PluginError: too large"


async def test_a_row_that_this_code_cannot_read_holds_up_nobody(chancy, query, tick_of, make_due):
    """A job written by other code, a zone that this machine lacks."""
    for name in ("a", "b", "good"):
        await Cron.schedule(chancy, YEARLY, NOTE, name=name)
        make_due(name, 0)
    query("UPDATE {s}.cron_schedules SET job = '{}' WHERE name = 'a'")
    query("UPDATE {s}.cron_schedules SET timezone = 'Mars/Olympus' WHERE name = 'b'")
    assert await fire(tick_of(chancy)) == 1
    errors = dict(query("SELECT name, last_error FROM {s}.cron_schedules"))
    assert "func" in errors["a"]
    assert "Mars/Olympus" in errors["b"]
    assert errors["good"] is None


@pytest.mark.parametrize(("missed", "minutes_ago"), [("skip", []), ("once", [5]), ("all", [15, 10, 5])])
async def test_missed_times_are_for_the_policy(chancy, query, tick_of, missed, minutes_ago):
    """Nobody ran for a quarter of an hour, and the last time was five minutes ago."""
    await Cron.schedule(chancy, YEARLY, NOTE, name="s", missed=missed)
    ((base,),) = query("SELECT date_trunc('minute', now())")
    times = [base - timedelta(minutes=n) for n in (15, 10, 5)]
    minutes = ",".join(str(time.minute) for time in times)
    query("UPDATE {s}.cron_schedules SET cron = %s, next_at = %s, wake_at = now()", f"{minutes} * * * *", times[0])
    assert await fire(tick_of(chancy)) == len(minutes_ago)
    found = sorted(fire_at for _, fire_at, _, _ in query(PUSHED))
    assert found == [base - timedelta(minutes=n) for n in minutes_ago]
    (stored,) = await Cron.get_schedules(chancy)
    assert stored.next_at > datetime.now(UTC)


async def test_making_up_for_much_is_done_in_pieces(chancy, query, tick_of, monkeypatch):
    """Schedules beyond what one transaction takes on are fired in the next one, in the same tick."""
    monkeypatch.setattr("chancy_cron.fire.JOBS_MAX", 20)
    # Each minute of the hour before the last one, so that none comes due meanwhile.
    ((base,),) = query("SELECT date_trunc('hour', now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC' - interval '2 hours'")
    for n in range(5):
        every_minute = f"* {base.astimezone(UTC).hour} * * *"
        await Cron.schedule(chancy, every_minute, NOTE, name=f"s{n}", missed="all", missed_max=15)
    query("UPDATE {s}.cron_schedules SET next_at = %s, wake_at = now()", base)
    assert await fire(tick_of(chancy)) == 5 * 15
    assert query("SELECT count(DISTINCT xmin::text) FROM {s}.cron_schedules") == [(3,)]


async def test_without_overlap_no_job_is_pushed_while_one_is_unfinished(chancy, query, tick_of, make_due):
    """The second fire is recorded and skipped; once the job has gone, the third is pushed."""
    await Cron.schedule(chancy, YEARLY, NOTE, name="s", overlap=False)
    make_due("s", 3)
    assert await fire(tick_of(chancy), late_s=600) == 1
    make_due("s", 2)
    assert await fire(tick_of(chancy), late_s=600) == 0
    assert [key for _, _, _, key in query(PUSHED)] == ["cron:s"]
    assert (await Cron.run_now(chancy, "s")).created is False
    query("DELETE FROM {s}.jobs")
    make_due("s", 1)
    assert await fire(tick_of(chancy), late_s=600) == 1
    assert query("SELECT count(*) FROM {s}.cron_fires") == [(3,)]


async def test_jitter_starts_the_job_later(chancy, query, tick_of, make_due):
    """Within so many seconds after its time, and not all at the same moment."""
    for n in range(20):
        await Cron.schedule(chancy, YEARLY, NOTE, name=f"s{n}", jitter_s=3600)
        make_due(f"s{n}", 0)
    await fire(tick_of(chancy))
    delays = {(start - fire_at).total_seconds() for _, fire_at, start, _ in query(PUSHED)}
    assert len(delays) == 20
    assert 0 <= min(delays) < max(delays) <= 3600


async def test_fires_are_remembered_up_to_a_bound(chancy, query, tick_of, make_due):
    """Older ones are deleted as new ones come, of that schedule only."""
    await Cron.schedule(chancy, YEARLY, NOTE, name="s")
    query("INSERT INTO {s}.cron_fires SELECT s, now() - n * interval '1 day' FROM generate_series(1, 500) AS n, "
          "unnest(ARRAY['s', 'other']) AS s")  # fmt: skip
    make_due("s", 0)
    await fire(tick_of(chancy), keep_fires=10)
    counts = query("SELECT schedule, count(*) FROM {s}.cron_fires GROUP BY 1 ORDER BY 1")
    assert counts == [("other", 500), ("s", 10)]
    assert query("SELECT max(fire_at) > now() - interval '5 minutes' FROM {s}.cron_fires") == [(True,)]


async def test_a_tick_with_nothing_due_is_one_indexed_query(chancy, query, tick_of):
    """Ten thousand schedules that wait cost nothing."""
    await Cron.schedule(chancy, YEARLY, NOTE, name="s")
    query(
        "INSERT INTO {s}.cron_schedules SELECT 'n' || n, cron, timezone, job, queue, missed, missed_max, jitter_s, "
        "overlap, false, next_at, next_at + n * interval '1 second', NULL, NULL, NULL, source, owner, now() "
        "FROM {s}.cron_schedules, generate_series(1, 10000) AS n"
    )
    query("ANALYZE {s}.cron_schedules")
    plan = query("EXPLAIN SELECT EXISTS (SELECT FROM {s}.cron_schedules WHERE NOT paused AND wake_at <= now())")
    assert any("cron_schedules_due" in line for (line,) in plan)
    # A connection is there by now; to make one takes statements of its own.
    await fire(tick_of(chancy))
    statements = []
    execute = psycopg.AsyncCursor.execute

    async def counted(self, text, *args, **named):
        statements.append(text)
        return await execute(self, text, *args, **named)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(psycopg.AsyncCursor, "execute", counted)
        await fire(tick_of(chancy))
    assert len(statements) == 1


async def test_a_database_that_is_away_is_weather(chancy, tick_of):
    """The tick ends quietly, so that the next one comes at its time."""

    def away():
        raise psycopg.OperationalError("gone")

    await Cron().on_tick(tick_of(chancy, connect=away))
