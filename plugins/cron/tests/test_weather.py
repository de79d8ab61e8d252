"""What the database does, and what others do there: the clock, locks, lost sessions, rows by hand."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from chancy import Job, Worker
from chancy_cron import Cron
from chancy_cron.clock import ClockWatch
from chancy_cron.errors import InvalidSchedule, ScheduleNotFound
from chancy_cron.fire import fire_due

NOTE = Job(func="cron_jobs.note")
YEARLY = "0 0 1 1 *"
HOUR_AHEAD = (
    "UPDATE {s}.cron_schedules SET next_at = next_at + interval '1 hour', wake_at = wake_at + interval '1 hour'"
)
FIRED = "SELECT meta->'cron'->>'schedule', (meta->'cron'->>'fire_at')::timestamptz FROM {s}.jobs"


@pytest.fixture
def events(caplog):
    """The events of one name that were logged, as their fields."""
    caplog.set_level(logging.INFO, "chancy")
    return lambda name: [record.fields for record in caplog.records if getattr(record, "event", None) == name]


@pytest.fixture
def look(chancy, tick_of):
    """A look, as the first of a worker."""

    async def run():
        await ClockWatch().look(tick_of(chancy))

    return run


async def next_of(chancy, name):
    return {one.name: one.next_at for one in await Cron.get_schedules(chancy)}[name]


# -- the clock was set back ----------------------------------------------------------------


async def test_a_worker_goes_on_after_the_clock_was_set_back(new_chancy, query, until):
    """Every stored time lies an hour ahead, as it then does: a schedule of every second is fired, no second twice."""
    tables = [{"name": "s", "cron": "* * * * * *", "job": "cron_jobs.note"}]
    cron = Cron(schedules=tables)
    async with new_chancy(cron) as chancy, Worker(chancy, grace_s=5):
        await until(lambda: query("SELECT count(*) >= 2 FROM {s}.finished_jobs")[0][0])
        # In a thread, because a tick of this process may hold the row.
        await asyncio.to_thread(query, HOUR_AHEAD)
        ((before,),) = query("SELECT count(*) FROM {s}.finished_jobs")
        cron._clock._look_at = float("-inf")
        await until(lambda: query("SELECT count(*) >= %s FROM {s}.finished_jobs", before + 3)[0][0], within_s=60)
    fires = [when for _, when in query(FIRED.replace("{s}.jobs", "{s}.finished_jobs"))]
    assert max(Counter(fires).values()) == 1


@pytest.mark.parametrize("cron", ["* * * * *", "*/5 * * * *", "17 * * * *", "30 3 * * *", YEARLY])
async def test_a_next_time_further_ahead_than_it_can_be_is_brought_forward_and_said_once(
    chancy, query, look, events, cron
):
    """To the next time of the expression; a second look finds nothing to do."""
    await Cron.schedule(chancy, cron, NOTE, name="s")
    right = await next_of(chancy, "s")
    query(
        "UPDATE {s}.cron_schedules SET next_at = next_at + interval '3 years', wake_at = wake_at + interval '3 years'"
    )
    await look()
    await look()
    assert timedelta(0) <= await next_of(chancy, "s") - right <= timedelta(minutes=5)
    assert [fields["schedule"] for fields in events("schedule_brought_forward")] == ["s"]


async def test_a_next_time_that_is_right_stays(chancy, look, query, events):
    """However far ahead it lies."""
    for name, cron in {"a": YEARLY, "b": "* * * * *", "c": "0 3 29 2 *"}.items():
        await Cron.schedule(chancy, cron, NOTE, name=name)
    before = query("SELECT name, next_at, wake_at, xmin::text FROM {s}.cron_schedules ORDER BY 1")
    await look()
    assert query("SELECT name, next_at, wake_at, xmin::text FROM {s}.cron_schedules ORDER BY 1") == before
    assert not events("schedule_brought_forward")


async def test_a_time_of_day_that_was_fired_is_not_fired_when_it_comes_again(chancy, query, look):
    """The clock went back over it by less than three hours: the next time is that of tomorrow, as it was."""
    ((soon,),) = query("SELECT date_trunc('minute', now() AT TIME ZONE 'UTC') + interval '40 minutes'")
    await Cron.schedule(chancy, f"{soon.minute} {soon.hour} * * *", NOTE, name="s")
    fired = soon.replace(tzinfo=UTC)
    tomorrow = fired + timedelta(days=1)
    query("UPDATE {s}.cron_schedules SET next_at = %s, wake_at = %s, last_fired_at = %s", tomorrow, tomorrow, fired)
    query("INSERT INTO {s}.cron_fires VALUES ('s', %s)", fired)
    await look()
    assert await next_of(chancy, "s") == tomorrow


async def test_a_time_of_day_that_was_not_fired_yet_is_fired(chancy, query, look):
    """The clock went back before it came: the schedule does not wait until it has caught up."""
    ((soon,),) = query("SELECT date_trunc('minute', now() AT TIME ZONE 'UTC') + interval '40 minutes'")
    await Cron.schedule(chancy, f"{soon.minute} {soon.hour} * * *", NOTE, name="s")
    query("UPDATE {s}.cron_schedules SET next_at = next_at + interval '1 day', wake_at = wake_at + interval '1 day'")
    await look()
    assert await next_of(chancy, "s") == soon.replace(tzinfo=UTC)


async def test_a_clock_that_was_wrong_by_days_counts_for_nothing(chancy, query, look):
    """It went back by a week, over a week of nightly fires: tonight's is fired, and they are forgotten."""
    await Cron.schedule(chancy, "30 3 * * *", NOTE, name="s")
    right = await next_of(chancy, "s")
    query("INSERT INTO {s}.cron_fires SELECT 's', %s + n * interval '1 day' FROM generate_series(0, 6) AS n", right)
    query(
        "UPDATE {s}.cron_schedules SET next_at = next_at + interval '7 days', wake_at = wake_at + interval '7 days', "
        "last_fired_at = next_at + interval '6 days'"
    )
    await look()
    assert await next_of(chancy, "s") == right
    assert query("SELECT count(*) FROM {s}.cron_fires") == [(0,)]


async def test_an_interval_waits_for_a_time_that_was_not_fired_if_it_comes_soon(chancy, query, look):
    """The clock went back by two minutes: the minutes that were fired are not fired again."""
    await Cron.schedule(chancy, "* * * * *", NOTE, name="s")
    first = await next_of(chancy, "s")
    fired = [first, first + timedelta(minutes=1)]
    query("INSERT INTO {s}.cron_fires SELECT 's', unnest(%s::timestamptz[])", fired)
    query(HOUR_AHEAD)
    await look()
    assert await next_of(chancy, "s") == first + timedelta(minutes=2)


async def test_an_interval_does_not_rest_for_an_hour_that_it_has_fired(chancy, query, look):
    """Every minute of the hour to come was fired by the other clock: it goes by the new one from the next minute on."""
    await Cron.schedule(chancy, "* * * * *", NOTE, name="s")
    first = await next_of(chancy, "s")
    query("INSERT INTO {s}.cron_fires SELECT 's', %s + n * interval '1 minute' FROM generate_series(0, 59) AS n", first)
    query(
        "UPDATE {s}.cron_schedules SET next_at = next_at + interval '1 hour', wake_at = wake_at + interval '1 hour', "
        "last_fired_at = next_at + interval '59 minutes'"
    )
    await look()
    assert await next_of(chancy, "s") - first <= timedelta(minutes=1)
    assert query("SELECT count(*) FROM {s}.cron_fires") == [(0,)]


async def test_a_schedule_that_failed_is_not_put_off_for_an_hour(chancy, query, look):
    """The moment of its next try lies further ahead than tries are apart: it is due at once."""
    await Cron.schedule(chancy, YEARLY, NOTE, name="s")
    query("UPDATE {s}.cron_schedules SET next_at = now() - interval '1 second', wake_at = now() + interval '1 hour'")
    await look()
    assert query("SELECT wake_at <= now() FROM {s}.cron_schedules") == [(True,)]


async def test_a_clock_that_is_seen_to_go_back_is_acted_on_at_once(chancy, query, tick_of):
    """The next look would be seconds away."""
    await Cron.schedule(chancy, YEARLY, NOTE, name="s")
    right = await next_of(chancy, "s")
    watch = ClockWatch()
    now = datetime.now(UTC)
    await watch.look(tick_of(chancy, now=now))
    query(
        "UPDATE {s}.cron_schedules SET next_at = next_at + interval '2 years', wake_at = wake_at + interval '2 years'"
    )
    await watch.look(tick_of(chancy, now=now))
    assert await next_of(chancy, "s") != right
    await watch.look(tick_of(chancy, now=now - timedelta(hours=1)))
    assert await next_of(chancy, "s") == right


async def test_every_one_of_many_schedules_is_looked_at(chancy, query, look, monkeypatch, tick_of):
    """A look reads some of them, and the next one goes on."""
    monkeypatch.setattr("chancy_cron.clock.AT_ONCE", 3)
    monkeypatch.setattr("chancy_cron.clock.LOOK_S", 0.0)
    for n in range(10):
        await Cron.schedule(chancy, YEARLY, NOTE, name=f"s{n}")
    query(
        "UPDATE {s}.cron_schedules SET next_at = next_at + interval '2 years', wake_at = wake_at + interval '2 years'"
    )
    watch = ClockWatch()
    now = datetime.now(UTC)
    for _ in range(4):
        await watch.look(tick_of(chancy, now=now))
    assert query("SELECT count(*) FROM {s}.cron_schedules WHERE next_at < now() + interval '367 days'") == [(10,)]


# -- rows by somebody's hand ---------------------------------------------------------------


@pytest.mark.parametrize("moment", ["infinity", "-infinity", "4000-01-01 BC", "200000-01-01"])
async def test_a_next_time_that_cannot_be_read_costs_nobody_anything(chancy, query, look, tick_of, make_due, moment):
    """Others are fired, the list is shown, and that schedule has its next time again."""
    for name in ("bad", "good"):
        await Cron.schedule(chancy, YEARLY, NOTE, name=name)
    right = await next_of(chancy, "bad")
    query(
        "UPDATE {s}.cron_schedules SET next_at = %s, wake_at = %s, last_fired_at = %s WHERE name = 'bad'", *[moment] * 3
    )
    make_due("good", 0)
    assert await fire_due(tick_of(chancy), late_s=90, keep_fires=100) == 1
    await look()
    assert await next_of(chancy, "bad") == right


@pytest.mark.parametrize(
    ("column", "value"),
    [("job", "{}"), ("job", '{"func": "a.b", "kwargs": 7}'), ("job", "[" * 3000 + "]" * 3000)],
)
async def test_a_schedule_that_cannot_be_read_is_named_and_the_others_are_listed(chancy, query, events, column, value):
    """It can be paused and removed; what needs to know it says what to do."""
    for name in ("bad", "good"):
        await Cron.schedule(chancy, YEARLY, NOTE, name=name)
    query(f"UPDATE {{s}}.cron_schedules SET {column} = %s WHERE name = 'bad'", value)
    assert [one.name for one in await Cron.get_schedules(chancy)] == ["good"]
    assert [fields["schedule"] for fields in events("schedule_unreadable")] == ["bad"]
    with pytest.raises(InvalidSchedule, match="'bad' cannot be read"):
        await Cron.run_now(chancy, "bad")
    await Cron.pause(chancy, "bad")
    await Cron.unschedule(chancy, "bad")
    with pytest.raises(ScheduleNotFound):
        await Cron.unschedule(chancy, "bad")


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("jitter_s", "Infinity"),
        ("jitter_s", "NaN"),
        ("missed_max", 2147483647),
        ("cron", "what"),
        ("timezone", "Mars/X"),
    ],
)
async def test_what_the_constraints_let_through_costs_that_schedule_alone(
    chancy, query, tick_of, make_due, column, value
):
    """The others are fired in the same tick, and a look goes past it."""
    for name in ("bad", "good"):
        await Cron.schedule(chancy, YEARLY, NOTE, name=name, missed="all")
        make_due(name, 0)
    query(f"UPDATE {{s}}.cron_schedules SET {column} = %s WHERE name = 'bad'", value)
    assert await fire_due(tick_of(chancy), late_s=90, keep_fires=100) >= 1
    await ClockWatch().look(tick_of(chancy))
    assert ("good",) in query("SELECT meta->'cron'->>'schedule' FROM {s}.jobs")


# -- locks, and sessions that are lost ------------------------------------------------------


async def test_a_unique_key_that_somebody_holds_makes_nobody_else_late(new_chancy, chancy, query, tick_of, make_due):
    """An open transaction has pushed the key of ten schedules: the others are fired, those once it has ended."""
    for n in range(10):
        await Cron.schedule(chancy, YEARLY, NOTE.with_unique_key(f"k{n}"), name=f"held{n}")
        make_due(f"held{n}", 0)
    for n in range(20):
        await Cron.schedule(chancy, YEARLY, NOTE, name=f"free{n}")
        make_due(f"free{n}", 0)
    async with new_chancy() as other, other.pool.connection() as holder, holder.transaction(force_rollback=True):
        for n in range(10):
            await other.push(NOTE.with_unique_key(f"k{n}"), connection=holder)
        await fire_due(tick_of(chancy), late_s=90, keep_fires=100)
        fired = {name for name, _ in query(FIRED)}
        assert fired == {f"free{n}" for n in range(20)}
        stored = {one.name: one for one in await Cron.get_schedules(chancy)}
        assert "lock" in stored["held0"].last_error
    query("UPDATE {s}.cron_schedules SET wake_at = now() WHERE name LIKE 'held%%'")
    assert await fire_due(tick_of(chancy), late_s=3600, keep_fires=100) == 10


async def test_sessions_that_the_server_has_ended_are_replaced(chancy, query):
    """Whatever is asked first after the server has closed every idle session of the pool is answered."""
    await Cron.schedule(chancy, YEARLY, NOTE, name="s")

    async def end():
        # Several, as after a busy hour.
        async with chancy.pool.connection() as one, chancy.pool.connection() as two:
            pids = [one.info.backend_pid, two.info.backend_pid]
        query("SELECT pg_terminate_backend(pid, 10000) FROM unnest(%s::int[]) AS pid", pids)

    for call in (
        lambda: Cron.get_schedules(chancy),
        lambda: Cron.pause(chancy, "s"),
        lambda: Cron.resume(chancy, "s"),
        lambda: Cron.run_now(chancy, "s"),
        lambda: Cron.next_times(chancy, "s"),
        lambda: Cron.schedule(chancy, YEARLY, NOTE, name="other"),
        lambda: Cron.unschedule(chancy, "s"),
    ):
        await end()
        await call()


async def test_a_lock_on_the_schedules_delays_and_that_is_all(new_chancy, dsn, schema, query, until):
    """While somebody holds the table nothing is fired and nothing is counted as failed; afterwards it goes on."""
    tables = [{"name": "s", "cron": "* * * * * *", "job": "cron_jobs.note"}]
    Cron.answer_within_s, before = 2.0, Cron.answer_within_s
    try:
        async with new_chancy(Cron(schedules=tables)) as chancy, Worker(chancy, grace_s=5):
            await until(lambda: query("SELECT count(*) >= 1 FROM {s}.finished_jobs")[0][0])
            async with await psycopg.AsyncConnection.connect(dsn) as holder:
                await holder.execute(f'LOCK TABLE "{schema}".cron_schedules'.encode())
                ticks = chancy.plugins.ticks["cron"]
                await until(lambda: chancy.plugins.ticks["cron"] >= ticks + 3, within_s=60)
            ((fired,),) = query("SELECT count(*) FROM {s}.finished_jobs")
            await until(lambda: query("SELECT count(*) > %s FROM {s}.finished_jobs", fired)[0][0], within_s=60)
            assert not chancy.plugins.failures
    finally:
        Cron.answer_within_s = before
