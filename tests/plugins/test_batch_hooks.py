"""The hooks of batches: nobody's plugin can take the queue down."""

from __future__ import annotations

import asyncio
from typing import Any

import hard_jobs
import psycopg
import pytest
from hosting import RAISED, run_one
from making import ECHO, plugin
from support import WITHIN_S, captured_events, until

from chancy import Backoff, Chancy, Job, State, Worker
from chancy_core.errors import PluginError
from chancy_core.plugins.check import SPECS
from chancy_core.store.session import WorkerConnection


async def test_on_push_chains_replacements(new_chancy):
    """Each plugin gets what the one before it returned, and the result is what is stored."""

    def raise_priority(self, jobs):
        return [job.with_priority(job.priority + 1) for job in jobs]

    plugins = [plugin("a", on_push=raise_priority), plugin("b", on_push=raise_priority)]
    async with new_chancy(plugins=plugins) as chancy:
        one = await (await chancy.push(ECHO)).get()
        (many,) = await chancy.push_many("default", [ECHO])
        assert (one.priority, (await many.get()).priority) == (2, 2)


@pytest.mark.parametrize("error", RAISED, ids=lambda error: type(error).__name__)
async def test_on_push_that_raises_fails_the_push_and_nothing_else(new_chancy, error):
    """Whatever on_push raises, the push fails with the plugin's name, and nothing is stored."""

    def refuse(self, jobs):
        raise error

    async with new_chancy(plugins=[plugin("guard", on_push=refuse)]) as chancy:
        for push in (lambda: chancy.push(ECHO), lambda: chancy.push_many([ECHO, ECHO])):
            with pytest.raises(PluginError, match="'guard' refused the push in on_push"):
                await push()
        assert await chancy.count_jobs() == {}


@pytest.mark.parametrize("rubbish", [[], "x", 3, [ECHO, ECHO], [None]])
async def test_on_push_that_returns_rubbish_fails_the_push(new_chancy, rubbish):
    """A replacement that is no list of as many jobs fails the push."""
    async with new_chancy(plugins=[plugin(on_push=lambda self, jobs: rubbish)]) as chancy:
        with pytest.raises(PluginError, match="it must return None or a list of 1 jobs"):
            await chancy.push(ECHO)
        assert await chancy.count_jobs() == {}


@pytest.mark.parametrize("error", RAISED, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("hook", ["on_claim", "on_complete", "on_recorded", "on_stop", "is_leader"])
async def test_hooks_of_a_worker_that_raise_lose_no_job(new_chancy, hook, error):
    """Whatever a worker's hook raises, the job runs, its outcome is recorded, and the failure is told and counted."""

    def fail(self):
        raise error

    async def fail_async(self):
        raise error

    hooks = {hook: fail_async if asyncio.iscoroutinefunction(SPECS[hook]) else fail, "on_tick": _tick}
    with captured_events() as events:
        async with new_chancy(plugins=[plugin("bad", {"interval": 0.01}, **hooks)]) as chancy:
            job = await run_one(chancy)
            if hook == "is_leader":
                async with Worker(chancy):
                    await until(lambda: chancy.plugins.failures["bad", hook])
    assert (job.state, job.result) == (State.SUCCEEDED, 1)
    assert chancy.plugins.failures["bad", hook] >= 1
    assert any(e["event"] == "hook_failed" and (e["plugin"], e["hook"]) == ("bad", hook) for e in events)


async def _tick(self, tick): ...


async def test_on_claim_may_change_jobs_but_not_swap_them(new_chancy):
    """Changed jobs run as changed; other jobs than those it was given are not accepted."""

    def change(self, jobs):
        return [job.with_kwargs(value=2) for job in jobs]

    def swap(self, jobs):
        return []

    async with new_chancy(plugins=[plugin("a", on_claim=change), plugin("b", on_claim=swap)]) as chancy:
        job = await run_one(chancy)
        assert job.result == 2
        assert chancy.plugins.failures == {("b", "on_claim"): 1}


async def test_what_on_complete_writes_commits_with_the_outcomes(new_chancy, dsn, schema):
    """A plugin's row is there when the outcome is; the row of one that then raised is not."""

    async def note(self, outcomes, connection):
        await connection.execute(f"CREATE TABLE IF NOT EXISTS {schema}.notes (id uuid)")
        for outcome in outcomes:
            await connection.execute(f"INSERT INTO {schema}.notes VALUES (%s)", [outcome.job.id])

    async def note_and_raise(self, outcomes, connection):
        await connection.execute(f"INSERT INTO {schema}.notes SELECT gen_random_uuid()")
        raise ValueError

    plugins = [plugin("a", on_complete=note), plugin("b", on_complete=note_and_raise)]
    async with new_chancy(plugins=plugins) as chancy:
        job = await run_one(chancy)
    with psycopg.connect(dsn) as connection:
        assert connection.execute(f"SELECT id FROM {schema}.notes").fetchall() == [(job.id,)]


async def _commit(self, outcomes, connection):
    await connection.execute("COMMIT")


async def _roll_back(self, outcomes, connection):
    await connection.execute("ROLLBACK")


async def _close(self, outcomes, connection):
    await connection.close()


async def _hang(self, outcomes, connection):
    await asyncio.sleep(3600)


async def _bad_sql(self, outcomes, connection):
    await connection.execute("SELECT nonsense")


@pytest.mark.parametrize("spoil", [_commit, _roll_back, _close, _bad_sql, _hang])
async def test_a_plugin_that_spoils_the_transaction_loses_no_outcome(new_chancy, spoil, monkeypatch):
    """A plugin that ends the transaction, closes the connection or never returns: outcomes are recorded once."""
    monkeypatch.setattr("chancy_core.plugins.ending.ON_COMPLETE_S", 0.2)
    async with new_chancy(plugins=[plugin("spoiler", on_complete=spoil)]) as chancy, Worker(chancy, grace_s=5):
        references = await chancy.push_many([ECHO] * 30)
        jobs = await chancy.wait_for_jobs(references, timeout=WITHIN_S)
    assert {job.state for job in jobs} == {State.SUCCEEDED}
    assert {job.attempts for job in jobs} == {1}
    assert chancy.plugins.failures["spoiler", "on_complete"] >= 1


async def test_failures_are_reported_once_in_a_while(new_chancy):
    """A hook that fails at each of many batches is logged once, and counted each time."""

    def fail(self, jobs):
        raise ValueError

    with captured_events() as events:
        async with new_chancy(plugins=[plugin("bad", on_claim=fail)]) as chancy, Worker(chancy):
            for _ in range(5):
                await (await chancy.push(ECHO)).wait(timeout=WITHIN_S)
    assert chancy.plugins.failures["bad", "on_claim"] == 5
    assert len([e for e in events if e["event"] == "hook_failed"]) == 1


def test_a_later_report_says_how_often_it_failed_meanwhile(new_chancy, monkeypatch):
    """After the pause the next failure is logged with the count of those in between; each plugin has its own."""

    def fail(self, jobs):
        raise ValueError

    host = new_chancy(plugins=[plugin("bad", on_claim=fail), plugin("worse", on_claim=fail)]).plugins

    def reports() -> list[tuple[str, int]]:
        with captured_events() as events:
            host.on_claim([], None)
        return [(event["plugin"], event["failures"]) for event in events if event["event"] == "hook_failed"]

    assert reports() == [("bad", 1), ("worse", 1)]
    assert reports() == reports() == []
    with monkeypatch.context() as patch:
        patch.setattr("chancy_core.plugins.containing.REPORT_EVERY_S", 0.0)
        assert reports() == [("bad", 3), ("worse", 3)]
    assert host.failures == {("bad", "on_claim"): 4, ("worse", "on_claim"): 4}


async def test_on_recorded_is_told_what_has_committed(new_chancy, dsn, schema):
    """When it is called, another connection sees the outcomes, retries among them; `worker` is who ran them."""
    seen: list[tuple[State, bool, str]] = []

    def look(self, outcomes, worker):
        with psycopg.connect(dsn, autocommit=True) as connection:
            for outcome in outcomes:
                found = connection.execute(
                    f"SELECT state FROM {schema}.finished_jobs WHERE id = %(id)s UNION ALL "
                    f"SELECT state FROM {schema}.jobs WHERE id = %(id)s",
                    {"id": outcome.job.id},
                ).fetchall()
                seen.append((outcome.state, found == [(outcome.state.value,)], worker.name))

    failing = Job(func="jobs.fail", max_attempts=2, backoff=Backoff(base_s=3600, jitter=0))
    async with new_chancy(plugins=[plugin(on_recorded=look)]) as chancy, Worker(chancy) as worker:
        await chancy.push_many([ECHO, failing])
        await until(lambda: len(seen) == 2)
    assert set(seen) == {(State.SUCCEEDED, True, worker.name), (State.RETRYING, True, worker.name)}


async def test_on_recorded_hears_of_each_outcome_once(new_chancy):
    """Writes that were rolled back and repeated are told of once, and only once they are recorded."""
    told: list[Any] = []

    def count(self, outcomes):
        told.extend(outcome.job.id for outcome in outcomes)

    plugins = [plugin("spoiler", on_complete=_roll_back), plugin("counter", on_recorded=count)]
    async with new_chancy(plugins=plugins) as chancy, Worker(chancy):
        references = await chancy.push_many([ECHO] * 30)
        await chancy.wait_for_jobs(references, timeout=WITHIN_S)
        await until(lambda: len(told) >= 30)
    assert chancy.plugins.failures["spoiler", "on_complete"] >= 1
    assert sorted(told) == sorted(reference.identifier for reference in references)


async def test_on_recorded_does_not_hear_of_stale_outcomes(new_chancy, query):
    """An outcome that was refused, because the run is somebody else's by now, is not told of."""
    told: list[Any] = []
    hard_jobs.gate.clear()

    def count(self, outcomes):
        told.extend(outcome.job.id for outcome in outcomes)

    async with new_chancy(plugins=[plugin(on_recorded=count)]) as chancy, Worker(chancy) as worker:
        mine = await chancy.push(Job(func="hard_jobs.until_gate"))
        await until(lambda: worker.running == 1)
        query("UPDATE {s}.jobs SET claims = claims + 1")
        hard_jobs.gate.set()
        await until(lambda: worker.stale == 1)
        other = await chancy.push(ECHO)
        await other.wait(timeout=WITHIN_S)
        await until(lambda: told)
        query("DELETE FROM {s}.jobs WHERE id = %s", mine.identifier)
    assert told == [other.identifier]


async def test_a_finish_that_nobody_has_to_write_beside_is_one_statement(new_chancy, monkeypatch):
    """With on_recorded alone outcomes are written without a transaction around them; with on_complete, in one."""
    transactions = []
    real = WorkerConnection.transaction

    def counted(self):
        transactions.append(self)
        return real(self)

    monkeypatch.setattr(WorkerConnection, "transaction", counted)

    def hear(self, outcomes): ...
    async def write(self, outcomes): ...

    async with new_chancy(plugins=[plugin(on_recorded=hear)]) as chancy:
        await run_one(chancy)
    assert not transactions
    async with new_chancy(plugins=[plugin(on_complete=write)]) as chancy:
        await run_one(chancy)
    assert transactions


async def test_claim_budget_is_refused_as_a_plain_function():
    """It is awaited, in the claim's transaction."""
    with pytest.raises(PluginError, match=r"claim_budget\(queue\) must be `async def`"):
        Chancy(plugins=[plugin(claim_budget=lambda self, queue: 1)], discover=False)
