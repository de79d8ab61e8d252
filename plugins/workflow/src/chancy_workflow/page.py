"""What chancy-workflow brings to chancy-dashboard: the page of all runs, that of one, and a panel on a job's page."""

from __future__ import annotations

from typing import Any, Final

from chancy.plugin import Visit, WebPage
from chancy_workflow import reading_runs
from chancy_workflow.pages.acts import ACTIONS
from chancy_workflow.pages.asking import ask
from chancy_workflow.pages.job import STEPS
from chancy_workflow.pages.run import load as load_run

SHOWN: Final = 100
STATES: Final = ("running", "failed", "cancelled", "succeeded")


async def load_runs(visit: Visit) -> dict[str, Any]:
    """Runs, the newest first."""
    name, state = visit.query.get("name") or None, visit.query.get("state") or None
    runs = await ask(visit, reading_runs.list_runs(name=name, state=state, limit=SHOWN))
    return {"runs": runs, "name": name or "", "state": state or "", "states": STATES, "most": SHOWN}


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
    actions=ACTIONS,
)
__all__ = ["RUN", "RUNS", "STEPS"]
