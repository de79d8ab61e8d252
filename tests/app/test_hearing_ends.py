"""An application's plugins hear of the jobs that it ends, in that transaction, however answers are lost."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hearing_apps import HEARD, writer
from making import ECHO, plugin
from support import WITHIN_S, captured_events, until

from chancy import Chancy, Job, Queue, Worker
from chancy_core.store import flow, queues
from chancy_core.values.notices import Notice
from chancy_core.values.queuedjob import Cancellation

FAR = Job("jobs.noop", scheduled_at=datetime.now(UTC) + timedelta(hours=1), meta={"n": 7})


@pytest.fixture
def heard(chancy, query):
    """What was heard, by which plugin: from the table that is made here."""
    query(HEARD)
    return lambda: sorted(query("SELECT plugin, id, claims, how, state FROM {s}.heard"))


@pytest.fixture
def waiting(query):
    """Who has yet to be told, and of what."""
    return lambda: query("SELECT plugin, id, how FROM {s}.ended ORDER BY number")


async def worker_tells(new_chancy: Any, waiting: Any, *plugins: Any) -> None:
    """Start a worker with these plugins, and wait until it has told them everything."""
    async with new_chancy(plugins=plugins) as chancy, Worker(chancy):
        await until(lambda: not waiting(), WITHIN_S)


async def test_an_application_without_a_worker_tells_its_plugins(new_chancy, schema, query, heard, waiting):
    """Cancelled one by one and together, purged, and brought back: each with what there is to say of it; at once."""
    async with new_chancy(plugins=[writer(schema)]) as chancy:
        await chancy.declare(Queue("q"))
        first, second, third = await chancy.push_many([FAR, FAR, FAR.with_queue("q")])
        assert await chancy.cancel_job(first, reason="why") == Cancellation.CANCELLED
        assert await chancy.retry_jobs([first]) == [first]
        await chancy.cancel_jobs([first, second])
        assert await chancy.delete_queue("q") == 1
        assert not chancy.plugins.failures
    one, two, three = (reference.identifier for reference in (first, second, third))
    assert heard() == sorted(
        [
            ("writer", one, 0, "cancel", "cancelled"),
            ("writer", one, 1, "retry", "scheduled"),
            ("writer", one, 1, "cancel", "cancelled"),
            ("writer", two, 0, "cancel", "cancelled"),
            ("writer", three, 0, "purge", "cancelled"),
        ]
    )
    assert waiting() == []
    assert query("SELECT note FROM {s}.heard WHERE claims = 0 AND id = %s", one) == [("why",)]
    assert set(query("SELECT meta->>'n' FROM {s}.heard")) == {("7",)}


@pytest.mark.parametrize("act", ["cancel", "retry", "purge"])
async def test_it_is_told_in_the_very_transaction(new_chancy, query, chancy, act):
    """The hook sees what the application did, others do not see it yet, and the moment is that of the transaction."""
    seen = []

    async def on_end(self, ended, connection):
        cursor = await connection.execute(
            f"SELECT id FROM {chancy.settings.schema}.{'jobs' if act == 'retry' else 'finished_jobs'}"
        )
        inside = await cursor.fetchall()
        outside = query(f"SELECT id FROM {{s}}.{'finished_jobs' if act == 'retry' else 'jobs'}")
        (now,) = await (await connection.execute("SELECT now()")).fetchone()
        seen.append((inside, outside, [one.id for one in ended], {one.at for one in ended} == {now}))

    await chancy.declare(Queue("q"))
    reference = await chancy.push("q", ECHO)
    if act == "retry":
        await reference.cancel()
    async with new_chancy(plugins=[plugin(on_end=on_end)]) as app:
        if act == "cancel":
            await app.cancel_job(reference)
        elif act == "retry":
            await app.retry_jobs([reference])
        else:
            await app.delete_queue("q")
        assert not app.plugins.failures
    row = [(reference.identifier,)]
    assert seen == [(row, row, [reference.identifier], True)]


async def test_a_large_queue_is_told_of_in_batches(new_chancy, query, chancy, monkeypatch):
    """Each batch in the transaction that cancels it, so that no transaction is longer than one batch."""
    monkeypatch.setattr(queues, "PURGE_BATCH", 10)
    batches = []

    async def on_end(self, ended):
        batches.append((len(ended), query("SELECT count(*) FROM {s}.finished_jobs")[0][0]))

    await chancy.declare(Queue("q"))
    await chancy.push_many("q", [ECHO] * 25)
    async with new_chancy(plugins=[plugin(on_end=on_end)]) as app:
        assert await app.delete_queue("q") == 25
    assert batches == [(10, 0), (10, 10), (5, 20)]


async def test_what_is_no_end_is_not_told(new_chancy, chancy, query, heard, schema):
    """Jobs that run, that have finished, or that are nowhere: cancelling those ends nothing, and no hook is called."""
    running, finished, pending = await chancy.push_many([ECHO] * 3)
    await finished.cancel()
    query("INSERT INTO {s}.workers (worker, tags, lease_until) VALUES ('w', '{}', now() + interval '1 hour')")
    query(
        "UPDATE {s}.jobs SET state = 'running', worker = 'w', attempts = 1, claims = 1 WHERE id = %s",
        running.identifier,
    )
    nowhere = "00000000-0000-7000-8000-000000000000"
    async with new_chancy(plugins=[writer(schema)]) as app:
        assert await app.cancel_jobs([running, finished, nowhere]) == [
            Cancellation.STOPPING,
            Cancellation.FINISHED,
            None,
        ]
        assert heard() == []
        await app.cancel_jobs([running, finished, pending])
    assert [row[1] for row in heard()] == [pending.identifier]


@pytest.mark.parametrize("hooks", [{}, {"on_recorded": lambda self: None}], ids=["no_plugin", "other_hooks"])
async def test_without_such_a_plugin_nothing_more_is_asked(new_chancy, chancy, monkeypatch, hooks):
    """The statement in its transaction, and no step beside."""
    steps = []
    answer = flow._answer

    async def noting(cursor, step):
        steps.append(step)
        return await answer(cursor, step)

    reference = await chancy.push(ECHO)
    async with new_chancy(plugins=[plugin(**hooks)]) as app:
        monkeypatch.setattr(flow, "_answer", noting)
        await app.cancel_job(reference)
    texts = [step.text.decode().split()[0] for step in steps if isinstance(step, flow.Query)]
    assert len(texts) == len(steps)
    assert texts == ["BEGIN", "WITH", "SELECT", "COMMIT"]
    assert [step.params["here"] for step in steps if step.ending] == [[]]


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("text", [b"COMMIT", b"pg_current_xact_id", b"BEGIN"])
async def test_a_lost_answer_is_heard_of_once(new_chancy, chancy, heard, waiting, schema, monkeypatch, text, when):
    """A connection that is lost around the COMMIT: the change is done once, and heard of once, by the application."""
    reference = await chancy.push(ECHO)
    answer, lost = flow._answer, []

    async def losing(cursor, step):
        if not isinstance(step, flow.Query) or lost or text not in step.text:
            return await answer(cursor, step)
        lost.append(step)
        if when == "after":
            await answer(cursor, step)
        cursor.connection.cut()
        return await answer(cursor, flow.Query(b"SELECT"))

    async with new_chancy(plugins=[writer(schema)]) as app:
        monkeypatch.setattr(flow, "_answer", losing)
        assert await app.cancel_job(reference) == Cancellation.CANCELLED
        assert not app.plugins.failures
    assert lost
    assert heard() == [("writer", reference.identifier, 0, "cancel", "cancelled")]
    assert waiting() == []


async def test_what_a_plugin_fails_to_hear_is_left_for_a_worker(new_chancy, query, heard, waiting, schema):
    """Nothing is left of what it wrote, the job is cancelled, others heard; a worker tells it later, once."""

    async def fail(connection):
        raise ValueError("not that one")

    plugins = [writer(schema, "bad", fail), writer(schema, "good")]
    with captured_events() as events:
        async with new_chancy(plugins=plugins) as chancy:
            reference = await chancy.push(FAR)
            assert await chancy.cancel_job(reference) == Cancellation.CANCELLED
            assert chancy.plugins.failures == {("bad", "on_end"): 1}
    good = ("good", reference.identifier, 0, "cancel", "cancelled")
    assert heard() == [good]
    assert waiting() == [("bad", reference.identifier, "cancel")]
    # No worker has had it yet: without this, what waits for it would be dropped.
    assert query("SELECT plugin FROM {s}.listeners") == [("bad",)]
    assert [(e["plugin"], e["hook"]) for e in events if e["event"] == "hook_failed"] == [("bad", "on_end")]
    await worker_tells(new_chancy, waiting, writer(schema, "bad"), writer(schema, "good"))
    assert heard() == [("bad", *good[1:]), good]
    assert query("SELECT meta->>'n' FROM {s}.heard") == [("7",)] * 2


async def test_workers_are_told_of_what_is_left(new_chancy, chancy):
    """A notification wakes the worker that has the plugin."""

    async def on_end(self):
        raise ValueError

    async with new_chancy(plugins=[plugin(on_end=on_end)]) as app, chancy.pool.connection() as ears:
        reference = await app.push(FAR)
        await ears.execute(f'LISTEN "{chancy.store.channel}"')
        await reference.cancel()
        async for heard in ears.notifies(stop_after=1, timeout=WITHIN_S):
            assert heard.payload == Notice.ended().encoded
            break
        else:
            pytest.fail("nobody was told")


async def test_code_without_asyncio_leaves_what_ends(new_chancy, query, heard, waiting, schema):
    """Hooks are coroutines: the same application, with a plain `with`, leaves rows, which a worker tells."""
    await worker_tells(new_chancy, waiting, writer(schema))
    app: Chancy = new_chancy(plugins=[writer(schema)])
    with app:
        reference = app.sync_push(FAR)
        app.sync_cancel_job(reference)
        app.sync_retry_jobs([reference])
    assert heard() == []
    assert [how for _, _, how in waiting()] == ["cancel", "retry"]
    await worker_tells(new_chancy, waiting, writer(schema))
    assert Counter(how for *_, how, _ in heard()) == {"cancel": 1, "retry": 1}


async def test_a_hook_that_ends_jobs_itself_is_told_of_those_later(new_chancy, query, heard, waiting, schema):
    """It holds locks while it is told, which it would wait for itself: so those are left for a worker."""
    query("CREATE TABLE {s}.tally AS SELECT 0 AS told")
    left = []

    async def count_and_cancel(connection):
        await connection.execute(f"UPDATE {schema}.tally SET told = told + 1")
        while left:
            assert await app.cancel_job(left.pop()) == Cancellation.CANCELLED

    app: Chancy = new_chancy(plugins=[writer(schema, then=count_and_cancel)])
    async with app:
        first, second = await app.push_many([FAR] * 2)
        left.append(second)
        await first.cancel()
        assert not app.plugins.failures
        assert [row[1] for row in heard()] == [first.identifier]
        assert [id_ for _, id_, _ in waiting()] == [second.identifier]
        async with Worker(app):
            await until(lambda: not waiting(), WITHIN_S)
    assert {row[1] for row in heard()} == {first.identifier, second.identifier}
    assert query("SELECT told FROM {s}.tally") == [(2,)]
