"""Operations: what somebody does to many jobs, before, while and after it is done."""

from __future__ import annotations

import uuid
from typing import Any, Final

import msgspec

from chancy.errors import InvalidFilter, JobNotFound
from chancy.plugin import Done, Visit, WebAction, WebPage
from chancy_dashboard.acting.meaning import queue_of, whole
from chancy_dashboard.acting.operations import begin, store
from chancy_dashboard.acting.operations.values import ACTIONS, Operation, State
from chancy_dashboard.reading.parts import together
from chancy_dashboard.showing.jobrows import row_of

SHOWN: Final = 100
#: Above this, one types the number to confirm it.
TYPED_ABOVE: Final = 100
SAMPLE: Final = 8
WITHIN_S: Final = 0.3
REASON_MAX: Final = 500
#: What becomes of a job, by what is done and its state.
BECOMES: Final = {
    "cancel": {
        "scheduled": "cancelled at once",
        "pending": "cancelled at once",
        "retrying": "cancelled at once, its errors are kept",
        "running": "its worker is told to stop it",
    },
    "retry": {
        "failed": "runs again, its attempts from the beginning",
        "cancelled": "runs again, its attempts from the beginning",
        "succeeded": "runs once more",
    },
    "delete": dict.fromkeys(("succeeded", "failed", "cancelled"), "forgotten, with its errors and its result"),
    "update": dict.fromkeys(("scheduled", "pending", "retrying"), "changed"),
}


async def load_all(visit: Visit) -> dict[str, Any]:
    """The operations, the newest first."""
    return {"operations": [told(one) for one in await store.latest(visit.chancy, SHOWN)]}


async def load(visit: Visit) -> dict[str, Any]:
    """One operation, and some of the jobs that it is about."""
    operation = await _operation(visit)
    sample: list[Any] = []
    partial: list[str] = []
    if operation.state in (State.COUNTING, State.COUNTED):
        wanted = operation.wanted
        found = await together(sample=visit.chancy.find_jobs(wanted, limit=SAMPLE, within_s=WITHIN_S))
        partial = found["partial"]
        sample = [] if found["sample"] is None else found["sample"].jobs
        sample = [job for job in sample if job.state.value in BECOMES[operation.word]]
    return {
        **told(operation),
        "becomes": BECOMES[operation.word],
        "typed": operation.found > TYPED_ABOVE,
        "sample": [row_of(job, visit.redacted) for job in sample],
        "partial": partial,
    }


def told(operation: Operation) -> dict[str, Any]:
    """An operation as pages and JSON have it."""
    found = msgspec.structs.asdict(operation)
    for name in ("after", "holder", "term", "batches", "next_batch"):
        del found[name]
    return {
        **found,
        "id": str(operation.id),
        "state": operation.state.value,
        "word": operation.word,
        "acted": operation.acted,
        "moves": operation.state.moves,
    }


async def _operation(visit: Visit) -> Operation:
    """Raises JobNotFound."""
    text = visit.path["id"]
    try:
        found = await store.get(visit.chancy, uuid.UUID(text))
    except ValueError:
        found = None
    if found is None:
        raise JobNotFound(f"There is no operation {text[:60]!r}: one that nobody confirms is forgotten after an hour.")
    return found


async def _meant(visit: Visit, word: str) -> Operation:
    """The operation, if it is what this form is about. Raises InvalidFilter otherwise."""
    operation = await _operation(visit)
    if operation.word != word or operation.queue != queue_of(visit):
        # Whoever may retry in one queue must not confirm what somebody else wants to cancel in all.
        raise InvalidFilter("This form is not about this operation: look at it again.")
    return operation


def _confirming(word: str) -> WebAction:
    async def run(visit: Visit) -> Done:
        operation = await _meant(visit, word)
        typed = visit.form.get("confirm", "").replace(",", "").replace(".", "").replace(" ", "")
        if operation.found > TYPED_ABOVE and typed != str(operation.found):
            raise InvalidFilter(f"confirm: type {operation.found} to confirm it; nothing was done.")
        found = whole("found", visit.form.get("found", ""))
        reason = visit.form.get("reason", "").replace("\x00", "").strip()[:REASON_MAX]
        begun = await begin.confirm(visit.chancy, operation, found=found, by=visit.user, reason=reason)
        what = f"{word}: {operation.found:,} {'job' if operation.found == 1 else 'jobs'}"
        return Done(f"Begun. {what.capitalize()}.", subject=operation.filter[:500], jobs=begun.found, reason=reason)

    return WebAction(name=word, permission=word, run=run, queue=queue_of)


def _stopping(word: str) -> WebAction:
    async def run(visit: Visit) -> Done:
        operation = await _meant(visit, word)
        await begin.stop(visit.chancy, operation)
        return Done("It stops after the batch that is being done.", subject=operation.filter[:500])

    return WebAction(name=f"stop-{word}", permission=word, run=run, queue=queue_of)


OPERATIONS: Final = WebPage(
    path="operations",
    title="Operations",
    load=load_all,
    template="chancy_dashboard.templates/operations.html",
    group="System",
    icon="play",
)
OPERATION: Final = WebPage(
    path="operations/{id}",
    title="Operation",
    load=load,
    template="chancy_dashboard.templates/operation.html",
    actions=(*map(_confirming, ACTIONS), *map(_stopping, ACTIONS)),
)
