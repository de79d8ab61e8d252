"""A schedule starts a workflow: that of the example, as it stands in its file, with the clock moved, not waited for."""

from __future__ import annotations

import importlib
import sys
import tomllib
from pathlib import Path

import pytest
from chancy_cron import Cron

from chancy import Worker
from chancy_workflow import Run, Workflows

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
TIMEOUT = 60
MOVED = (
    "UPDATE {s}.cron_schedules SET next_at = date_trunc('minute', now()) - %s * interval '1 minute', wake_at = now() "
    "WHERE name = 'nightly' RETURNING next_at"
)


@pytest.fixture
def nightly(monkeypatch):
    """The example as a module."""
    monkeypatch.syspath_prepend(str(EXAMPLES))
    yield importlib.import_module("nightly")
    sys.modules.pop("nightly", None)


async def test_a_schedule_starts_a_workflow_with_one_in_it_for_each_customer(nightly, new_chancy, query, until):
    """Fired by a worker, once for each night; the job has the run as its result."""
    _, _, text = nightly.__doc__.partition("```toml\n")
    schedules = tomllib.loads(text.partition("```")[0])["plugins"]["cron"]["schedules"]
    async with new_chancy(Cron(schedules=schedules), Workflows(interval=0.1)) as chancy:
        await chancy.migrate()
        async with Worker(chancy):
            runs = []
            for minutes in (1, 0):
                ((due,),) = await until(lambda minutes=minutes: query(MOVED, minutes))
                job = await until(lambda due=due: started(chancy, due))
                runs.append(await Run(chancy, job.result).wait(timeout=TIMEOUT))
    assert [run.state for run in runs] == ["succeeded", "succeeded"]
    assert runs[0].id != runs[1].id
    assert runs[0].result("report") == "ada: 7\nbob: 10"
    assert {"ada", "ada/read", "ada/sum", "bob", "bob/sum", "report"} <= runs[0].steps.keys()
    assert query("SELECT count(*) FROM {s}.workflow_runs") == [(2,)]


async def test_a_schedule_that_comes_while_its_run_is_under_way_starts_no_other(nightly, new_chancy, query, until):
    """The unique key of the workflow: the job of the second night has the run of the first."""
    async with new_chancy(Cron(), Workflows(interval=0.1)) as chancy:
        await chancy.migrate()
        run = await chancy.push(nightly.nightly_flow(["ada"]))
        query("UPDATE {s}.jobs SET scheduled_at = now() + interval '1 day', state = 'scheduled'")
        await Cron.schedule(chancy, "0 3 * * *", nightly.start.job.with_kwargs(customers=["bob"]), name="nightly")
        async with Worker(chancy):
            ((due,),) = query(MOVED, 0)
            job = await until(lambda: started(chancy, due))
    assert job.result == str(run)
    assert query("SELECT count(*) FROM {s}.workflow_runs") == [(1,)]


async def started(chancy, due):
    """The job that a schedule pushed for this moment, once it has ended."""
    for one in await Cron.get_schedules(chancy):
        job = await chancy.get_job(one.last_job) if one.last_job and one.last_fired_at == due else None
        if job is not None and job.state.finished:
            return job
    return None
