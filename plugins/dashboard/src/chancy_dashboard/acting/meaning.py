"""From a form to an operation: which jobs are meant, by whom, and what is to be done to them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Final

from msgspec.structs import replace

from chancy import JobFilter
from chancy.errors import InvalidFilter, InvalidJob
from chancy.plugin import Done, Visit, WebAction, duration_s
from chancy_dashboard.acting.operations.begin import begin
from chancy_dashboard.acting.operations.values import ACTIONS, Operation
from chancy_dashboard.showing import queries

# The jobs of a page, and the characters that a filter may have.
SELECTED_MAX: Final = 100


def queue_of(visit: Visit) -> str | None:
    """The one queue that a form is about; None: any, for which one has to be allowed all of them.

    What is done is done to jobs of this queue only, whatever else the form says: `begin` and `in_queue` see to it.
    """
    return visit.form.get("queue") or None


def meant(visit: Visit, field: str = "q") -> JobFilter:
    """The jobs that a form means: those that were selected, or all that its query finds. Raises InvalidFilter."""
    if visit.form.get("scope") == "all":
        return queries.wanted(visit.form.get(field, ""))
    ids = visit.all("id")
    if not ids:
        raise InvalidFilter("Nothing is selected: select some jobs, or act on all that match.")
    if len(ids) > SELECTED_MAX:
        raise InvalidFilter(f"{len(ids)} jobs are selected: select {SELECTED_MAX} at most, or act on all that match.")
    return JobFilter(ids=tuple(ids))


def options_of(visit: Visit) -> dict[str, Any]:
    """What waiting jobs are to be changed to. Raises InvalidJob; begins with the field's name."""
    form = visit.form
    found: dict[str, Any] = {}
    if form.get("new_priority", "").strip():
        found["priority"] = whole("new_priority", form["new_priority"])
    if form.get("new_queue", "").strip():
        found["queue"] = form["new_queue"].strip()
    if form.get("when", "").strip():
        at = moment("when", form["when"])
        found["scheduled_at"] = None if at is None else at.isoformat()
    if not found:
        raise InvalidJob("Nothing is to be changed: give a priority, a queue, or when they are to run.")
    return found


def whole(field: str, text: str) -> int:
    """A whole number. Raises InvalidJob."""
    try:
        return int(text.strip())
    except ValueError:
        raise InvalidJob(f"{field}: {text.strip()[:60]!r} is no whole number.") from None


def moment(field: str, text: str) -> datetime | None:
    """When: `now` is None, `30m` is in half an hour, or a date and a time. Raises InvalidJob."""
    text = text.strip()
    if text.lower() == "now":
        return None
    try:
        seconds = duration_s(field, text.lower().removeprefix("in ").strip())
    except Exception:  # noqa: BLE001 -- then it is a date
        seconds = None
    if seconds is not None:
        return datetime.now(UTC) + timedelta(seconds=seconds)
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidJob(f"{field}: {text[:60]!r} is no time: write now, 30m, 2h, or 2026-01-31 14:00.") from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def actions_on(field: str) -> tuple[WebAction, ...]:
    """What can be done to the jobs that a page shows: it counts them, and asks."""
    return tuple(_action(word, field) for word in ACTIONS)


def _action(word: str, field: str) -> WebAction:
    async def run(visit: Visit) -> Done:
        return counted(await begin_for(visit, word, meant(visit, field)))

    return WebAction(name=word, permission=word, run=run, queue=queue_of)


async def begin_for(visit: Visit, word: str, wanted: JobFilter) -> Operation:
    """Count the jobs to which somebody wants to do something. Raises InvalidFilter, InvalidJob, UnknownQueue."""
    options = options_of(visit) if word == "update" else {}
    target = options.get("queue")
    if target is not None and not visit.may("update", target):
        raise InvalidJob(f"new_queue: you may not move jobs to the queue {target!r}.")
    queue = queue_of(visit)
    if queue is not None and wanted.queues:
        wanted = _within(wanted, queue)
    source = str(getattr(visit, "source", ""))
    return await begin(visit.chancy, word, wanted, by=visit.user, source=source, queue=queue, options=options)


def _within(wanted: JobFilter, queue: str) -> JobFilter:
    """A filter that names queues, of one of them only."""
    if not any(queries.matches(pattern, queue) for pattern in wanted.queues):
        raise InvalidFilter(f"The query asks for other queues than {queue!r}, in which alone this may be done.")
    return replace(wanted, queues=())


def counted(operation: Operation) -> Done:
    """Where somebody sees what would be done, and confirms it."""
    number = f"{operation.found:,} {'job' if operation.found == 1 else 'jobs'}"
    said = f"Counted {number}. Nothing is done before you confirm it."
    if not operation.found and operation.counted:
        said = "There are no such jobs."
    return Done(said, f"operations/{operation.id}", subject=operation.filter[:500])
