"""Declare, change, list, pause, resume, run and remove schedules."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from cron_jobs import note

from chancy import Chancy, ChancyError, Job, Queue, State, Worker
from chancy.errors import PluginError, UnknownQueue
from chancy_cron import Cron, InvalidSchedule, Missed, Schedule, ScheduleNotFound
from chancy_cron.fire import fire_due

NOTE = Job(func="cron_jobs.note")
YEARLY = "0 0 1 1 *"


def table(name: str, **changed):
    return {"name": name, "cron": YEARLY, "job": "cron_jobs.note", **changed}


async def test_a_schedule_is_kept_as_it_was_declared(chancy):
    """Every field comes back, the job whole."""
    await chancy.declare(Queue("mail"))
    job = Job(func="cron_jobs.note", kwargs={"a": [1, None, "ü"]}, priority=3, max_attempts=4, unique_key="k")
    made = await Cron.schedule(
        chancy, "*/5 * * * *", job, name="s", timezone="Europe/Berlin", queue="mail", missed="all", missed_max=7,
        jitter_s=1.5, overlap=False,
    )  # fmt: skip
    assert await Cron.get_schedules(chancy) == [made]
    assert made.job == job.with_queue("mail")
    assert (made.cron, made.timezone, made.queue) == ("*/5 * * * *", "Europe/Berlin", "mail")
    assert (made.missed, made.missed_max, made.jitter_s, made.overlap) == (Missed.ALL, 7, 1.5, False)
    assert (made.source, made.paused, made.last_fired_at) == ("code", False, None)
    assert made.next_at > datetime.now(UTC) - timedelta(minutes=1)


async def test_a_decorated_function_gives_its_job_and_name(chancy):
    """Without a name, a schedule is called as its function."""
    made = await Cron.schedule(chancy, "@hourly", note)
    assert (made.name, made.job.func) == ("cron_jobs.note", "cron_jobs.note")


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"cron": "61 * * * *"}, "the minute is '61'"),
        ({"timezone": "Europe/Berlim"}, "Did you mean 'Europe/Berlin'?"),
        ({"missed": "some"}, "missed is 'some'"),
        ({"missed_max": 0}, "missed_max is 0"),
        ({"missed_max": True}, "missed_max is True"),
        ({"jitter_s": -1}, "jitter_s is -1"),
        ({"jitter_s": float("nan")}, "jitter_s is nan"),
        ({"jitter_s": "5"}, "jitter_s is '5'"),
        ({"overlap": "no"}, "overlap is 'no'"),
        ({"name": ""}, "name is ''"),
        ({"name": "a\nb"}, "name is 'a\\nb'"),
        ({"job": print}, "give a Job"),
        ({"job": "cron_jobs.note"}, "give a Job"),
        ({"job": NOTE.with_kwargs(at=datetime.now(UTC))}, "JSON"),
        ({"job": NOTE.with_kwargs(x=float("inf"))}, "JSON"),
        ({"job": NOTE.with_meta(x="\x00")}, "NUL"),
        ({"job": NOTE.with_meta(x="\udc00")}, "surrogate"),
        ({"job": NOTE.with_scheduled_at(datetime.now(UTC))}, "it is the schedule that says when"),
        ({"queue": ""}, "queue is empty"),
    ],
)
async def test_what_cannot_be_is_refused_and_nothing_is_stored(chancy, changed, told):
    """In words, where it is declared."""
    given = {"cron": "@daily", "job": NOTE, "name": "s", **changed}
    with pytest.raises(ChancyError) as caught:
        await Cron.schedule(chancy, given.pop("cron"), given.pop("job"), **given)
    assert told in str(caught.value)
    assert await Cron.get_schedules(chancy) == []


async def test_a_backslash_is_no_nul(chancy):
    """The text of an escape is not the character."""
    made = await Cron.schedule(chancy, "@daily", NOTE.with_kwargs(x="\\u0000 \\\\u0000 😀"), name="s")
    assert made.job.kwargs == {"x": "\\u0000 \\\\u0000 😀"}


async def test_an_unknown_queue_is_refused_where_it_is_named(chancy, new_chancy):
    """In code when it is declared; in the settings when the worker starts, all of them in one error."""
    with pytest.raises(UnknownQueue, match=r"'defalt' was never declared.*Did you mean 'default'"):
        await Cron.schedule(chancy, "@daily", NOTE, name="s", queue="defalt")
    tables = [table("good"), table("one", queue="mial"), table("two", job={"func": "a.b", "queue": "nowhere"})]
    async with new_chancy(Cron(schedules=tables)) as other:
        with pytest.raises(PluginError) as caught:
            await Worker(other).start()
    for part in ("'cron' did not start", "The schedule 'one': Queue 'mial'", "The schedule 'two': Queue 'nowhere'"):
        assert part in str(caught.value)
    assert await Cron.get_schedules(chancy) == []


async def test_declared_anew_a_schedule_loses_no_due_fire(chancy, tick_of, make_due):
    """Whether its times are the same or not, what was due is fired; with the job as it is now."""
    for name in ("same", "changed"):
        await Cron.schedule(chancy, YEARLY, NOTE, name=name)
    due = {name: make_due(name, 10) for name in ("same", "changed")}
    await Cron.schedule(chancy, YEARLY, NOTE.with_kwargs(word="new"), name="same")
    changed = await Cron.schedule(chancy, "0 0 2 2 *", NOTE, name="changed", timezone="Asia/Tokyo")
    assert changed.next_at == due["changed"]
    assert await fire_due(tick_of(chancy), late_s=600, keep_fires=100) == 2
    found = {one.name: one for one in await Cron.get_schedules(chancy)}
    assert {name: one.last_fired_at for name, one in found.items()} == due
    assert (await chancy.get_job(found["same"].last_job)).kwargs == {"word": "new"}
    assert found["changed"].next_at.month == 2


async def test_declared_anew_a_schedule_keeps_its_next_time_and_its_pause(chancy, make_due):
    """New times count from now; the same times go on; what somebody paused stays paused."""
    first = await Cron.schedule(chancy, YEARLY, NOTE, name="s")
    assert (await Cron.schedule(chancy, YEARLY, NOTE, name="s", jitter_s=1)).next_at == first.next_at
    assert (await Cron.schedule(chancy, YEARLY, NOTE, name="s", timezone="Asia/Tokyo")).next_at != first.next_at
    await Cron.pause(chancy, "s")
    assert (await Cron.schedule(chancy, "@daily", NOTE, name="s")).paused


async def test_a_worker_declares_its_settings_and_removes_what_is_gone(chancy, new_chancy):
    """What the settings dropped goes; what code made, and what another owner's settings declare, stays."""
    await Cron.schedule(chancy, YEARLY, NOTE, name="code")
    started = [
        Cron(schedules=[table("a"), table("b", timezone="Asia/Tokyo")]),
        Cron(schedules=[table("theirs")], owner="another"),
        Cron(schedules=[table("b"), Schedule(name="c", cron="@daily", job=NOTE)]),
    ]
    for plugin in started:
        async with new_chancy(plugin) as other, Worker(other, grace_s=1):
            pass
    found = {one.name: (one.source, one.timezone) for one in await Cron.get_schedules(chancy)}
    assert found == {"b": ("toml", "UTC"), "c": ("toml", "UTC"), "code": ("code", "UTC"), "theirs": ("toml", "UTC")}


async def test_a_worker_that_starts_loses_no_due_fire(new_chancy, query, make_due, until):
    """Stopped over the fire's time and started again, it fires."""
    plugin = {"schedules": [table("s")]}
    async with new_chancy(Cron(**plugin)) as first, Worker(first, grace_s=1):
        pass
    due = make_due("s", 300)
    async with new_chancy(Cron(**plugin)) as again, Worker(again, grace_s=1):
        await until(lambda: query("SELECT count(*) = 1 FROM {s}.finished_jobs WHERE state = 'succeeded'")[0][0])
    assert query("SELECT fire_at FROM {s}.cron_fires") == [(due,)]


async def test_code_does_not_change_what_the_settings_declare(chancy, new_chancy):
    """Two who declare one name would take turns."""
    async with new_chancy(Cron(schedules=[table("s")])) as other, Worker(other, grace_s=1):
        pass
    with pytest.raises(InvalidSchedule, match="'s' is declared in the configuration file"):
        await Cron.schedule(chancy, "@daily", NOTE, name="s")


async def test_paused_it_does_not_fire_and_resumed_it_makes_up_for_nothing(chancy, tick_of, make_due):
    """A pause is no outage."""
    await Cron.schedule(chancy, YEARLY, NOTE, name="s", missed="all")
    await Cron.pause(chancy, "s")
    make_due("s", 300)
    assert await fire_due(tick_of(chancy), late_s=60, keep_fires=100) == 0
    assert await Cron.resume(chancy, "s") > datetime.now(UTC)
    assert await fire_due(tick_of(chancy), late_s=60, keep_fires=100) == 0
    due = make_due("s", 300)
    assert await Cron.resume(chancy, "s") == due


async def test_run_now_pushes_and_leaves_the_times_alone(chancy):
    """Also while it is paused, and without its jitter."""
    made = await Cron.schedule(chancy, YEARLY, NOTE.with_kwargs(word="now"), name="s", jitter_s=3600)
    await Cron.pause(chancy, "s")
    async with Worker(chancy, grace_s=1):
        done = await (await Cron.run_now(chancy, "s")).wait(timeout=60)
    assert (done.state, done.result) == (State.SUCCEEDED, "now")
    assert done.meta["cron"]["schedule"] == "s"
    (stored,) = await Cron.get_schedules(chancy)
    assert stored.next_at == made.next_at


async def test_next_times_are_in_the_schedules_zone(chancy):
    """As the clock on the wall will show them."""
    await Cron.schedule(chancy, "30 2 * * *", NOTE, name="s", timezone="Europe/Berlin")
    found = await Cron.next_times(chancy, "s", 400)
    assert len(found) == 400
    assert {f"{time:%H:%M}" for time in found} == {"02:30", "03:00"}
    assert {str(time.tzinfo) for time in found} == {"Europe/Berlin"}


async def test_unscheduled_it_is_gone(chancy):
    """And whoever asks for what is not there is told the nearest name."""
    await Cron.schedule(chancy, YEARLY, NOTE, name="nightly")
    await Cron.schedule(chancy, YEARLY, NOTE, name="weekly")
    await Cron.unschedule(chancy, "weekly")
    assert [one.name for one in await Cron.get_schedules(chancy)] == ["nightly"]
    for call in (Cron.unschedule, Cron.pause, Cron.resume, Cron.run_now, Cron.next_times):
        with pytest.raises(ScheduleNotFound, match="Did you mean 'nightly'"):
            await call(chancy, "nightli")


async def test_a_chancy_without_the_plugin_says_so(dsn, schema):
    """Instead of a missing table."""
    async with Chancy(dsn, schema=schema, discover=False) as bare:
        with pytest.raises(PluginError, match="does not have the plugin cron"):
            await Cron.schedule(bare, "@daily", NOTE, name="s")


def test_the_plugin_is_found_under_its_public_name():
    """`chancy.plugins.cron` is this package."""
    from chancy.plugins.cron import Cron as Found  # noqa: PLC0415

    assert Found is Cron
