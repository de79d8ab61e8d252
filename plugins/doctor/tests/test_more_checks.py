"""Checks that were missing, or that no test had provoked: each made for real, as the page of symptoms shows it."""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import suppress
from typing import ClassVar

import psycopg

from chancy import Chancy, Job, Queue, Worker
from chancy.plugin import Plugin, hookimpl


async def test_workers_of_different_versions_were_not_told(chancy, told, monkeypatch, until):
    """A worker that a deploy has forgotten: which versions, and which workers have them."""
    monkeypatch.setattr("chancy_core.worker.identity.VERSION", "0.0.9")
    async with Worker(chancy, name="forgotten"):
        monkeypatch.undo()
        async with Worker(chancy, name="new"):
            found = await told("versions-differ")
    assert "0.0.9: forgotten" in found.what
    assert found.severity == "warning"


class Deaf(Plugin):
    """Does not let itself be cancelled."""

    name: ClassVar[str] = "deaf"
    interval: float | None = 0.05
    tick_timeout_s: float = 0.05

    def __post_init__(self):
        self.let_go = asyncio.Event()

    @hookimpl
    async def on_tick(self):
        while not self.let_go.is_set():
            with suppress(asyncio.CancelledError):
                await self.let_go.wait()


async def test_a_hook_that_was_switched_off_was_told_once_and_never_again(dsn, schema, told, monkeypatch):
    """As long as the worker runs without it, however long ago that was."""
    monkeypatch.setattr("chancy_core.plugins.calling.LETS_GO_WITHIN_S", 0.05)
    deaf = Deaf()
    async with Chancy(dsn, schema=schema, discover=False, plugins=[deaf]) as chancy:
        await chancy.migrate()
        async with Worker(chancy, name="poor", lease_s=2):
            found = await told("hook-switched-off", recent_s=0.001)
        deaf.let_go.set()
    assert found.subject.name == "deaf"
    assert "on_tick of the plugin deaf" in found.what


async def test_a_pause_was_told_without_who_and_when(chancy, told):
    """Since when, by whom, and why, where somebody said so."""
    await chancy.declare(Queue("letters"))
    await chancy.push(Job(func="shop_jobs.ok", queue="letters"))
    await chancy.pause_queue("letters", reason="the printer burns")
    found = await told("queue-paused")
    assert "the printer burns" in found.what
    assert found.evidence["paused_s"] is not None
    assert "@" in found.evidence["paused_by"]


def test_that_any_function_may_run_is_a_word_and_no_finding(chancy, cli):
    """A healthy system stays healthy; the word goes when the setting is there."""
    said = cli("doctor", "--json")
    document = json.loads(said.out)
    assert document["findings"] == []
    assert [one["id"] for one in document["notes"]] == ["functions-not-set"]
    assert said.code == 0
    assert "NOTE functions-not-set" in cli("doctor").out
    assert "NOTE" not in cli("doctor", CHANCY_FUNCTIONS='["shop_jobs.*"]').out


async def test_a_full_queue_of_notifications_was_provoked_by_no_test(chancy, told, dsn):
    """A session listens, and stays in a transaction while thousands of notifications are sent."""
    with psycopg.connect(dsn) as sleeper, psycopg.connect(dsn, autocommit=True) as other:
        sleeper.execute("LISTEN unread")
        sleeper.commit()
        sleeper.execute("SELECT 1")
        other.execute("SELECT pg_notify('unread', n || repeat('x', 7000)) FROM generate_series(1, 2000) AS n")
        found = await told("notify-queue-full", notify_share=0.0005)
    assert found.evidence["share"] >= 0.0005


async def test_clocks_that_differ_were_provoked_by_no_test(chancy, told, monkeypatch):
    """This machine's clock is five minutes ahead of the database's."""
    now = time.time
    monkeypatch.setattr("chancy_doctor.checks.database.time.time", lambda: now() + 300)
    found = await told("clocks-differ")
    assert 290 <= found.evidence["apart_s"] <= 400


async def test_old_transactions_were_provoked_by_no_test(chancy, told):
    """Every database has some; here few are too many."""
    found = await told("wraparound-near", frozen_age=1)
    assert found.fix == "VACUUM (FREEZE, VERBOSE);"


async def test_runs_whose_worker_nobody_knows_were_provoked_by_no_test(chancy, worker, told, query, until):
    """It was killed, and somebody tidied up its row."""
    running = await worker("--name", "crane-9")
    await chancy.push(Job(func="shop_jobs.nap"))
    await until(lambda: query("SELECT count(*) FROM {s}.jobs WHERE state = 'running'") == [(1,)])
    running.end()
    query("DELETE FROM {s}.workers")
    found = await told("runs-without-worker")
    assert "Nobody gives them back" in found.why
