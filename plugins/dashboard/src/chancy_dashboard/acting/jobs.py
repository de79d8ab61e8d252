"""What can be done to one job."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from chancy import Acted, Hit, JobFilter
from chancy.errors import InvalidJob
from chancy.plugin import Done, Visit, WebAction
from chancy_dashboard.acting.meaning import options_of, queue_of
from chancy_dashboard.acting.operations.values import changes, in_queue

REASON_MAX: Final = 500
FINISHED: Final = ("succeeded", "failed", "cancelled")
#: Why nothing was done, for people, by what `Acted` calls it.
WHY: Final = {
    "unique key taken": "another job holds its unique key by now",
    "running": "it runs by now",
    "finished": "it has finished by now",
    "not finished": "it has not finished",
    "changed meanwhile": "it has changed just now",
    "gone": "it is gone",
}


async def _hits(visit: Visit, action: str, states: tuple[str, ...] = ()) -> list[Hit]:
    """The job of the page, if this can be done to it. Raises InvalidJob otherwise."""
    # The queue that was asked about is the one in which it has to be: what is allowed there is allowed nowhere else.
    wanted = in_queue(JobFilter(ids=(visit.path["id"],), states=states), queue_of(visit))  # type: ignore[arg-type]
    found = await visit.chancy.find_hits(wanted, action=action, limit=1, within_s=1.0)
    if not found.hits:
        raise InvalidJob(
            "Nothing was done: it is in another state by now, in another queue, or gone. Look at it again."
        )
    return found.hits


def _done(visit: Visit, acted: Acted, said: Mapping[str, str]) -> Done:
    subject, reason = f"job {visit.path['id']}", _reason(visit)
    for word, number in acted.done.items():
        if number:
            return Done(said[word], subject=subject, jobs=1, reason=reason)
    why = next((WHY.get(why, why) for why, number in acted.skipped.items() if number), "it has changed just now")
    raise InvalidJob(f"Nothing was done: {why}.")


def _reason(visit: Visit) -> str:
    return visit.form.get("reason", "").replace("\x00", "").strip()[:REASON_MAX]


async def _retry(visit: Visit) -> Done:
    acted = await visit.chancy.retry_jobs(await _hits(visit, "retry_jobs", FINISHED))
    return _done(visit, acted, {"retried": "It runs again as soon as a worker takes it."})


async def _cancel(visit: Visit) -> Done:
    acted = await visit.chancy.cancel_jobs(await _hits(visit, "cancel_jobs"), reason=_reason(visit) or None)
    told = {"cancelled": "It is cancelled.", "stopping": "Its worker was told to stop it."}
    return _done(visit, acted, told)


async def _delete(visit: Visit) -> Done:
    acted = await visit.chancy.delete_jobs(await _hits(visit, "delete_jobs"))
    return msgspec.structs.replace(_done(visit, acted, {"deleted": "The job is forgotten."}), path="jobs")


async def _now(visit: Visit) -> Done:
    acted = await visit.chancy.update_jobs(await _hits(visit, "update_jobs"), scheduled_at=None)
    return _done(visit, acted, {"updated": "It runs as soon as a worker takes it."})


async def _change(visit: Visit) -> Done:
    options: dict[str, Any] = options_of(visit)
    target = options.get("queue")
    if target is not None and not visit.may("update", target):
        raise InvalidJob(f"new_queue: you may not move jobs to the queue {target!r}.")
    acted = await visit.chancy.update_jobs(await _hits(visit, "update_jobs"), **changes(options))
    return _done(visit, acted, {"updated": "It is changed."})


def _action(name: str, permission: str, run: Any) -> WebAction:
    return WebAction(name=name, permission=permission, run=run, queue=queue_of)


ACTIONS: Final = (
    _action("retry", "retry", _retry),
    _action("now", "retry", _now),
    _action("cancel", "cancel", _cancel),
    _action("delete", "delete", _delete),
    _action("update", "update", _change),
)
