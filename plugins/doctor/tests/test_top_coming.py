"""`chancy top`: what fires next and who leads, and what is done to more jobs than a batch."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from chancy import Chancy, Job, Queue, Worker
from chancy_doctor import Doctor
from chancy_doctor.top.coming import FOR_S, Coming, Fire, coming_now
from chancy_doctor.top.keys import ESCAPE, Keys
from chancy_doctor.top.picture import look_up
from chancy_doctor.top.screen import _coming
from chancy_doctor.top.view import View

cron = pytest.importorskip("chancy_cron", reason="needs chancy-cron")
leadership = pytest.importorskip("chancy_leadership", reason="needs chancy-leadership")
MANY = 1_700


async def test_what_fires_next_and_who_leads_was_not_shown(dsn, schema, until):
    """The first to fire first, those that are paused last; and since when somebody leads."""
    plugins = [Doctor(), cron.Cron(), leadership.Leadership()]
    async with Chancy(dsn, schema=schema, discover=False, plugins=plugins) as chancy:
        await chancy.migrate()
        job = Job(func="builtins.dict")
        await cron.Cron.schedule(chancy, "0 0 1 1 *", job, name="yearly")
        await cron.Cron.schedule(chancy, "0 * * * *", job, name="hourly")
        await cron.Cron.schedule(chancy, "* * * * *", job, name="asleep")
        await cron.Cron.pause(chancy, "asleep")
        async with Worker(chancy, name="crane"):
            await until(plugins[2].is_leader)
            found = await coming_now(chancy, None, 100.0)
            assert [one.name for one in found.fires] == ["hourly", "yearly", "asleep"]
            assert found.leader is not None
            assert found.leader.startswith("crane")
            assert await coming_now(chancy, found, 100.0 + FOR_S / 2) is found
            line = str(_coming(found))
    assert line.startswith("NEXT      hourly ")
    assert "(paused)" in line
    assert "LEADER crane" in line


def test_nothing_comes_where_nobody_knows_of_it():
    """No line for it; and a line for half of it."""
    assert _coming(Coming(0.0)) is None
    soon = datetime.now(UTC) + timedelta(days=3)
    assert str(_coming(Coming(0.0, [Fire("a", soon, True)], 2))).endswith("(paused) and 2 more")
    assert str(_coming(Coming(0.0, leader="w", leads_s=7200))) == "LEADER w since 2 h"


async def test_a_coming_that_cannot_be_read_hides_nothing(dsn, schema, query):
    """The tables of schedules are gone."""
    async with Chancy(dsn, schema=schema, discover=False, plugins=[Doctor(), cron.Cron()]) as chancy:
        await chancy.migrate()
        query("DROP TABLE {s}.cron_schedules CASCADE")
        assert await coming_now(chancy, None, 100.0) == Coming(100.0)


async def test_only_a_thousand_jobs_could_be_acted_upon(dsn, schema, until, query):
    """Seventeen hundred are counted, asked about, and cancelled, with progress; Esc stops that between two batches."""
    async with Chancy(dsn, schema=schema, discover=False, plugins=[Doctor()]) as chancy:
        await chancy.migrate()
        await chancy.declare(Queue("letters"))
        await chancy.push_many([Job(func="builtins.dict", queue="letters")] * MANY)
        view, shown = View(), []
        keys = Keys(chancy, view, lambda: shown.append(view.said))
        picture = await look_up(chancy, Doctor().thresholds, 60.0, None)
        view.filter = "letters"

        async def pressed(*all_of_them):
            for key in all_of_them:
                await keys.press(key, picture)

        await pressed("c")
        assert view.asking == f"Cancel {MANY:,} waiting jobs of letters?"
        await pressed("y", "c", "p", ESCAPE)
        await until(lambda: view.said.endswith("stopped"))
        ((left,),) = query("SELECT count(*) FROM {s}.jobs")
        assert 0 < left <= MANY
        assert query("SELECT state FROM {s}.queues WHERE name = 'letters'") == [("active",)]
        await pressed("c", "y")
        await until(lambda: view.said == f"cancelled {left:,}")
        assert any("Esc stops" in said for said in shown)
        await pressed("c")
        assert view.said == "There are no such jobs."
        await keys.end()
