"""When a step waited and when it ran, as pieces of a line."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple

from chancy import QueuedJob
from chancy_workflow.status import RunStatus, StepStatus


class Axis(NamedTuple):
    """The line: from when to when.

    Attributes:
        begin: when the first of the steps began that there are now.
        end: when the run ended, or now.
    """

    begin: datetime
    end: datetime

    @classmethod
    def of(cls, status: RunStatus, now: datetime) -> Axis:
        """That of a run: of one that was retried, its present attempt."""
        # An attempt before this one has left the steps that succeeded in it.
        begun = [step.begun_at for step in status.steps.values() if step.begun_at is not None]
        retried = max((_moment(past.get("ended_at")) or status.created_at for past in status.past), default=None)
        fresh = [at for at in begun if retried is None or at >= retried]
        begin = min(fresh, default=status.created_at if retried is None else retried)
        return cls(begin, max(status.ended_at or now, begin))

    def at(self, moment: datetime) -> float:
        """Which share of the line a moment is at, from 0 to 1."""
        whole = (self.end - self.begin).total_seconds()
        share = (moment - self.begin).total_seconds() / whole if whole > 0 else 0.0
        return round(min(max(share, 0.0), 1.0), 5)

    def told(self) -> dict[str, Any]:
        """Its ends, and how many seconds are between them."""
        return {"begin": self.begin, "end": self.end, "seconds": (self.end - self.begin).total_seconds()}


def bar(step: StepStatus, job: QueuedJob | None, axis: Axis, now: datetime) -> dict[str, Any] | None:
    """What of the line a step takes; None: it has not begun.

    Returns:
        `pieces`, each with what it is (`waited`, `tried`, `ran`), its two shares and its seconds; and `tries`, how many
        attempts failed.
    """
    if step.begun_at is None:
        return None
    end = step.ended_at or now
    if step.kind in ("wait", "map") or job is None:
        # Of a job that was pruned it is not known when it was begun.
        word = "waited" if step.kind == "wait" else "ran" if step.kind == "map" else "took"
        return {"pieces": [_piece(word, step.begun_at, end, axis)], "tries": 0}
    failed = [error.at for error in job.errors if error.at >= step.begun_at]
    started = job.started_at if job.started_at is not None and job.started_at >= step.begun_at else None
    pieces = []
    at = step.begun_at
    for moment in failed:
        pieces.append(_piece("tried", at, moment, axis))
        at = max(at, moment)
    if started is not None and started >= at and str(job.state) not in ("pending", "scheduled", "retrying"):
        pieces.append(_piece("waited", at, started, axis))
        pieces.append(_piece("ran", started, end, axis))
    elif step.ended_at is None or not failed:
        pieces.append(_piece("waited", at, end, axis))
    return {"pieces": [piece for piece in pieces if piece["seconds"] > 0], "tries": len(failed)}


def _piece(word: str, begin: datetime, end: datetime, axis: Axis) -> dict[str, Any]:
    return {
        "word": word,
        "begin": axis.at(begin),
        "end": axis.at(end),
        "seconds": max((end - begin).total_seconds(), 0.0),
    }


def _moment(given: object) -> datetime | None:
    try:
        return datetime.fromisoformat(str(given))
    except ValueError:
        return None
