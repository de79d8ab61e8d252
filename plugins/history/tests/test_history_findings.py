"""What is wrong with a history is told: workers that do not count, and counts that nobody writes."""

from __future__ import annotations

import pytest
from history_jobs import nothing

from chancy import Job, Worker
from chancy.plugin import Plugin, find_problems, hookimpl
from chancy_history import History

NOTHING = Job(func=f"{nothing.__module__}.nothing")
# As if everything of this test had been ten minutes ago: ids are made of the time of the push.
OLD_ID = "overlay(id::text PLACING '00000000-0000' FROM 1 FOR 13)::uuid"
LONG_AGO = (
    f"UPDATE {{s}}.finished_jobs SET finished_at = now() - interval '10 minutes', id = {OLD_ID}",
    "UPDATE {s}.migrations SET applied_at = now() - interval '30 minutes'",
    "UPDATE {s}.history_writers SET at = now() - interval '20 minutes'",
)


class Other(Plugin):
    """Another plugin, which tells that a worker has some."""

    name = "other"

    @hookimpl
    def on_recorded(self, outcomes):
        """Nothing."""


async def ids(chancy):
    return [one.id for one in await find_problems(chancy, within_s=60)]


async def test_a_worker_that_did_not_count_was_not_told(chancy, new_chancy, until):
    """It has plugins, and not this one: its name, and how many do count."""
    async with new_chancy(Other()) as lacking, Worker(lacking, name="mute", lease_s=2), Worker(chancy, lease_s=2):
        await until(lambda: until_ids(chancy))
        (found,) = await find_problems(chancy, within_s=60)
        assert found.id == "history-not-counted"
        assert "1 of 2 live workers" in found.what
        assert "mute" in found.what


async def until_ids(chancy):
    found = [worker.status for worker in await chancy.get_workers() if worker.status is not None]
    return len(found) == 2


async def test_counts_that_nobody_wrote_were_not_told(chancy, new_chancy, query):
    """A job has ended, and no worker has said so; not told: what ended a moment ago, and what nobody ran."""
    async with new_chancy(Other()) as lacking, Worker(lacking):
        await (await lacking.push(NOTHING)).wait(timeout=60)
    assert await ids(chancy) == []
    for statement in LONG_AGO:
        query(statement)
    (found,) = await find_problems(chancy, within_s=60)
    assert found.id == "history-not-written"
    assert "in the last 10 min" in found.what
    query("UPDATE {s}.finished_jobs SET worker = NULL, attempts = 0")
    assert await ids(chancy) == []


@pytest.mark.parametrize("when", ["soon after", "before there was a table"])
async def test_a_history_that_is_written_is_no_finding(chancy, query, when):
    """The worker wrote what it counted; or the job is older than what can be known."""
    async with Worker(chancy):
        await (await chancy.push(NOTHING)).wait(timeout=60)
    for statement in LONG_AGO[: 2 if when == "soon after" else 1]:
        query(statement)
    if when != "soon after":
        query("DELETE FROM {s}.history_writers")
    assert await ids(chancy) == []
    assert History().name == "history"
