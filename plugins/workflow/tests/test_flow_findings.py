"""What is wrong with runs is told, with a command that shows more."""

import flow_jobs

from chancy import Job, Worker
from chancy.plugin import find_problems
from chancy_workflow import Workflow


async def told(chancy, id_):
    """The finding of this kind, if there is one."""
    return next((one for one in await find_problems(chancy, within_s=30) if one.id == id_), None)


async def test_a_signal_that_nobody_sent_in_time_is_told_of(chancy, query):
    """A time-out has been over for a minute, because no worker has the plugin; a run in good time is no finding."""
    flow = Workflow("order")
    flow.add("send", flow_jobs.give.job, after=flow.wait("paid", timeout=3600))
    run = await chancy.push(flow)
    assert await told(chancy, "workflow-signal-late") is None
    query("UPDATE {s}.workflow_steps SET due_at = now() - interval '1 hour' WHERE name = 'paid'")
    found = await told(chancy, "workflow-signal-late")
    assert (found.subject.name, found.evidence) == ("order", {"runs": 1, "signal": "paid", "run": str(run)})
    assert found.fix.endswith(f"workflow show {run}")


async def test_a_step_that_a_worker_cannot_import_is_told_of(chancy, until):
    """With why, and the run that waits."""
    flow = Workflow("typo")
    flow.add("first", Job("flow_jobs.giev"))
    async with Worker(chancy):
        run = await chancy.push(flow)
        found = await until(lambda: told(chancy, "workflow-step-unable"))
    assert found.evidence == {"runs": 1, "function": "flow_jobs.giev", "queue": "default", "run": str(run)}
    assert "has no 'giev'" in found.what
