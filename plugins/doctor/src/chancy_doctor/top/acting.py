"""What the keys do to queues and jobs: counted first, and asked about."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple

from chancy import Cancellation, Chancy
from chancy_doctor.top.picture import FailureRow, QueueRow

# More than that is for a command, which shows how far it is.
JOBS_MAX: Final = 1_000


class Action(NamedTuple):
    """Something that was asked for, with what it would do.

    Attributes:
        question: what somebody is asked; empty: there is nothing to do.
        act: does it, and says what came of it.
    """

    question: str
    act: Callable[[], Awaitable[str]]


async def pause_or_resume(chancy: Chancy, row: QueueRow) -> str:
    """Pause a queue that is active, resume one that is paused. Says which it was."""
    if row.state == "paused":
        await chancy.resume_queue(row.name)
        return f"The queue {row.name} was resumed."
    await chancy.pause_queue(row.name)
    return f"The queue {row.name} was paused: p resumes it."


async def retry_failed(chancy: Chancy, row: FailureRow) -> Action:
    """Bring the failed jobs of a function back."""
    found = await _ids(chancy, f"state:failed func:{row.func} since:1d")

    async def act() -> str:
        back = await chancy.retry_jobs(found)
        skipped = len(found) - len(back)
        return f"{len(back):,} jobs of {row.func} were brought back" + (
            f", {skipped:,} could not be." if skipped else "."
        )

    return Action(_question("Run", "failed jobs", row.func, len(found), "again"), act)


async def cancel_waiting(chancy: Chancy, queue: QueueRow | None, failure: FailureRow | None) -> Action:
    """Cancel what waits of a function, or in a queue."""
    name = failure.func if failure is not None else queue.name if queue is not None else ""
    term = "func" if failure is not None else "queue"
    found = [
        *await _ids(chancy, f"state:pending {term}:{name}"),
        *await _ids(chancy, f"state:retrying {term}:{name}"),
    ][:JOBS_MAX]

    async def act() -> str:
        ended = await chancy.cancel_jobs(found, reason="Cancelled in chancy top.")
        count = sum(one is Cancellation.CANCELLED for one in ended)
        return f"{count:,} of {len(found):,} jobs were cancelled; the others run, or have ended."

    return Action(_question("Cancel", "waiting jobs", name, len(found), ""), act)


async def _ids(chancy: Chancy, text: str) -> list[str]:
    ids: list[str] = []
    after = None
    while len(ids) < JOBS_MAX:
        page = await chancy.find_jobs(text, limit=min(JOBS_MAX, 500), after=after)
        ids += [str(job.id) for job in page.jobs]
        if page.next is None:
            break
        after = page.next
    return ids[:JOBS_MAX]


def _question(verb: str, what: str, name: str, count: int, end: str) -> str:
    if not count:
        return ""
    most = " (the newest; there may be more)" if count >= JOBS_MAX else ""
    return f"{verb} {count:,} {what} of {name}{most}{f' {end}' if end else ''}?"
