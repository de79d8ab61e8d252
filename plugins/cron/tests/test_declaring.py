"""What people write where they come from: schedules without a name, zones as objects, functions that are not there."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo

import pytest
from cron_jobs import block, note

from chancy import Job, Worker
from chancy.errors import ConfigError
from chancy.testing import configured
from chancy_cron import Cron, InvalidSchedule, Schedule

REGIONS = ("eu", "us", "asia")


def said(caplog, event: str) -> list[dict]:
    return [record.fields for record in caplog.records if getattr(record, "event", "") == event]


# -- names -----------------------------------------------------------------------------------


async def test_of_three_schedules_of_one_function_one_was_left(chancy):
    """The second is refused, with what differs and what to do, and the first stays as it is."""
    await Cron.schedule(chancy, "@daily", note.job.with_kwargs(word="eu"))
    with pytest.raises(InvalidSchedule) as caught:
        await Cron.schedule(chancy, "@daily", note.job.with_kwargs(word="us"))
    for part in ("'cron_jobs.note'", "job.kwargs", "a name of its own", "name='cron_jobs.note'"):
        assert part in str(caught.value)
    with pytest.raises(InvalidSchedule, match=r"another one \(cron\)"):
        await Cron.schedule(chancy, "@hourly", note.job.with_kwargs(word="eu"))
    (left,) = await Cron.get_schedules(chancy)
    assert (left.cron, left.job.kwargs) == ("@daily", {"word": "eu"})


async def test_a_schedule_goes_by_its_jobs_unique_key(chancy):
    """As in the original: a key each is a schedule each, and the same key changes the schedule."""
    for region in REGIONS:
        await Cron.schedule(chancy, "@daily", note.job.with_kwargs(word=region).with_unique_key(f"note {region}"))
    changed = await Cron.schedule(chancy, "@hourly", note.job.with_kwargs(word="eu").with_unique_key("note eu"))
    assert changed.cron == "@hourly"
    found = await Cron.get_schedules(chancy)
    assert [one.name for one in found] == ["note asia", "note eu", "note us"]


@pytest.mark.parametrize("other", [block.job.with_unique_key("k"), note.job.with_unique_key("k").with_kwargs(word="x")])
async def test_other_work_under_the_same_unique_key_is_refused(chancy, other):
    """The key would let only one of them wait or run at a time, and one schedule would have been gone."""
    await Cron.schedule(chancy, "@daily", note.job.with_unique_key("k"))
    with pytest.raises(InvalidSchedule, match="is another one"):
        await Cron.schedule(chancy, "@daily", other)


async def test_what_is_declared_again_as_it_was_is_the_same_schedule(chancy):
    """Every start of an application declares; a tuple comes back as a list, and is still the same."""
    job = Job(func="cron_jobs.note", kwargs={"word": ("a", {"b": 1.0})}, backoff=None, retry_on=("ValueError",))
    made = [await Cron.schedule(chancy, "*/5 * * * *", job, missed="all", jitter_s=1) for _ in range(3)]
    assert made[0] == made[1] == made[2]


async def test_by_its_name_a_schedule_is_changed(chancy):
    """Also one that was declared without."""
    await Cron.schedule(chancy, "@daily", note)
    changed = await Cron.schedule(chancy, "@hourly", note, name="cron_jobs.note")
    assert [one.cron for one in await Cron.get_schedules(chancy)] == [changed.cron] == ["@hourly"]


async def test_a_schedule_that_cannot_be_read_is_mended_by_declaring_it(chancy, query):
    """With or without a name."""
    await Cron.schedule(chancy, "@daily", note)
    query("UPDATE {s}.cron_schedules SET job = '{\"func\": 5}'")
    assert (await Cron.schedule(chancy, "@daily", note)).job == note.job


async def test_several_jobs_are_scheduled_in_one_call(chancy):
    """As in the original: a schedule each, all of them or none; and unscheduled together."""
    found = await Cron.schedule(chancy, "@daily", note, block)
    assert [one.name for one in found] == ["cron_jobs.note", "cron_jobs.block"]
    with pytest.raises(InvalidSchedule, match="another one"):
        await Cron.schedule(chancy, "@hourly", Job(func="cron_jobs.third"), note)
    with pytest.raises(InvalidSchedule, match="another one"):
        await Cron.schedule(chancy, "@hourly", Job(func="cron_jobs.third"), Job(func="cron_jobs.third", priority=1))
    with pytest.raises(InvalidSchedule, match="name is 'n', for 2 jobs"):
        await Cron.schedule(chancy, "@daily", note, block, name="n")
    assert len(await Cron.get_schedules(chancy)) == 2
    await Cron.unschedule(chancy, *(one.name for one in found))
    assert await Cron.get_schedules(chancy) == []


def from_toml(*tables, **settings) -> Cron:
    return configured(Cron, {"schedules": list(tables), **settings})


def test_a_table_needs_no_name():
    """It goes by its job's unique key or function; two that would go by the same are refused."""
    by_function = {"cron": "@daily", "job": "app.jobs.report"}
    by_key = {"cron": "@daily", "job": {"func": "app.jobs.report", "unique_key": "report"}}
    assert [one.name for one in from_toml(by_function, by_key).schedules] == ["app.jobs.report", "report"]
    with pytest.raises(ConfigError, match=r"there are 2 named 'app\.jobs\.report': each needs a name of its own"):
        from_toml(by_function, {**by_function, "cron": "@hourly"})


async def test_the_file_says_when_it_takes_a_schedule_from_code(new_chancy, chancy, caplog):
    """It wins, as it always has, but not in silence; declared alike, there is nothing to say."""
    await Cron.schedule(chancy, "@daily", note)
    async with new_chancy(Cron(schedules=[Schedule(cron="@daily", job=note.job)])) as same, Worker(same):
        pass
    assert said(caplog, "schedule_replaced") == []
    await Cron.schedule(chancy, "@daily", block)
    async with new_chancy(Cron(schedules=[Schedule(cron="@hourly", job=block.job)])) as other, Worker(other):
        pass
    (told,) = said(caplog, "schedule_replaced")
    assert (told["schedule"], told["different"]) == ("cron_jobs.block", ["cron"])


# -- time zones ------------------------------------------------------------------------------


class Pytz(tzinfo):
    """As pytz makes them."""

    zone = "Asia/Tokyo"


@pytest.mark.parametrize(
    ("given", "name"),
    [(ZoneInfo("Europe/Berlin"), "Europe/Berlin"), (UTC, "UTC"), (Pytz(), "Asia/Tokyo"), ("Asia/Tokyo", "Asia/Tokyo")],
)
async def test_a_time_zone_may_be_an_object(chancy, given, name):
    """It is kept by its name, in a schedule that is declared and in one that is made."""
    made = await Cron.schedule(chancy, "0 9 * * *", note, timezone=given)
    assert made.timezone == Schedule(cron="0 9 * * *", job=note.job, timezone=given).timezone == name
    assert (await Cron.next_times(chancy, made.name, 1))[0].hour == 9


@pytest.mark.parametrize("given", [timezone(timedelta(hours=2)), datetime.now().astimezone().tzinfo, 5, None, b"UTC"])
async def test_a_time_zone_without_a_name_is_refused(chancy, given):
    """An offset is no zone: it has no summer."""
    with pytest.raises(InvalidSchedule, match=r"timezone is .*Europe/Berlin"):
        await Cron.schedule(chancy, "0 9 * * *", note, timezone=given)


# -- functions -------------------------------------------------------------------------------

WRONG = [
    (Job(func="cron_jobs.nota"), "has no 'nota'. Did you mean 'note'?"),
    (Job(func="cron_jbos.note"), "there is no module 'cron_jbos'"),
    (Job(func="cron_broken.report"), "raised RuntimeError: no licence"),
    (Job(func="cron_jobs.asyncio"), "is not callable"),
    (Job(func="cron_jobs.note", kwargs={"wrod": "x"}), "does not take wrod"),
]


@pytest.mark.parametrize(("job", "problem"), WRONG)
async def test_a_function_that_cannot_be_run_is_told_when_it_is_declared(chancy, caplog, job, problem):
    """A warning with the reason, because this process need not be the one that runs it."""
    made = await Cron.schedule(chancy, "@daily", job, name="s")
    (told,) = said(caplog, "schedule_cannot_run_here")
    assert (told["schedule"], told["func"]) == ("s", made.job.func)
    assert problem in told["problem"]


@pytest.mark.parametrize(("job", "problem"), WRONG)
async def test_a_function_that_cannot_be_run_is_refused_if_that_is_asked_for(new_chancy, job, problem):
    """`strict = true`, or `strict=True`; nothing is stored."""
    async with new_chancy(Cron(strict=True)) as chancy:
        with pytest.raises(InvalidSchedule) as caught:
            await Cron.schedule(chancy, "@daily", job, name="s")
        assert problem in str(caught.value)
        assert "strict = true" in str(caught.value)
        assert await Cron.get_schedules(chancy) == []
        await Cron.schedule(chancy, "@daily", job, name="s", strict=False)


async def test_a_worker_says_at_its_start_that_a_function_is_missing(new_chancy, caplog):
    """By the schedule's name; with `strict = true` it does not start, and names all of them."""
    tables = [{"name": f"s{number}", "cron": "@daily", "job": "cron_jobs.gone"} for number in range(2)]
    async with new_chancy(from_toml(*tables)) as chancy, Worker(chancy):
        assert [told["schedule"] for told in said(caplog, "schedule_cannot_run_here")] == ["s0", "s1"]
        assert len(await Cron.get_schedules(chancy)) == 2
    async with new_chancy(from_toml(*tables, strict=True)) as chancy:
        with pytest.raises(Exception, match=r"(?s)'s0': .*'s1': ") as caught:
            await Worker(chancy).start()
        assert "strict = true" in str(caught.value)


async def test_a_function_that_is_there_is_not_worth_a_word(chancy, caplog):
    """Coroutine functions, too."""
    with caplog.at_level(logging.WARNING):
        await Cron.schedule(chancy, "@daily", note)
        await Cron.schedule(chancy, "@daily", block)
    assert said(caplog, "schedule_cannot_run_here") == []


async def test_a_function_that_no_worker_may_run_is_told(new_chancy, caplog):
    """The settings of this process say which may."""
    async with new_chancy(functions=["app.*"]) as chancy:
        await Cron.schedule(chancy, "@daily", note)
    (told,) = said(caplog, "schedule_cannot_run_here")
    assert "may not be run" in told["problem"]
