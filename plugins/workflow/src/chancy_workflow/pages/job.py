"""On the page of a job: the run that it is a step of, and what it has kept of steps of its own."""

from __future__ import annotations

import json
from typing import Any, Final

from chancy.plugin import Visit, WebPanel
from chancy_workflow.beginning import META
from chancy_workflow.errors import RunNotFound
from chancy_workflow.pages.asking import ask
from chancy_workflow.reading_runs import run_id
from chancy_workflow.work import Ask, Work

KEPT_SHOWN: Final = 100
VALUE_MOST: Final = 2000


async def load(visit: Visit) -> dict[str, Any] | None:
    """The run, if there is one, and what is kept; None: neither."""
    job = await visit.chancy.get_job(visit.path["id"])
    if job is None:
        return None
    meta = job.meta.get(META)
    given = meta if isinstance(meta, dict) else {}
    run, kept = await ask(visit, _read(str(job.id), str(given.get("run", ""))))
    rows = [
        {
            "name": name,
            "value": None if text is None else _redacted(visit, name, json.loads(text)),
            "left_out": text is None,
            "length": length,
            "at": at,
        }
        for name, text, length, at in kept[:KEPT_SHOWN]
    ]
    if run is None and not rows:
        return None
    return {"run": run, "step": str(given.get("step", "")), "kept": rows, "more": len(kept) > KEPT_SHOWN}


def _redacted(visit: Visit, name: str, value: Any) -> Any:
    """A value without what is secret, by the names in it and by its own."""
    found = visit.redacted({name: value})
    return found.get(name, found) if isinstance(found, dict) else found


def _read(job: str, run: str) -> Work[tuple[dict[str, Any] | None, list[Any]]]:
    kept = yield Ask("list_kept", {"job": job, "most": KEPT_SHOWN + 1, "most_chars": VALUE_MOST})
    try:
        rows = yield Ask("read_run", {"run": run_id(run)})
    except RunNotFound:
        # It says so in its meta, where anybody may write.
        rows = []
    found = {"id": rows[0][0], "name": rows[0][1], "state": rows[0][2]} if rows else None
    return found, kept


STEPS: Final = WebPanel(
    page="jobs/{id}",
    name="workflow",
    title="Steps",
    load=load,
    template="chancy_workflow.pages/job.html",
)
