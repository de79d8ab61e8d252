"""What became of the last fires, as the page of the schedules tells it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import psycopg
import pytest

from chancy import Job
from chancy_cron import Cron
from chancy_cron.fire import fire_due
from chancy_cron.page import load
from chancy_cron.past import FIRES_MAX, read_past

NOTE = Job(func="cron_jobs.note")
HOUR = timedelta(hours=1)


@pytest.fixture
def past(chancy, query):
    """The last 24 hours of a schedule, the newest first, as (time, what became of it)."""

    async def read(name):
        ((now,),) = query("SELECT now()")
        found = (await read_past(chancy, await Cron.get_schedules(chancy), now.astimezone(UTC)))[name]
        return [(one.at, one.became) for one in found.fires]

    return read


@pytest.fixture
async def hours(chancy, query) -> list[datetime]:
    """The full hours at which a schedule that has been there for six fired, the newest first; all but the second."""
    await Cron.schedule(chancy, "0 * * * *", NOTE, name="hourly")
    ((now,),) = query("UPDATE {s}.cron_schedules SET times_since = now() - interval '6 hours' RETURNING now()")
    last = (now.astimezone(UTC) - timedelta(minutes=1)).replace(minute=0, second=0, microsecond=0)
    times = [last - n * HOUR for n in range(5)]
    for at in (times[0], *times[2:]):
        query("INSERT INTO {s}.cron_fires (schedule, fire_at) VALUES ('hourly', %s)", at)
    # Older ones than the schedule's times, which say nothing of these.
    query("INSERT INTO {s}.cron_fires (schedule, fire_at) VALUES ('hourly', %s)", last - 20 * HOUR)
    return times


async def test_a_fire_that_nobody_fired_is_seen(hours, past):
    """All of them were there to be seen only in the log: the second-last hour was missed, the others were not."""
    # Of what came due since they were written, nothing is said here.
    told = {at: became for at, became in await past("hourly") if at <= hours[0]}
    assert {at for at, became in told.items() if became == "missed"} <= {hours[1], hours[4] - HOUR}
    assert told[hours[1]] == "missed"
    assert told[hours[0]] == told[hours[3]] == "gone"


async def test_a_paused_schedule_and_new_times_miss_nothing(chancy, hours, past):
    """Nobody wanted these hours to be fired, or they were not times of the schedule then."""
    await Cron.pause(chancy, "hourly")
    assert "missed" not in dict(await past("hourly")).values()
    await Cron.resume(chancy, "hourly")
    assert "missed" not in dict(await past("hourly")).values()


async def test_declared_with_other_times_a_schedule_begins_anew(chancy, hours, past):
    """The same declared again changes nothing of that; other times do."""
    await Cron.schedule(chancy, "0 * * * *", NOTE, name="hourly")
    assert dict(await past("hourly"))[hours[1]] == "missed"
    await Cron.schedule(chancy, "30 * * * *", NOTE, name="hourly")
    assert "missed" not in dict(await past("hourly")).values()


@pytest.mark.parametrize("together", [True, False], ids=["together", "one by one"])
async def test_each_fire_knows_its_job(chancy, query, tick_of, past, together):
    """Also those that are made up for; and one that must not overlap says which job was in its way."""
    await Cron.schedule(chancy, "* * * * *", NOTE, name="all", missed="all")
    await Cron.schedule(chancy, "* * * * *", NOTE, name="alone", overlap=False)
    if together:
        await Cron.schedule(chancy, "* * * * *", NOTE, name="other")
    query("UPDATE {s}.cron_schedules SET wake_at = now(), next_at = date_trunc('minute', now()) - interval '3 minutes'")
    await fire_due(tick_of(chancy), late_s=90, keep_fires=100)
    query("UPDATE {s}.cron_schedules SET wake_at = now(), next_at = date_trunc('minute', now()) WHERE name = 'alone'")
    query("DELETE FROM {s}.cron_fires WHERE schedule = 'alone' AND fire_at = date_trunc('minute', now())")
    await fire_due(tick_of(chancy), late_s=90, keep_fires=100)
    pushed = dict(
        query(
            "SELECT (meta->'cron'->>'fire_at')::timestamptz, id::text FROM {s}.jobs "
            "WHERE meta->'cron'->>'schedule' = 'all'"
        )
    )
    assert len(pushed) >= 3
    assert dict(query("SELECT fire_at, job FROM {s}.cron_fires WHERE schedule = 'all'")) == pushed
    assert {became for _, became in await past("all")} == {"pending"}
    ((alone,),) = query("SELECT id::text FROM {s}.jobs WHERE meta->'cron'->>'schedule' = 'alone'")
    fires = query("SELECT job, skipped FROM {s}.cron_fires WHERE schedule = 'alone' ORDER BY fire_at")
    assert {job for job, _ in fires} == {alone}
    assert fires[-1] == (alone, True)
    assert (await past("alone"))[0][1] == "skipped"


async def test_a_schedule_of_every_second_and_a_spoilt_row_break_no_page(chancy, query, past):
    """A day has more of them than can be told apart; and what another's hand wrote is no job."""
    await Cron.schedule(chancy, "* * * * * *", NOTE, name="often")
    query(
        "INSERT INTO {s}.cron_fires (schedule, fire_at, job) "
        "SELECT 'often', date_trunc('second', now()) - n * interval '1 s', 'no id' FROM generate_series(1, 200) AS n"
    )
    query("UPDATE {s}.cron_schedules SET times_since = now() - interval '2 days'")
    told = await past("often")
    assert len(told) == FIRES_MAX
    assert {became for _, became in told} == {"gone"}


async def test_fires_that_were_forgotten_were_told_as_missed(chancy, query, past):
    """With `keep_fires` only so many are kept: before the oldest of them nobody knows."""
    await Cron.schedule(chancy, "0 * * * *", NOTE, name="hourly")
    ((now,),) = query("UPDATE {s}.cron_schedules SET times_since = now() - interval '3 days' RETURNING now()")
    last = (now.astimezone(UTC) - timedelta(minutes=1)).replace(minute=0, second=0, microsecond=0)
    for n in (0, 2):
        query("INSERT INTO {s}.cron_fires (schedule, fire_at) VALUES ('hourly', %s)", last - n * HOUR)
    told = await past("hourly")
    assert {at for at, became in told if became == "missed"} - {last + HOUR} == {last - HOUR}


async def test_the_state_of_a_weekly_job_was_not_told(chancy, query):
    """Its last fire is longer ago than the day that is drawn; and an id of another's hand is none."""
    job = await chancy.push(NOTE)
    await Cron.schedule(chancy, "0 3 * * 1", NOTE, name="weekly")
    await Cron.schedule(chancy, "0 3 * * 1", NOTE, name="odd")
    query("UPDATE {s}.cron_schedules SET last_job = %s WHERE name = 'weekly'", str(job.identifier))
    query("UPDATE {s}.cron_schedules SET last_job = 'no id' WHERE name = 'odd'")
    visit = SimpleNamespace(chancy=chancy, query={})
    rows = {row["name"]: row for row in (await load(visit))["schedules"]}
    assert (rows["weekly"]["last_state"], rows["odd"]["last_state"]) == ("pending", None)


async def test_a_page_behind_a_pooler_could_have_changed_schedules(chancy, monkeypatch):
    """Nothing can be set for a connection there: the look is a transaction that says so."""

    async def write(connection, schema, schedules):
        await connection.execute(f'DELETE FROM "{schema}".cron_schedules')

    monkeypatch.setattr("chancy_cron.past._read", write)
    with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
        await read_past(chancy, [], datetime.now(UTC))
