"""The pages of runs in chancy-dashboard: which there are, and of one its steps, why they wait, and what can be done."""

from __future__ import annotations

from typing import Any, Final

from chancy.plugin import Done, Visit, WebAction, WebPage
from chancy_workflow import reading_runs
from chancy_workflow.drawing import why
from chancy_workflow.run import Run
from chancy_workflow.work import Work
from chancy_workflow.work import run as do

SHOWN: Final = 100
# What a page can show, and a person look through; `chancy workflow show` has no such bound.
STEPS_SHOWN: Final = 2000


async def load_runs(visit: Visit) -> dict[str, Any]:
    """Runs, the newest first."""
    name, state = visit.query.get("name") or None, visit.query.get("state") or None
    runs = await _ask(visit, reading_runs.list_runs(name=name, state=state, limit=SHOWN))
    return {"runs": runs, "name": name or "", "state": state or ""}


async def load_run(visit: Visit) -> dict[str, Any]:
    """A run with its steps; those first that failed or are under way, if there are too many."""
    id_ = reading_runs.run_id(visit.path["id"])
    status = await _ask(visit, reading_runs.read_status(id_, results=False))
    steps = [one for one in status.steps.values() if one.kind != "gate"]
    if len(steps) > STEPS_SHOWN:
        steps = sorted(steps, key=lambda one: one.state in ("succeeded", "skipped", "waiting"))[:STEPS_SHOWN]
    rows = [
        {
            "name": one.name,
            "kind": one.kind,
            "state": one.state,
            "why": why(one),
            "job_id": one.job_id,
            "begun_at": one.begun_at,
            "ended_at": one.ended_at,
            "after": [f"{parent} ({on_end})" for parent, on_end in one.after.items()][:SHOWN],
        }
        for one in steps
    ]
    found = {key: getattr(status, key) for key in ("id", "name", "state", "note", "attempt", "created_at", "ended_at")}
    return {**found, "steps": rows, "count": len(status.steps)}


async def _ask(visit: Visit, work: Work[Any]) -> Any:
    async with visit.chancy.pool.connection() as connection:
        return await do(visit.chancy, connection, work)


async def _cancel(visit: Visit) -> Done:
    run = Run(visit.chancy, visit.path["id"])
    done = await run.cancel(f"Cancelled in the dashboard by {visit.user}." if visit.user else None)
    return Done(f"Run {run} is being stopped." if done else f"Run {run} had ended before.", subject=f"workflow {run}")


async def _retry(visit: Visit) -> Done:
    run = Run(visit.chancy, visit.path["id"])
    attempt = await run.retry()
    return Done(f"Run {run} is under way again: attempt {attempt}.", subject=f"workflow {run}")


RUNS: Final = WebPage(
    path="workflows",
    title="Workflows",
    load=load_runs,
    template="chancy_workflow.pages/runs.html",
    group="Plans",
    icon="workflows",
)
RUN: Final = WebPage(
    path="workflows/{id}",
    title="Run",
    load=load_run,
    template="chancy_workflow.pages/run.html",
    actions=(
        WebAction(name="cancel", permission="cancel", run=_cancel),
        WebAction(name="retry", permission="retry", run=_retry),
    ),
)
