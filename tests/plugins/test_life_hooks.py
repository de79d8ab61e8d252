"""The hooks of a worker's life, and around each run."""

from __future__ import annotations

import asyncio
import threading
from contextlib import contextmanager
from typing import Any

import hard_jobs
import psycopg
import pytest
from hosting import RAISED, run_one, run_query
from making import ECHO, plugin
from support import WITHIN_S, captured_events, until

from chancy import Chancy, Job, Limit, Plugin, Worker
from chancy_core.errors import PluginError
from chancy_core.worker.tick import Ticker


async def test_on_start_that_raises_keeps_the_worker_from_starting(new_chancy):
    """The worker refuses to start, names the plugin, and leaves no row behind."""

    async def refuse(self, worker):
        raise ValueError("not today")

    async with new_chancy(plugins=[plugin("picky", on_start=refuse)]) as chancy:
        with pytest.raises(PluginError, match="'picky' did not start: ValueError: not today"):
            await Worker(chancy).start()
        assert await run_query(chancy, "SELECT worker FROM {schema}.workers") == []


async def test_on_stop_comes_after_the_last_outcome_in_the_opposite_order(new_chancy):
    """When a worker closes, what it ran has been recorded, and plugins go in the opposite of the order they came in."""
    seen: list[Any] = []

    def stops(name: str) -> Plugin:
        async def stop(self, worker):
            seen.append((name, worker.running, await worker.chancy.count_jobs()))

        return plugin(name, on_stop=stop)

    async with new_chancy(plugins=[stops("a"), stops("b")]) as chancy:
        hard_jobs.gate.clear()
        async with Worker(chancy, grace_s=WITHIN_S):
            await chancy.push(Job(func="hard_jobs.until_gate"))
            await until(lambda: _runs(chancy))
            # While it stops.
            asyncio.get_running_loop().call_later(0.3, hard_jobs.gate.set)
        assert seen == [("b", 0, {}), ("a", 0, {})]


async def _runs(chancy: Chancy) -> bool:
    return bool((await chancy.count_jobs()).get("default", {}).get("running"))


async def test_on_tick_has_the_database_and_never_overlaps(new_chancy):
    """A tick can query and push; one that takes longer than its interval is not called twice at a time."""
    seen: list[Any] = []
    inside = 0

    async def tick(self, tick):
        nonlocal inside
        inside += 1
        async with tick.connection() as connection:
            cursor = await connection.execute("SELECT clock_timestamp()")
            ((now,),) = await cursor.fetchall()
        await tick.push("default", ECHO)
        await asyncio.sleep(0.03)
        seen.append((inside, now >= tick.now, tick.is_leader))
        inside -= 1

    async with new_chancy(plugins=[plugin("t", {"interval": 0.01}, on_tick=tick)]) as chancy, Worker(chancy):
        await until(lambda: len(seen) >= 3)
    assert set(seen) == {(1, True, True)}


async def test_on_tick_that_never_returns_is_ended_and_called_again(new_chancy):
    """A tick has its time; afterwards it is counted as failed, and comes again."""
    calls = 0

    async def hang(self, tick):
        nonlocal calls
        calls += 1
        await asyncio.sleep(3600)

    made = plugin("slow", {"interval": 0.01, "tick_timeout_s": 0.05}, on_tick=hang)
    async with new_chancy(plugins=[made]) as chancy, Worker(chancy):
        await until(lambda: calls >= 2)
        assert chancy.plugins.failures["slow", "on_tick"] >= 1


async def test_is_leader_says_where_leader_only_plugins_tick(new_chancy):
    """A plugin with leader_only ticks where is_leader says so, and the others tick everywhere."""
    ticked: list[str] = []
    leads = False

    def ticking(name: str, *, leader_only: bool) -> Plugin:
        async def tick(self, tick):
            ticked.append(name)

        made = plugin(name, {"interval": 0.01}, on_tick=tick)
        type(made).leader_only = leader_only
        return made

    plugins = [
        ticking("leaders", leader_only=True),
        ticking("all", leader_only=False),
        plugin("leadership", is_leader=lambda self: leads),
    ]
    async with new_chancy(plugins=plugins) as chancy, Worker(chancy):
        await until(lambda: ticked.count("all") >= 3)
        assert "leaders" not in ticked
        leads = True
        await until(lambda: "leaders" in ticked)


@pytest.mark.parametrize(("name", "told"), [("p", 1), ("pruner", 0)])
async def test_a_worker_without_a_pruner_says_so_once(new_chancy, name, told):
    """Unless a plugin of that name is loaded, a worker says once that finished jobs stay, and what to install."""
    with captured_events() as events:
        async with new_chancy(plugins=[plugin(name)]) as chancy:
            await run_one(chancy)
    found = [event for event in events if event["event"] == "pruner_not_loaded"]
    assert len(found) == told
    assert all("pip install chancy-pruner" in event["hint"] and event["log_level"] == "info" for event in found)


async def test_a_new_leader_ticks_at_once_however_long_the_interval(new_chancy, monkeypatch):
    """A plugin with an interval of an hour ticks as soon as this worker leads, and not again when it leads again."""
    monkeypatch.setattr("chancy_core.worker.tick.LOOK_S", 0.01)
    ticks: list[bool] = []
    looks = 0
    leads = False

    async def tick(self, tick):
        ticks.append(tick.is_leader)

    async def look(self, tick):
        nonlocal looks
        looks += 1

    hourly = plugin("hourly", {"interval": 3600.0}, on_tick=tick)
    type(hourly).leader_only = True
    plugins = [
        hourly,
        plugin("looking", {"interval": 0.01}, on_tick=look),
        plugin("leadership", is_leader=lambda self: leads),
    ]

    async def a_while():
        until_then = looks + 10
        await until(lambda: looks >= until_then)

    async with new_chancy(plugins=plugins) as chancy, Worker(chancy):
        await a_while()
        assert not ticks
        leads = True
        await until(lambda: ticks)
        leads = False
        await a_while()
        leads = True
        await a_while()
    assert ticks == [True]


async def test_a_tick_that_the_database_missed_does_not_wait_for_an_interval(new_chancy, monkeypatch):
    """A database that is away when an hourly tick is due delays it by seconds, not an hour; that is no failure."""
    monkeypatch.setattr("chancy_core.worker.tick.LONGEST_PAUSE_S", 0.01)
    ticked = asyncio.Event()
    tries = 0

    async def tick(self, tick):
        ticked.set()

    real = Ticker._now

    def now(self):
        nonlocal tries
        tries += 1
        if tries <= 2:
            raise psycopg.OperationalError("away")
        return real(self)

    monkeypatch.setattr(Ticker, "_now", now)
    made = plugin("hourly", {"interval": 3600.0}, on_tick=tick)
    async with new_chancy(plugins=[made]) as chancy, Worker(chancy):
        await asyncio.wait_for(ticked.wait(), 60)
        assert not chancy.plugins.failures


async def test_a_plugins_own_connection_is_like_all_others(new_chancy, dsn):
    """It is outside the pool, named as asked, commits by itself, reads times, and is closed after the block."""
    async with new_chancy(pool_max_size=1) as chancy:
        async with chancy.pool.connection(), chancy.connect(application_name="my plugin") as connection:
            cursor = await connection.execute(
                "SELECT current_setting('application_name'), current_setting('DateStyle')"
            )
            name, style = await cursor.fetchone()
            assert (name, style.partition(",")[0], connection.autocommit) == ("my plugin", "ISO", True)
        assert connection.closed


@pytest.mark.parametrize("func", ["jobs.echo", "jobs.add"], ids=["loop", "thread"])
async def test_around_job_is_entered_where_the_job_runs_in_order(new_chancy, func):
    """Contexts of several plugins nest in plugin order, in the job's own thread, and are left with its success."""
    seen = []

    @contextmanager
    def noted(name):
        seen.append((f"{name} in", threading.get_ident()))
        yield
        seen.append((f"{name} out", threading.get_ident()))

    hooks = {name: _around(name, noted) for name in ("a", "b")}
    kwargs = {"value": 1} if func == "jobs.echo" else {"a": 1, "b": 2}
    async with new_chancy(plugins=[plugin(name, around_job=hook) for name, hook in hooks.items()]) as chancy:
        job = await run_one(chancy, Job(func=func, kwargs=kwargs))
    assert job.state == "succeeded"
    assert [what for what, _ in seen] == ["a in", "b in", "b out", "a out"]
    threads = {thread for _, thread in seen}
    assert len(threads) == 1
    assert (threads == {threading.get_ident()}) == (func == "jobs.echo")


def _around(name, context):
    def around_job(self, job):
        return context(name)

    return around_job


@pytest.mark.parametrize("error", RAISED, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("where", ["call", "enter", "leave"])
async def test_around_job_that_raises_fails_only_what_it_should(new_chancy, where, error):
    """A context that cannot be entered fails the attempt, by name; one that cannot be left changes nothing."""

    class Broken:
        def __enter__(self):
            if where == "enter":
                raise error

        def __exit__(self, *exception):
            if where == "leave":
                raise error

    def around_job(self):
        if where == "call":
            raise error
        return Broken()

    with captured_events() as events:
        async with new_chancy(plugins=[plugin("bad", around_job=around_job)]) as chancy:
            job = await run_one(chancy)
    assert chancy.plugins.failures["bad", "around_job"] == 1
    assert any(e["event"] == "hook_failed" and e["hook"] == "around_job" for e in events)
    if where == "leave":
        assert (job.state, job.result) == ("succeeded", 1)
    else:
        assert (job.state, job.errors[0].type) == ("failed", "PluginError")
        assert "'bad' failed in around_job" in job.errors[0].message


async def test_around_job_sees_that_the_time_limit_was_exceeded(new_chancy):
    """The context is left with the very error that the job's record has, not with how it was stopped."""
    seen = []

    @contextmanager
    def noted():
        try:
            yield
        except BaseException as error:
            seen.append((type(error).__name__, str(error)))
            raise

    def around_job(self, job):
        return noted()

    async with new_chancy(plugins=[plugin("a", around_job=around_job)]) as chancy:
        limits = [Limit(Limit.Type.TIME, 0.05)]
        job = await run_one(chancy, Job(func="jobs.sleep", kwargs={"seconds": 30}, limits=limits))
    assert seen == [("TimeLimitExceeded", job.errors[0].message)]


async def test_around_job_sees_the_jobs_error_and_cannot_swallow_it(new_chancy):
    """The context is left with what the job raised; that it wants to swallow it is not heard."""
    seen = []

    class Swallow:
        def __enter__(self): ...

        def __exit__(self, kind, error, traceback):
            seen.append((kind, str(error)))
            return True

    def around_job(self):
        return Swallow()

    def rubbish(self):
        return 7

    async with new_chancy(plugins=[plugin("a", around_job=around_job)]) as chancy:
        job = await run_one(chancy, Job(func="jobs.fail"))
    assert seen == [(ValueError, "no")]
    assert (job.state, job.errors[0].type) == ("failed", "ValueError")
    async with new_chancy(plugins=[plugin("a", around_job=rubbish)]) as chancy:
        job = await run_one(chancy)
    assert "must return a context manager or None, not 7" in job.errors[0].message
