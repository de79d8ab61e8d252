"""`chancy top` beside chancy-history, and without it."""

from __future__ import annotations

import re

import pytest

from chancy import Chancy, Job, Queue, Worker
from chancy_doctor import Doctor
from chancy_doctor.top.lately import FOR_S, Known, known_now

history = pytest.importorskip("chancy_history", reason="needs chancy-history")


@pytest.fixture
def new(dsn, schema):
    def make(*plugins):
        return Chancy(dsn, schema=schema, discover=False, plugins=[Doctor(), *plugins])

    return make


async def ran(chancy):
    """Of four runs of a queue one has failed, and that is written."""
    await chancy.declare(Queue("letters"))
    async with Worker(chancy):
        jobs = [Job(func="builtins.dict", queue="letters")] * 3 + [
            Job(func="builtins.int", queue="letters", kwargs={"base": 8})
        ]
        await chancy.wait_for_jobs(await chancy.push_many(jobs), timeout=60)


async def test_waits_and_failures_of_five_minutes_are_shown(new, cli):
    """The screen has the two columns that only a history can fill."""
    cli("migrate")
    async with new(history.History(interval=60)) as chancy:
        await ran(chancy)
    said = cli("top")
    assert said.code == 0
    assert "p95 WAIT" in said.out
    assert re.search(r"^letters +active .* (ms|s) +25%", said.out, re.MULTILINE), said.out
    assert "LIMIT" not in said.out


async def test_without_the_plugin_there_are_no_such_columns(new, cli):
    """Where the plugin is turned off, nothing is asked and nothing is missed."""
    cli("migrate")
    async with new() as chancy:
        await ran(chancy)
        assert await known_now(chancy, None, 0.0) is None
    said = cli("top", CHANCY_PLUGINS__HISTORY__ENABLED="false")
    assert said.code == 0
    assert re.search(r"^letters +active ", said.out, re.MULTILINE)
    assert "p95" not in said.out


async def test_a_history_that_cannot_be_read_hides_nothing_else(new, query):
    """Its tables are gone: the screen is made without it."""
    async with new(history.History()) as chancy:
        await chancy.migrate()
        query("DROP VIEW {s}.history_v1")
        assert await known_now(chancy, None, 0.0) is None


async def test_it_is_asked_as_often_as_it_changes(new):
    """What was known a moment ago is not asked for again; what is ten seconds old is."""
    async with new(history.History()) as chancy:
        await chancy.migrate()
        old = Known(100.0, {})
        assert await known_now(chancy, old, 100.0 + FOR_S / 2) is old
        new_one = await known_now(chancy, old, 100.0 + 2 * FOR_S)
        assert new_one is not None
        assert new_one.at == 100.0 + 2 * FOR_S
