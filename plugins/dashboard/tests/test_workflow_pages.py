"""The pages of chancy-workflow, by the hook that anybody's pages come by."""

from __future__ import annotations

from chancy import Job
from chancy.plugins.workflow import Workflow


async def test_runs_of_workflows_are_shown_and_can_be_stopped(browser, chancy):
    """Which there are, and of one why its steps wait; with nothing to show, and of a run that there is not."""
    assert "No run was found" in (await browser.get("/workflows")).text
    flow = Workflow("imp<b>ort")
    flow.add("load", Job("app.load"), after=flow.wait("approved", after=flow.add("list", Job("app.list"))))
    run = await chancy.push(flow)
    assert f"workflows/{run}" in (await browser.get("/workflows?name=imp<b>ort")).text
    page = (await browser.get(f"/workflows/{run}")).text
    assert "imp&lt;b&gt;ort" in page
    assert "for approved" in page
    (first, *_) = (await browser.get(f"/api/workflows/{run}")).json()["steps"]
    assert (first["name"], first["state"]) == ("list", "pending")
    assert (await browser.post(f"/do/cancel/workflows/{run}")).status_code == 303
    assert (await run.wait(timeout=60)).state == "cancelled"
    assert (await browser.post(f"/do/retry/workflows/{run}")).status_code == 303
    assert (await run.status()).attempt == 2
    for wrong in ("soon", "01a22169-db82-747d-85e0-b1e1eccf1006"):
        assert (await browser.get(f"/workflows/{wrong}")).status_code == 404
