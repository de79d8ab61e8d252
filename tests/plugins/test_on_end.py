"""Plugins hear of every end of a job, however it came about and wherever; each once."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from making import ECHO, plugin
from support import WITHIN_S, captured_events, until

from chancy import Backoff, Chancy, Ended, Ending, Job, Queue, State, Worker
from chancy_core.store import run
from chancy_core.store.ends import listen
from chancy_core.worker import deliver

PAST = datetime.now(UTC) - timedelta(hours=1)


class Ears:
    """A plugin that remembers what it hears."""

    def __init__(self, name: str = "ears") -> None:
        heard: list[Ended] = []

        async def on_end(self, ended):
            heard.extend(ended)

        self.heard = heard
        self.plugin = plugin(name, on_end=on_end)

    def of(self, *references: Any) -> list[tuple[str, State, Ending, int]]:
        """What was heard of these jobs."""
        ids = {reference.identifier for reference in references}
        return [(one.func, one.state, one.how, one.claims) for one in self.heard if one.id in ids]


def waiting(query) -> list[Any]:
    return query("SELECT plugin, how FROM {s}.ended ORDER BY number")


@pytest.fixture
def impatient(monkeypatch) -> None:
    """What failed is told again after moments."""
    monkeypatch.setattr(deliver, "LONGEST_PAUSE_S", 0.05)
    monkeypatch.setattr(deliver, "FIRST_PAUSE_S", 0.01)
    monkeypatch.setattr(deliver, "AGAIN_S", 0.05)


async def test_on_end_hears_of_runs_in_their_own_transaction(new_chancy, query, schema):
    """Success, failure, and a run that is cancelled, with state, note and meta; waiting for a retry is no end."""
    ears = Ears()

    async def on_end(self, ended, connection):
        # In the transaction: what it records is seen, and it is the batch that records it.
        cursor = await connection.execute(
            f"SELECT count(*) FROM {schema}.finished_jobs WHERE id = ANY (%s) AND finished_at = now()",
            [[one.id for one in ended]],
        )
        assert await cursor.fetchone() == (len(ended),)
        assert {one.at for one in ended} == {(await (await connection.execute("SELECT now()")).fetchone())[0]}

    async with new_chancy(plugins=[ears.plugin, plugin("inside", on_end=on_end)]) as chancy:
        async with Worker(chancy):
            good = await chancy.push(ECHO.with_meta(a=1).with_unique_key("k"))
            bad = await chancy.push(Job("jobs.fail"))
            later = await chancy.push(Job("jobs.fail", max_attempts=2, backoff=Backoff.fixed(3600)))
            long = await chancy.push(Job("jobs.sleep"))
            await until(lambda: query("SELECT 1 FROM {s}.jobs WHERE func = 'jobs.sleep' AND worker IS NOT NULL"))
            await long.cancel(reason="enough")
            await chancy.wait_for_jobs([good, bad, long], timeout=WITHIN_S)
            await until(lambda: query("SELECT 1 FROM {s}.jobs WHERE state = 'retrying'"))
        assert not chancy.plugins.failures
    assert ears.of(good) == [("jobs.echo", "succeeded", "run", 1)]
    assert ears.of(bad) == [("jobs.fail", "failed", "run", 1)]
    assert ears.of(long) == [("jobs.sleep", "cancelled", "run", 1)]
    assert ears.of(later) == []
    notes = {one.id: (one.note, one.meta, one.unique_key, one.queue, one.attempts, one.revived) for one in ears.heard}
    assert notes[good.identifier] == (None, {"a": 1}, "k", "default", 1, False)
    assert notes[long.identifier] == ("enough", {}, None, "default", 1, False)
    assert waiting(query) == []


async def test_on_end_hears_of_what_ends_without_a_run(new_chancy, query):
    """Cancelled, expired, rescued, used up, purged, brought back: told at once, or within moments by a worker."""
    ears = Ears()
    async with new_chancy(plugins=[ears.plugin]) as chancy:
        await chancy.declare(Queue("gone", tags=["none"]))
        async with Worker(chancy, lease_s=1):
            far = Job("jobs.noop", scheduled_at=datetime.now(UTC) + timedelta(hours=1), meta={"a": 1})
            cancelled = await chancy.push(far)
            await cancelled.cancel(reason="why")
            expired = await chancy.push(Job("jobs.noop", queue="gone", expires_at=PAST))
            purged = await chancy.push("gone", ECHO)
            (lost, used_up) = (
                chancy.reference(id_)
                for (id_,) in query(
                    "INSERT INTO {s}.jobs (id, queue, func, state, worker, attempts, claims, scheduled_at) VALUES"
                    " (gen_random_uuid(), 'default', 'jobs.noop', 'running', 'lost', 1, 1, NULL),"
                    " (gen_random_uuid(), 'default', 'jobs.noop', 'retrying', NULL, 1, 1, now()) RETURNING id"
                )
            )
            query("INSERT INTO {s}.workers (worker, tags, lease_until) VALUES ('lost', '{}', now())")
            await chancy.wait_for_jobs([expired, lost, used_up], timeout=WITHIN_S)
            await chancy.delete_queue("gone")
            await chancy.retry_jobs([cancelled])
            await cancelled.cancel()
            await until(lambda: len(ears.heard) == 7)
        assert not chancy.plugins.failures
    noop = "jobs.noop"
    assert sorted(ears.of(cancelled)) == [
        (noop, "cancelled", "cancel", 0),
        (noop, "cancelled", "cancel", 1),
        (noop, "scheduled", "retry", 1),
    ]
    assert ears.of(expired) == [(noop, "cancelled", "expiry", 0)]
    assert ears.of(lost) == [(noop, "failed", "rescue", 1)]
    assert ears.of(used_up) == [(noop, "failed", "used_up", 1)]
    assert ears.of(purged) == [("jobs.echo", "cancelled", "purge", 0)]
    assert {one.note for one in ears.heard if one.claims == 0 and one.id == cancelled.identifier} == {"why"}
    assert {one.meta["a"] for one in ears.heard if one.id == cancelled.identifier} == {1}
    assert {one.revived for one in ears.heard if one.how == "retry"} == {True}
    assert waiting(query) == []


async def test_on_end_is_told_later_of_what_ended_where_the_plugin_was_not(new_chancy, query):
    """A worker without the plugin leaves its ends; one with the plugin tells them, once, as soon as it is there."""
    ears = Ears()
    async with new_chancy() as plain, new_chancy(plugins=[ears.plugin]) as chancy:
        async with Worker(chancy):
            pass
        async with Worker(plain):
            references = await plain.push_many([ECHO.with_meta(n=n) for n in range(20)] + [Job("jobs.fail")])
            await plain.wait_for_jobs(references, timeout=WITHIN_S)
            assert waiting(query) == [("ears", "run")] * 21
            async with Worker(chancy):
                # They are heard before the transaction commits that takes them off.
                await until(lambda: waiting(query) == [])
    assert len(ears.heard) == 21
    assert Counter(one.state for one in ears.heard) == {"succeeded": 20, "failed": 1}
    assert sorted(one.meta["n"] for one in ears.heard if one.meta) == list(range(20))
    assert {one.id for one in ears.heard} == {reference.identifier for reference in references}
    assert waiting(query) == []


async def test_on_end_that_fails_is_told_again_and_holds_up_nothing(new_chancy, query, schema, impatient):
    """It fails for one job for a while: all jobs end, the others are told, and that one too in the end; each once."""
    ears, poison = Ears(), []

    async def on_end(self, ended, connection):
        await connection.execute(f"INSERT INTO {schema}.told SELECT unnest(%s::uuid[])", [[one.id for one in ended]])
        if any(one.id in poison for one in ended):
            raise ValueError("poison")

    async with new_chancy(plugins=[plugin("bad", on_end=on_end), ears.plugin]) as chancy, Worker(chancy):
        query("CREATE TABLE {s}.told (id uuid)")
        references = await _held(chancy, 30)
        poison.append(references[7].identifier)
        await chancy.resume_queue("default")
        await chancy.wait_for_jobs(references, timeout=WITHIN_S)
        await until(lambda: len(query("SELECT 1 FROM {s}.told")) == 29)
        assert len(ears.heard) == 30
        assert waiting(query) == [("bad", "run")]
        poison.clear()
        await until(lambda: not waiting(query))
    assert {row[0] for row in query("SELECT id FROM {s}.told")} == {one.identifier for one in references}
    assert len(query("SELECT 1 FROM {s}.told")) == len(ears.heard) == 30
    assert chancy.plugins.failures["bad", "on_end"] > 0
    assert chancy.plugins.failures["ears", "on_end"] == 0


async def _held(chancy: Chancy, number: int) -> list[Any]:
    """So many jobs, which wait until their queue is resumed."""
    await chancy.pause_queue("default")
    return await chancy.push_many([ECHO] * number)


async def _commit(self, connection):
    await connection.execute("COMMIT")


async def _roll_back(self, connection):
    await connection.execute("ROLLBACK")


async def _close(self, connection):
    await connection.close()


async def _hang(self):
    await asyncio.sleep(3600)


async def _abort(self, connection):
    with suppress(psycopg.Error):
        await connection.execute("SELECT nonsense")


@pytest.mark.parametrize("spoil", [_commit, _roll_back, _close, _hang, _abort])
async def test_on_end_that_spoils_the_transaction_loses_no_outcome(new_chancy, spoil, monkeypatch, impatient):
    """A plugin that ends the transaction, closes the connection or never returns: the jobs end once, others hear."""
    monkeypatch.setattr("chancy_core.plugins.ending.ON_END_S", 0.2)
    ears = Ears()
    async with new_chancy(plugins=[ears.plugin, plugin("spoiler", on_end=spoil)]) as chancy, Worker(chancy, grace_s=5):
        references = await chancy.push_many([ECHO] * 30)
        ran = await chancy.wait_for_jobs(references, timeout=WITHIN_S)
        await until(lambda: {one.id for one in ears.heard} == {reference.identifier for reference in references})
    assert {(job.state, job.attempts) for job in ran} == {("succeeded", 1)}
    assert chancy.plugins.failures["spoiler", "on_end"] >= 1


async def test_a_plugin_that_nobody_has_is_told_of_and_forgotten(new_chancy, query, monkeypatch):
    """Ends are kept for it, which is logged; then it is forgotten and they are dropped, which is an error."""
    monkeypatch.setattr(deliver, "KEEP_EVERY_S", 0.05)
    ears = Ears()
    async with new_chancy(plugins=[ears.plugin]) as chancy:
        async with chancy.pool.connection() as connection:
            await run(connection, listen(chancy.store, ["gone", "ears"]))
        query("UPDATE {s}.listeners SET heard_at = now() - interval '2 hours'")
        with captured_events() as events:
            async with Worker(chancy):
                await (await chancy.push(ECHO)).wait(timeout=WITHIN_S)
                await until(lambda: [e for e in events if e["event"] == "listener_silent"])
                assert waiting(query) == [("gone", "run")]
                query("UPDATE {s}.listeners SET heard_at = now() - interval '8 days' WHERE plugin = 'gone'")
                await until(lambda: [e for e in events if e["event"] == "ends_dropped"])
    assert {e["plugin"] for e in events if e["event"] == "listener_silent"} == {"gone"}
    assert [e["plugin"] for e in events if e["event"] == "listener_forgotten"] == ["gone"]
    assert [(e["plugin"], e["count"]) for e in events if e["event"] == "ends_dropped"] == [("gone", 1)]
    assert query("SELECT plugin FROM {s}.listeners WHERE heard_at > now() - interval '1 minute'") == [("ears",)]
    assert waiting(query) == []
    assert len(ears.heard) == 1


async def test_an_end_that_could_not_be_told_for_a_week_is_dropped(new_chancy, query, monkeypatch):
    """Whatever fails for ever, the table does not grow for ever."""
    monkeypatch.setattr(deliver, "KEEP_EVERY_S", 0.05)

    async def fail(self):
        raise ValueError

    async with new_chancy(plugins=[plugin("bad", on_end=fail)]) as chancy:
        with captured_events() as events:
            async with Worker(chancy):
                await (await chancy.push(ECHO)).wait(timeout=WITHIN_S)
                await until(lambda: waiting(query))
                query("UPDATE {s}.ended SET at = now() - interval '8 days', due_at = 'infinity'")
                await until(lambda: not waiting(query))
                await until(lambda: [e for e in events if e["event"] == "ends_dropped"])
