"""What the keys do to queues and jobs: counted first, asked about, and told while it goes on."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, Final, NamedTuple, TypeAlias

from chancy import Acted, Chancy, JobFilter, State
from chancy_doctor.top.picture import FailureRow, QueueRow

REASON: Final = "Cancelled in chancy top."
PAUSED: Final = "Paused in chancy top."
Heard: TypeAlias = Callable[[Acted], object]


class Action(NamedTuple):
    """Something that was asked for, with what it would do.

    Attributes:
        question: what somebody is asked; empty: there is nothing to do.
        act: does it, tells how far it has come, and says what came of it.
    """

    question: str
    act: Callable[[Heard], Awaitable[Acted]]


async def pause_or_resume(chancy: Chancy, row: QueueRow) -> str:
    """Pause a queue that is active, resume one that is paused. Says which it was."""
    if row.state == "paused":
        await chancy.resume_queue(row.name)
        return f"The queue {row.name} was resumed."
    await chancy.pause_queue(row.name, reason=PAUSED)
    return f"The queue {row.name} was paused: p resumes it."


async def retry_failed(chancy: Chancy, row: FailureRow) -> Action:
    """Bring the failed jobs of a function back."""
    wanted = JobFilter(states=(State.FAILED,), funcs=(row.func,), since=timedelta(days=1))
    question = await _question(chancy, wanted, "Run", "failed jobs", row.func, " again")
    return Action(question, lambda heard: chancy.retry_jobs(wanted, progress=heard))


async def cancel_waiting(chancy: Chancy, queue: QueueRow | None, failure: FailureRow | None) -> Action:
    """Cancel what waits of a function, or in a queue."""
    name = failure.func if failure is not None else queue.name if queue is not None else ""
    whose: dict[str, Any] = {"funcs": (name,)} if failure is not None else {"queues": (name,)}
    wanted = JobFilter(states=(State.PENDING, State.RETRYING), **whose)
    question = await _question(chancy, wanted, "Cancel", "waiting jobs", name, "")
    return Action(question, lambda heard: chancy.cancel_jobs(wanted, reason=REASON, progress=heard))


def told(acted: Acted) -> str:
    """How far an action has come."""
    if not acted.counted:
        return f"counting: {acted.found:,} so far … Esc stops"
    return f"{sum(acted.done.values()) + sum(acted.skipped.values()):,} of {acted.found:,} … Esc stops"


async def _question(chancy: Chancy, wanted: JobFilter, verb: str, what: str, name: str, end: str) -> str:
    count = await chancy.count_jobs(wanted)
    if not count.value and count.exact:
        return ""
    return f"{verb} {'' if count.exact else 'about '}{count.value:,} {what} of {name}{end}?"
