"""What `rates` and `chancy history` make of it."""

import asyncio
import json
import subprocess
import sys
from datetime import timedelta

import history_jobs
import pytest
from click.testing import CliRunner

from chancy import Chancy, Job, Worker
from chancy.errors import ConfigError
from chancy.testing import configured
from chancy_history import History, rates, sync_rates
from chancy_history.buckets import BOUNDS_S, BUCKETS, fill, quantile
from chancy_history.commands import history, trend_text


@pytest.fixture
def run(dsn, schema, chancy):
    def call(*arguments, code=0):
        result = CliRunner().invoke(
            history,
            arguments,
            obj=lambda: Chancy(dsn, schema=schema, discover=False, plugins=[History()]),
            standalone_mode=True,
        )
        assert result.exit_code == code, (result.output, result.exception)
        return result.output

    return call


@pytest.fixture
def first(remember):
    """The history began an hour ago."""
    remember(3600, 0)


async def test_rates_of_queues_and_functions(chancy, first, remember):
    """Counts are added over the time that is asked for, and told by queue, by function, or by both."""
    remember(60, 300, 100, queue="mail", func="app.send")
    remember(120, 200, queue="mail", func="app.fetch")
    remember(1800, 1000, queue="mail", func="app.send")
    found = await rates(chancy, since="5m")
    assert 300 <= found.seconds <= 360
    (mail,) = found.rows
    assert (mail.queue, mail.func, mail.finished, mail.failed) == ("mail", None, 600, 100)
    assert mail.out_per_s == pytest.approx(600 / found.seconds)
    assert mail.failing == pytest.approx(100 / 600)
    assert [(one.func, one.finished) for one in (await rates(chancy, by="func")).rows] == [
        ("app.send", 400),
        ("app.fetch", 200),
    ]
    both = (await rates(chancy, since=timedelta(minutes=45), by="both")).rows
    assert [(one.queue, one.func, one.finished) for one in both] == [
        ("mail", "app.send", 1400),
        ("mail", "app.fetch", 200),
    ]
    assert [one.finished for one in (await rates(chancy, since=2700, func="app.send")).rows] == [1400]
    assert (await rates(chancy, queue="none")).rows == ()


async def test_a_young_history_is_not_taken_for_idleness(chancy, remember):
    """Where nothing was counted before two minutes ago, rates are of these two minutes and not of the hour."""
    remember(120, 600)
    found = await rates(chancy, since="1h")
    assert found.seconds <= 181
    assert found.rows[0].out_per_s == pytest.approx(600 / found.seconds)


async def test_what_came_in_is_known_by_what_waits(chancy, query, first, remember):
    """Runs that began, and by how much the queue has grown."""
    remember(60, 400)
    for queue, ago_s, pending in (("default", 240, 100), ("default", 60, 300), ("stuck", 240, 0), ("stuck", 60, 50)):
        query(
            "INSERT INTO {s}.history_depths VALUES (date_trunc('minute', now() - make_interval(secs => %s)), %s, %s)",
            ago_s, queue, pending,
        )  # fmt: skip
    found = await rates(chancy)
    came = {one.queue: round(one.in_per_s * found.seconds) for one in found.rows}
    assert came == {"default": 600, "stuck": 50}
    assert [one.in_per_s for one in (await rates(chancy, by="func")).rows] == [None]


async def test_hours_are_read_where_minutes_are_gone(chancy, remember):
    """A month is told of hours, and of the minutes that have not become any."""
    remember(20 * 86_400, 100, table="hours")
    remember(10 * 86_400, 200, table="hours")
    remember(60, 300)
    found = await rates(chancy, since="30d", steps=10)
    assert found.rows[0].finished == 600
    assert len(found.rows[0].trend) <= 10
    assert sum(found.rows[0].trend) > 0


def test_without_asyncio(new_chancy, remember):
    """The same numbers for a program without an event loop."""
    with new_chancy() as chancy:
        chancy.sync_migrate()
        remember(60, 300)
        found = sync_rates(chancy, by="func", steps=5)
        assert [(one.func, one.finished) for one in found.rows] == [("a.b", 300)]
        with pytest.raises(ConfigError, match=r"by is 'function'.*both"):
            sync_rates(chancy, by="function")


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"since": "5 minutes"}, "since is '5 minutes': give a whole number and a unit"),
        ({"since": "forever"}, "since is"),
        ({"since": 5}, "since is 5: give seconds"),
        ({"since": float("nan")}, "since is nan"),
        ({"since": timedelta(seconds=-1)}, "since is -1.0"),
        ({"by": "fnc"}, "by is 'fnc'"),
        ({"steps": 0}, "steps is 0"),
    ],
)
async def test_wrong_arguments_are_told_before_anything_is_asked(chancy, wrong, told):
    """With the value and what to give."""
    with pytest.raises(ConfigError, match=told):
        await rates(chancy, **wrong)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"interval": 0}, "interval is 0"),
        ({"interval": 3600}, "interval is 3600"),
        ({"keep_minutes": "1h"}, "keep_minutes is"),
        ({"keep_hours": "forever"}, "keep_hours is 'forever': give a whole number and a unit"),
        ({"keep_hours": "1h"}, "keep_hours is"),
        ({"max_functions": 0}, "max_functions is 0"),
        ({"max_function": 5}, "max_functions"),
    ],
)
def test_wrong_settings_are_told(settings, told):
    """With the key, the value and what to give."""
    with pytest.raises(ConfigError, match=told):
        configured(History, settings)


def test_quantiles_are_within_their_bucket():
    """The median and the 95th of a hundred lie in the bucket of the values that they are of."""
    counts = [0] * BUCKETS
    fill(counts, [0.4] * 100 + [50.0] * 5)
    assert 0.25 <= quantile(counts, 0.5) <= 0.5
    assert 0.25 <= quantile(counts, 0.95) <= 0.5
    assert 30 <= quantile(counts, 0.99) <= 60
    assert quantile([0] * BUCKETS, 0.5) is None
    fill(counts, [1e9] * 1000)
    assert quantile(counts, 0.9) == BOUNDS_S[-1]
    assert sum(counts) == 1105


def test_a_trend_is_as_high_as_its_share():
    """The largest value is a full block, none is a blank."""
    assert trend_text([0, 1, 4, 8]) == " ▂▅█"
    assert trend_text([0, 0]) == trend_text([]) == ""


async def test_the_command_shows_what_ran(chancy, run, until, query):
    """Jobs that ran are in its table, and in its document, with the same numbers."""
    async with Worker(chancy):
        await chancy.wait_for_jobs(
            await chancy.push_many([Job.from_func(history_jobs.nap)] * 3 + [Job.from_func(history_jobs.nothing)]),
            timeout=60,
        )
        await until(lambda: query("SELECT sum(succeeded) FROM {s}.history_v1") == [(4,)])
    told = await asyncio.to_thread(run, "--by", "func")
    assert told.splitlines()[0].split() == ["func", "OUT/s", "failed", "wait", "p95", "run", "p95", "trend"]
    assert "history_jobs.nap" in told
    document = json.loads(await asyncio.to_thread(run, "--by", "func", "--json", "--func", "history_jobs.nap"))
    (row,) = document["rows"]
    assert (row["func"], row["succeeded"], row["started"]) == ("history_jobs.nap", 3, 3)
    assert row["run_p50_s"] > 0.1
    assert document["seconds"] > 0


def test_an_empty_history_says_why(run):
    """Where it looked, since when, and what to look at; and its document is one all the same."""
    told = run("--since", "5m")
    assert "Nothing was counted since" in told
    assert "chancy plugins" in told
    assert "of queue 'mail' of function 'a.b' since" in run("--queue", "mail", "--func", "a.b")
    assert json.loads(run("--json"))["rows"] == []


def test_the_plugin_works_without_the_command_lines_libraries():
    """A worker in an environment without click and rich counts."""
    code = (
        "import sys; sys.modules['click'] = sys.modules['rich'] = None; from chancy_history import History; History()"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
