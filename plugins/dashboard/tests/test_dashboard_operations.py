"""An operation touches what it counted, each job once, whoever is killed on the way; and it can be stopped."""

from __future__ import annotations

import asyncio
import random
from contextlib import suppress

import psycopg
import pytest
from operating import MAIL, begun, failed, go_on, mails

from chancy import Chancy, Job, JobFilter, Queue
from chancy.errors import ChancyError, InvalidFilter, UnknownQueue
from chancy_dashboard.acting.operations import advancing, store
from chancy_dashboard.acting.operations.advancing import LEASE_S, advance
from chancy_dashboard.acting.operations.begin import confirm, stop
from chancy_dashboard.acting.operations.operator import Operator
from chancy_dashboard.acting.operations.store import SQL
from chancy_dashboard.acting.operations.values import Operation, State


@pytest.fixture
def small_batches(monkeypatch):
    """Batches of ten, of jobs that are found seventy at a time."""
    monkeypatch.setattr(store, "BATCH", 10)
    monkeypatch.setattr(advancing, "FOUND_AT_ONCE", 70)


async def confirmed(chancy: Chancy, operation: Operation, reason: str = "again") -> Operation:
    return await confirm(chancy, operation, found=operation.found, by="ada", reason=reason)


async def test_what_is_done_waits_until_somebody_confirms_the_number(chancy: Chancy, query, small_batches):
    """Counting touches nothing; whoever confirms another number is refused; then it is done to all, and told."""
    await failed(chancy, query, 45)
    operation = await begun(chancy, "retry")
    assert (operation.state, operation.found, operation.by_state) == (State.COUNTED, 45, {"failed": 45})
    assert await go_on(chancy) is None
    with pytest.raises(InvalidFilter, match="cannot begin"):
        await confirm(chancy, operation, found=44, by="ada", reason="")
    assert (await chancy.count_jobs("state:failed")).value == 45
    await confirmed(chancy, operation, "the relay is back")
    done = await go_on(chancy)
    assert done is not None
    assert (done.state, done.done, done.skipped, done.fresh) == (State.DONE, {"retried": 45}, {}, 0)
    kept = await store.get(chancy, operation.id)
    assert kept is not None
    assert (kept.confirmed_by, kept.reason, kept.made_from) == ("ada", "the relay is back", "192.0.2.1")
    assert query("SELECT count(*) FROM {s}.dashboard_targets") == [(0,)]


async def test_what_came_or_changed_since_the_count_is_left_alone_and_told(chancy: Chancy, query, small_batches):
    """A job that runs by then is not stopped, one that was pushed meanwhile is not cancelled."""
    refs = await mails(chancy, 25)
    operation = await begun(chancy, "cancel")
    query(
        "UPDATE {s}.jobs SET state = 'running', worker = 'w', claims = claims + 1, attempts = 1, started_at = now() "
        "WHERE id = %s",
        refs[0].identifier,
    )
    await mails(chancy, 3)
    await confirmed(chancy, operation)
    done = await go_on(chancy)
    assert done is not None
    assert done.done == {"cancelled": 24}
    assert done.skipped == {"changed meanwhile": 1}
    # The one that runs was counted, as something else: it is none of those that came.
    assert done.fresh == 3
    assert (await chancy.count_jobs("note:again")).value == 24


async def test_hours_ago_stay_the_hours_before_it_was_asked_for(chancy: Chancy):
    """`since:2h` becomes a moment: what is restarted at night does not mean other jobs."""
    await mails(chancy, 1)
    operation = await begun(chancy, "cancel", JobFilter.parse("func:app.mail since:2h"))
    assert "since:2h" not in operation.filter
    assert operation.wanted == JobFilter.parse(operation.filter)


async def test_a_process_that_lost_its_term_does_nothing_more(chancy: Chancy, query, small_batches):
    """It was silent for a lease, another one took over: what it still wants to do is not done."""
    await failed(chancy, query, 30)
    await confirmed(chancy, await begun(chancy, "retry"))
    first = await store.take(chancy, "silent", 0.0)
    second = await store.take(chancy, "quick", LEASE_S)
    assert first is not None
    assert second is not None
    assert second.term == first.term + 1
    assert await advance(chancy, first) is None
    assert (await chancy.count_jobs("state:failed")).value == 30
    assert await store.take(chancy, "third", LEASE_S) is None
    done = await advance(chancy, second)
    assert done is not None
    assert done.done == {"retried": 30}


class Killing:
    """Runs the statements of operations, and now and then cuts the session or ends the process before or after one."""

    def __init__(self, seed: int) -> None:
        self._dice = random.Random(seed)
        self.killed = 0

    async def rows(self, connection, schema, name, /, **params):
        return await self._run(store.Statements.rows, connection, schema, name, params)

    async def dicts(self, connection, schema, name, /, **params):
        return await self._run(store.Statements.dicts, connection, schema, name, params)

    async def _run(self, run, connection, schema, name, params):
        fate = self._dice.choice(["cut", "die", "cut after", "die after"]) if self._dice.random() < 0.25 else None
        self.killed += fate is not None
        if fate == "die":
            raise asyncio.CancelledError
        if fate == "cut":
            await connection.execute("SELECT pg_terminate_backend(pg_backend_pid())")
        found = await run(SQL, connection, schema, name, **params)
        if fate == "die after":
            raise asyncio.CancelledError
        if fate == "cut after":
            await connection.execute("SELECT pg_terminate_backend(pg_backend_pid())")
        return found


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("word", ["retry", "delete"])
async def test_killed_at_random_each_job_is_acted_on_once(new_chancy, query, small_batches, monkeypatch, word, seed):
    """Sessions are cut and processes die between any two statements; others go on, and in the end the sum is right.

    A batch that was done again would find its jobs changed, and be told as skipped.
    """
    monkeypatch.setattr(advancing, "PAUSE_S", 0)
    async with new_chancy() as chancy:
        await chancy.migrate()
        await failed(chancy, query, 120)
        await confirmed(chancy, await begun(chancy, word))
        killing = Killing(seed)
        for _ in range(1000):
            monkeypatch.setattr(store, "SQL", killing)
            with suppress(asyncio.CancelledError, psycopg.Error, ChancyError):
                await go_on(chancy)
            monkeypatch.setattr(store, "SQL", SQL)
            query("UPDATE {s}.dashboard_operations SET lease_until = '-infinity'")
            (ended,) = await store.latest(chancy, 1)
            if not ended.state.moves:
                break
        assert killing.killed
        assert ended.done == {"retried" if word == "retry" else "deleted": 120}
        assert ended.skipped == {}
        assert (ended.state, ended.found, ended.next_batch) == (State.DONE, 120, ended.batches)
    live = [(2, 120)] if word == "retry" else []
    assert query("SELECT claims, count(*) FROM {s}.jobs GROUP BY 1") == live
    assert query("SELECT count(*) FROM {s}.finished_jobs") == [(0,)]


async def test_it_is_stopped_between_two_batches_and_goes_on_when_it_is_wanted(chancy: Chancy, query, small_batches):
    """What was done stays done, what was not is left, and both are told; confirmed again it goes on where it was."""
    await failed(chancy, query, 40)
    operation = await confirmed(chancy, await begun(chancy, "retry"))
    taken = await store.take(chancy, "test", LEASE_S)
    assert taken is not None
    taken = await advancing._step(chancy, taken)
    assert (await stop(chancy, operation)).state is State.STOPPING
    stopped = await advance(chancy, taken)
    assert stopped is not None
    assert (stopped.state, stopped.done, stopped.acted) == (State.STOPPED, {"retried": 10}, 10)
    assert (await chancy.count_jobs("state:failed")).value == 30
    assert await go_on(chancy) is None
    await confirmed(chancy, stopped)
    done = await go_on(chancy)
    assert done is not None
    assert (done.state, done.done) == (State.DONE, {"retried": 40})


async def test_what_cannot_be_done_is_told_and_what_was_done_is_kept(chancy: Chancy, query, small_batches):
    """Somebody deletes the queue to which jobs are moved: it fails with that, after the batches before."""
    await chancy.declare(Queue("calm"))
    await mails(chancy, 30)
    operation = await confirmed(chancy, await begun(chancy, "update", options={"queue": "calm"}))
    taken = await store.take(chancy, "test", LEASE_S)
    assert taken is not None
    taken = await advancing._step(chancy, taken)
    await chancy.delete_queue("calm", purge_jobs=True)
    ended = await advance(chancy, taken)
    assert ended is not None
    assert (ended.state, ended.done) == (State.FAILED, {"updated": 10})
    assert "calm" in (ended.error or "")
    await chancy.declare(Queue("calm"))
    await confirmed(chancy, operation)
    done = await go_on(chancy)
    assert done is not None
    assert done.done == {"updated": 30}


async def test_jobs_of_one_queue_only_are_meant_where_that_is_asked_for(chancy: Chancy):
    """Whoever may act in one queue reaches no other, whatever his filter says."""
    await chancy.declare(Queue("calm"))
    await mails(chancy, 4)
    await chancy.push_many("calm", [Job(func="app.mail")] * 3)
    operation = await begun(chancy, "cancel", queue="calm")
    assert operation.found == 3
    with pytest.raises(InvalidFilter, match="only jobs of the queue 'calm'"):
        await begun(chancy, "cancel", JobFilter(queues="*"), queue="calm")


@pytest.mark.parametrize(
    ("word", "text", "options", "error"),
    [
        ("retry", "state:pending", {}, InvalidFilter),
        ("cancel", "state:failed", {}, InvalidFilter),
        ("delete", "state:live", {}, InvalidFilter),
        ("update", "", {"queue": "nowhere"}, UnknownQueue),
    ],
)
async def test_what_can_be_done_to_nothing_is_refused_when_it_is_asked_for(chancy: Chancy, word, text, options, error):
    """Not after somebody has confirmed it."""
    with pytest.raises(error):
        await begun(chancy, word, JobFilter.parse(text), options=options)
    assert await store.latest(chancy, 1) == []


async def test_an_operator_advances_what_another_process_has_left(new_chancy, query, small_batches, until):
    """The process that was told to is gone; one that serves the same dashboard takes over by itself."""
    async with new_chancy() as chancy:
        await chancy.migrate()
        await failed(chancy, query, 30)
        await confirmed(chancy, await begun(chancy, "retry"))

        async def act() -> Chancy:
            return chancy

        operator = Operator(act)
        operator.begin()
        ended = "SELECT done->>'retried' FROM {s}.dashboard_operations WHERE state = 'done'"
        await until(lambda: query(ended) == [("30",)])
        await operator.close()


async def test_what_nobody_confirms_is_forgotten(chancy: Chancy, query):
    """An hour later, when somebody begins another; what was done is kept."""
    await mails(chancy, 2)
    old = await begun(chancy, "cancel")
    query("UPDATE {s}.dashboard_operations SET made_at = now() - interval '2 h', lease_until = '-infinity'")
    kept = await begun(chancy, "cancel", MAIL)
    assert [one.id for one in await store.latest(chancy, 10)] == [kept.id]
    assert await store.get(chancy, old.id) is None
    assert query("SELECT count(DISTINCT operation) FROM {s}.dashboard_targets") == [(1,)]
