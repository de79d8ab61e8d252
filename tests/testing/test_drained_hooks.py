"""Hooks of plugins take part in a drain, in the transaction of the test."""

from __future__ import annotations

from contextlib import contextmanager

import drained_jobs
import pytest
from making import plugin

from chancy.errors import PluginError
from chancy.testing import AsyncJobs, Jobs


def all_hooks(heard):
    @contextmanager
    def around_job(self, job):
        heard.append("around_job")
        yield

    async def on_complete(self, outcomes, connection):
        ((inside,),) = await (
            await connection.execute("SELECT pg_current_xact_id_if_assigned() IS NOT NULL")
        ).fetchall()
        heard.append(("on_complete", inside))

    async def on_end(self, ended, connection):
        await connection.execute("SELECT")
        heard.append(("on_end", [str(one.how) for one in ended]))

    return plugin(
        on_push=lambda self, jobs: heard.append("on_push"),
        on_claim=lambda self, jobs, worker: heard.append(("on_claim", worker.name.partition(".")[0])),
        on_recorded=lambda self, outcomes, worker: heard.append("on_recorded"),
        around_job=around_job,
        on_complete=on_complete,
        on_end=on_end,
    )


def test_hooks_were_not_called(new_chancy):
    """All of them, in the transaction, as in a worker; also for what ends without a run."""
    heard = []
    with new_chancy(plugins=[all_hooks(heard)]) as chancy, Jobs(chancy) as jobs:
        chancy.sync_push(drained_jobs.add.job.with_kwargs(a=1, b=1))
        jobs.drain()
        assert heard == [
            "on_push",
            ("on_claim", "test"),
            "around_job",
            ("on_complete", True),
            ("on_end", ["run"]),
            "on_recorded",
        ]
        heard.clear()
        chancy.sync_push(drained_jobs.add.job.with_kwargs(a=1, b=1)).sync_cancel()
        jobs.drain()
        assert heard == ["on_push", ("on_end", ["cancel"])]


async def test_hooks_were_not_called_with_asyncio(new_chancy):
    """The same on a connection with asyncio."""
    heard = []
    async with new_chancy(plugins=[all_hooks(heard)]) as chancy, AsyncJobs(chancy) as jobs:
        await chancy.push(drained_jobs.add_later.job.with_kwargs(a=1, b=1))
        await jobs.drain()
        assert heard[-3:] == [("on_complete", True), ("on_end", ["run"]), "on_recorded"]


def test_a_hook_failed_and_the_test_passed(new_chancy):
    """A worker tells its log and goes on; a test is told."""

    async def on_end(self, ended, connection):
        await connection.execute("SELECT 1 / 0")

    with new_chancy(plugins=[plugin("broken", on_end=on_end)]) as chancy, Jobs(chancy) as jobs:
        pushed = chancy.sync_push(drained_jobs.add.job.with_kwargs(a=1, b=1))
        with pytest.raises(PluginError, match=r"'broken' failed in on_end: .*division by zero"):
            jobs.drain()
        assert pushed.sync_get().state == "succeeded"
