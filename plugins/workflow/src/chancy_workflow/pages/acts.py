"""What can be done on the page of a run."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from chancy.plugin import Done, Visit, WebAction
from chancy_workflow.acting import MODES
from chancy_workflow.errors import InvalidWorkflow
from chancy_workflow.run import Run

REASON_MOST: Final = 500


async def _cancel(visit: Visit) -> Done:
    run = _run(visit)
    reason = visit.form.get("reason", "").replace("\x00", "").strip()[:REASON_MOST]
    by = f"Cancelled in the dashboard by {visit.user}" if visit.user else "Cancelled in the dashboard"
    note = f"{by}: {reason}" if reason else f"{by}."
    done = await run.cancel(note, handlers="now" not in visit.form)
    said = f"Run {run} is being stopped." if done else f"Run {run} had ended before."
    return Done(said, subject=f"workflow {run}", reason=reason)


async def _retry(visit: Visit) -> Done:
    run = _run(visit)
    mode: Any = visit.form.get("mode", "failed")
    from_ = visit.form.get("from") or None
    if mode == "from":
        if from_ is None:
            raise InvalidWorkflow("from: give the name of the step from which on the run is to go again.")
        attempt = await run.retry(from_=from_)
    else:
        attempt = await run.retry(mode)
    again = f"from {from_} on" if mode == "from" else {"failed": "with what failed", "all": "from the beginning"}
    words = again if isinstance(again, str) else again.get(mode, f"with what failed, and {mode}")
    return Done(f"Run {run} is under way again {words}: attempt {attempt}.", subject=f"workflow {run}")


async def _signal(visit: Visit) -> Done:
    run, name = _run(visit), visit.form.get("name", "")
    text = visit.form.get("value", "").strip() or "null"
    try:
        value = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as wrong:
        raise InvalidWorkflow(
            f'value: {text!r:.80} is no JSON: {wrong}. A text needs quotes, as in "yes"; nothing at all is null.'
        ) from None
    await run.signal(name, value)
    return Done(f"The signal {name} was sent to run {run}.", subject=f"workflow {run} signal {name}")


def _run(visit: Visit) -> Run:
    return Run(visit.chancy, visit.path["id"])


ACTIONS: Final = (
    WebAction(name="cancel", permission="cancel", run=_cancel),
    WebAction(name="retry", permission="retry", run=_retry),
    WebAction(name="signal", permission="signal", run=_signal),
)
#: What runs again, for people.
WAYS: Final = {
    "failed": "What failed, was cancelled, expired or was skipped",
    "below": "That, and what comes after it",
    "all": "Everything",
}
assert set(WAYS) == set(MODES)  # noqa: S101 -- a mode that people cannot choose is forgotten here
