"""Look at jobs, cancel them, and bring them back."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

from chancy_core.app.given import Ref, identifier_of, identifiers_of
from chancy_core.app.handed import OWN
from chancy_core.app.operation import Begin, once, repeatable
from chancy_core.app.reference import missing
from chancy_core.errors import InvalidJob
from chancy_core.store import Flow, jobs
from chancy_core.values.fields import check_text
from chancy_core.values.queuedjob import Cancellation, QueuedJob

if TYPE_CHECKING:
    from chancy_core.app.chancy import Chancy

# A reason is read in a list of jobs.
REASON_MAX: Final = 500


@repeatable
def get_job(chancy: Chancy, ref: Ref, *, connection: Any = OWN) -> Begin[QueuedJob | None]:
    """A job as it stands, live or finished; None if there is no such job.

    Args:
        ref: the job.
        connection: as for `push`: as your transaction sees it, which may have pushed it.
    """
    identifier = identifier_of(ref)

    def ask() -> Flow[QueuedJob | None]:
        return (yield from jobs.get_jobs(chancy.store, [identifier])).get(identifier)

    return ask


@repeatable
def get_jobs(chancy: Chancy, refs: Iterable[Ref], *, connection: Any = OWN) -> Begin[list[QueuedJob | None]]:
    """Jobs as they stand, in the order of `refs`; None where there is no such job.

    Args:
        refs: the jobs.
        connection: as for `get_job`.
    """
    ids = identifiers_of(refs)

    def ask() -> Flow[list[QueuedJob | None]]:
        found = yield from jobs.get_jobs(chancy.store, ids)
        return [found.get(id_) for id_ in ids]

    return ask


@once
def cancel_job(chancy: Chancy, ref: Ref, *, reason: str | None = None, connection: Any = OWN) -> Begin[Cancellation]:
    """Cancel a job: at once if it does not run; if it runs, its worker is told to stop it.

    A coroutine is cancelled, a child process told and then killed; a function in a thread stops at its next
    `checkpoint()`, if it has any, and is `running` until then.

    Args:
        ref: the job.
        reason: a few words, kept as its note.
        connection: as for `push`: it is done in your transaction.

    Returns:
        Which of that happened.

    Raises:
        JobNotFound: there is no such job.
    """
    identifier, note = identifier_of(ref), note_of(reason)

    def ask() -> Flow[Cancellation]:
        found = yield from jobs.cancel_jobs(chancy.store, [identifier], note)
        if identifier not in found:
            raise missing(identifier)
        return found[identifier]

    return ask


def note_of(reason: str | None) -> str:
    """The note of a job that is cancelled for this reason. Raises InvalidJob."""
    if reason is None:
        return "Cancelled on request."
    if not isinstance(reason, str):
        raise InvalidJob(f"reason is {reason!r:.60}: give a few words, or None.")
    reason = reason[:REASON_MAX]
    check_text("reason", reason)
    return reason
