"""Hostile plugins, hook by hook and at random: what is logged, how it ends; no job is lost, none runs twice."""

from __future__ import annotations

import asyncio
import inspect
import signal
import time
from collections.abc import Callable, Iterator
from typing import Any

import jobs
import ledger
import psycopg
import pytest
from books import all_done, check_the_books
from children import nursery
from hostile import Deaf, Hostile
from making import ECHO, plugin
from support import WITHIN_S, captured_events, until

from chancy import Backoff, Job, Queue, State, Worker
from chancy_core.errors import PluginError
from chancy_core.plugins import budgets, calling, ending, host
from chancy_core.plugins.check import SPECS

# Called while something is loaded, pushed, opened or looked at. How those fail is in test_loading.py,
# test_opening_hooks.py, test_findings.py and test_web_hooks.py.
NOT_OF_A_WORKER = {
    *("on_push", "migrations", "commands", "on_open", "on_close", "findings", "gauges"),
    *("pages", "panels", "columns"),
}


# How a worker goes on with a hook that does not return in time, or blocks: whether it runs jobs.
WORKS = {
    "on_claim": True,
    "around_job": True,
    "on_failure": True,
    "on_complete": True,
    "on_end": True,
    "on_recorded": True,
    "on_tick": True,
    "is_leader": True,
    "on_start": False,
    "on_stop": True,
}


COROUTINES = [hook for hook in WORKS if inspect.iscoroutinefunction(SPECS[hook])]


BLOCKS_S = 1.2


def test_every_hook_of_a_worker_is_tried():
    """A hook that is added has to say here how a worker goes on with a hostile one."""
    assert set(WORKS) == set(SPECS) - NOT_OF_A_WORKER - {"claim_budget"}  # which has a test of its own


@pytest.fixture
def hastened(monkeypatch) -> Iterator[None]:
    """What a hook may take is a moment, so that tests need not wait for it."""
    for name in ("ON_START_S", "ON_STOP_S"):
        monkeypatch.setattr(host, name, 1.0)
    for name in ("ON_COMPLETE_S", "ON_END_S"):
        monkeypatch.setattr(ending, name, 1.0)
    monkeypatch.setattr(budgets, "CLAIM_BUDGET_S", 1.0)
    monkeypatch.setattr(calling, "LETS_GO_WITHIN_S", 0.2)
    jobs.gate.clear()
    yield
    jobs.gate.set()


async def all_let_go() -> None:
    """Open the gate, and wait until no abandoned hook is left: the loop of the test could not close."""
    jobs.gate.set()
    await until(lambda: not calling._left)


async def works(chancy: Any, *, ticks: str | None = None) -> list[dict[str, Any]]:
    """Run a few jobs, which must succeed in their first attempt, and one that fails; what was logged meanwhile."""
    with captured_events() as events:
        async with Worker(chancy, grace_s=WITHIN_S):
            references = await chancy.push_many([ECHO] * 5)
            ran = await chancy.wait_for_jobs(references, timeout=WITHIN_S)
            references = await chancy.push_many([ECHO] * 5)
            ran += await chancy.wait_for_jobs(references, timeout=WITHIN_S)
            if ticks:
                await until(lambda: chancy.plugins.failures[ticks, "on_tick"])
            # For the hook that is called of those only.
            unlucky = await (await chancy.push(Job("jobs.fail"))).wait(timeout=WITHIN_S)
    assert unlucky.state is State.FAILED
    assert [(job.state, job.attempts, job.result) for job in ran] == [(State.SUCCEEDED, 1, 1)] * 10
    return events


@pytest.mark.parametrize("hook", [hook for hook in COROUTINES if WORKS[hook]])
async def test_a_hook_that_swallows_its_cancellation_is_left_behind(new_chancy, hastened, hook):
    """Finishing, ticking and stopping go on without it: it is counted, switched off with a word, not called again."""
    async with new_chancy(plugins=[Deaf(hook=hook)]) as chancy:
        events = await works(chancy, ticks="deaf" if hook == "on_tick" else None)
        assert chancy.plugins.failures == {("deaf", hook): 1}
        assert not chancy.plugins.has(hook, "deaf")
        off = [event for event in events if event["event"] == "hook_switched_off"]
        assert [(event["plugin"], event["hook"], event["log_level"]) for event in off] == [("deaf", hook, "error")]
        assert [e["how"] for e in events if e["event"] == "worker_stopped"] == ["drained"]
        await all_let_go()


async def test_the_hooks_of_others_are_called_when_one_is_left_behind(new_chancy, hastened):
    """The plugin that is not to blame is told of every outcome, and is not counted as failed."""
    told = []

    async def on_complete(self, outcomes):
        told.extend(outcome.job.id for outcome in outcomes)

    async with new_chancy(plugins=[Deaf(hook="on_complete"), plugin("good", on_complete=on_complete)]) as chancy:
        await works(chancy)
        assert chancy.plugins.failures == {("deaf", "on_complete"): 1}
        await all_let_go()
    assert len(told) == len(set(told)) == 11


async def test_claim_budget_that_swallows_its_cancellation_holds_up_only_what_it_limits(new_chancy, hastened):
    """It is not asked again, and nothing is claimed without its word; queues without limits are served as ever."""
    async with new_chancy(plugins=[Deaf(hook="claim_budget")]) as chancy:
        await chancy.declare(Queue("limited", global_concurrency=5))
        limited = await chancy.push("limited", ECHO)
        events = await works(chancy)
        assert chancy.plugins.failures == {("deaf", "claim_budget"): 1}
        assert len([event for event in events if event["event"] == "hook_switched_off"]) == 1
        assert (await limited.get()).state is State.PENDING
        await all_let_go()


@pytest.mark.parametrize("kind", ["never returns", "swallows its cancellation"])
async def test_on_start_that_does_not_end_is_a_worker_that_does_not_start(new_chancy, hastened, kind):
    """The worker refuses to start, and names the plugin; its row is gone."""

    async def never(self):
        await asyncio.sleep(3600)

    bad = plugin("deaf", on_start=never) if kind == "never returns" else Deaf(hook="on_start")
    async with new_chancy(plugins=[bad]) as chancy:
        with pytest.raises(PluginError, match=r"'deaf' did not start: .*it took too long"):
            await Worker(chancy).start()
        async with chancy.pool.connection() as connection:
            cursor = await connection.execute(f"SELECT count(*) FROM {chancy.settings.schema}.workers")
            assert await cursor.fetchall() == [(0,)]
        await all_let_go()


@pytest.mark.parametrize("hook", COROUTINES)
async def test_a_slow_hook_delays_and_breaks_nothing(new_chancy, hook):
    """A hook that takes its time, within what it has, fails nothing."""

    async def slow(self):
        await asyncio.sleep(0.3)

    async with new_chancy(plugins=[plugin("slow", {"interval": 0.01}, **{hook: slow})]) as chancy:
        events = await works(chancy)
        assert not chancy.plugins.failures
    assert not [event for event in events if event["event"].startswith("hook_")]


@pytest.mark.parametrize("hook", WORKS)
async def test_a_hook_that_blocks_the_loop_is_named(new_chancy, hook):
    """Everything waits meanwhile, nothing is lost, and the log says who it was; but for around_job, see its section."""

    def blocks(self):
        if not blocked:
            blocked.append(hook)
            time.sleep(BLOCKS_S)

    async def blocks_as_coroutine(self):
        blocks(self)

    async def tick(self): ...

    blocked: list[str] = []
    hooks = {"on_tick": tick, hook: blocks_as_coroutine if hook in COROUTINES else blocks}
    async with new_chancy(plugins=[plugin("rude", {"interval": 0.01}, **hooks)]) as chancy:
        events = await works(chancy)
    assert blocked == [hook]
    named = [event for event in events if event["event"] == "hook_blocked"]
    if hook != "around_job":
        assert [(event["plugin"], event["hook"]) for event in named] == [("rude", hook)]
        assert named[0]["held_s"] >= BLOCKS_S


async def pushed(chancy: Any, job: Job, count: int) -> None:
    """Push so many jobs past a plugin that refuses some pushes: what is refused stores nothing."""
    left = count
    while left:
        try:
            await chancy.push_many("many", [job] * min(left, 100))
        except PluginError:
            continue
        left -= 100


async def test_ten_thousand_jobs_with_a_plugin_that_is_hostile_at_random(new_chancy, tmp_path, dsn, schema):
    """Two workers whose plugin is hostile in every hook, one of them killed: each job ends once, none runs twice."""
    number, book = 10_000, tmp_path / "ledger"
    book.touch()
    job = Job.from_func(jobs.noop, max_attempts=50, backoff=Backoff(base_s=0.01, max_s=0.05), keep_result=False)
    async with new_chancy(plugins=[Hostile()]) as chancy:
        await chancy.declare(Queue("many", executor=ledger.EXECUTOR, executor_options={"path": str(book)}))
        await pushed(chancy, job, number)
        assert await chancy.count_jobs() == {"many": {"pending": number}}
        with nursery(tmp_path, dsn, schema) as new:
            start: Callable[[], Any] = lambda: new(  # noqa: E731
                worker={"lease_s": 1.5, "concurrency": 50}, plugins=["hostile.Hostile"]
            )
            children = [start(), start()]
            for child in children:
                await asyncio.to_thread(child.ready)
            await until(lambda: _finished(dsn, schema) >= number // 4, 600)
            children[0].send(signal.SIGKILL)
            children[0].wait()
            start()
            await all_done(chancy, number, within_s=600)
            for child in children[1:]:
                child.send(signal.SIGTERM)
                assert child.wait(300) == 0, child.said()
        finished = await check_the_books(chancy, book, number)
        assert {row[1] for row in finished} == {"succeeded"}
        assert "hook_failed" in children[1].said()


def _finished(dsn: str, schema: str) -> int:
    time.sleep(0.05)
    with psycopg.connect(dsn, autocommit=True) as connection:
        return connection.execute(f"SELECT count(*) FROM {schema}.finished_jobs").fetchone()[0]
