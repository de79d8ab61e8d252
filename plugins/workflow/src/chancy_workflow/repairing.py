"""What a worker's tick does: signals and time-outs, jobs of stopped runs, and ends of which nobody has told."""

from __future__ import annotations

import json
from typing import Any, Final

from chancy.plugin import log
from chancy_workflow.advancing import PUSH_MOST, EndedJob, EndedStep, Moving, ReadyStep, jobs_ended
from chancy_workflow.work import Ask, Work

RUNS_AT_ONCE: Final = 200
JOBS_AT_ONCE: Final = 1000
# What is recorded as ended is told of in a moment; what nobody has told of by then, nobody will.
GRACE_S: Final = 10.0
# A job that is nowhere has been pruned, and somebody may still have to tell of its end: the kernel tries again after a
# pause of a minute at most.
MISSING_S: Final = 120.0
GONE: Final = "Its job is gone: it was pruned or deleted before anybody told of its end."


def find_due() -> Work[list[str]]:
    """The runs whose signals have come, or will not be waited for any longer, and those with jobs left to be pushed."""
    return [run for (run,) in (yield Ask("find_due", {"limit": RUNS_AT_ONCE}))]


def move_due(rows: list[tuple[str]]) -> Work[bool]:
    """Move such runs on, but for those that somebody else moves on just now. Whether there may be more to be done."""
    runs = [run for (run,) in rows]
    locked = [run for (run,) in (yield Ask("lock_free_runs", {"runs": runs}))]
    if not locked:
        return False
    come = yield Ask("see_signals", {"runs": locked})
    late = yield Ask("expire_waits", {"runs": locked})
    signalled = {(row[0], row[1]) for row in come}
    moving = Moving().ended(EndedStep(*row) for row in late if (row[0], row[1]) not in signalled)
    left = yield Ask("read_ready", {"runs": locked, "limit": PUSH_MOST})
    moving.ready(
        ReadyStep(id_, n, kind, scope, name, json.loads(node)) for id_, n, kind, scope, name, node in [*come, *left]
    )
    yield from moving.go()
    return len(runs) == RUNS_AT_ONCE or len(left) == PUSH_MOST


def find_lost(grace_s: float = GRACE_S) -> Work[list[Any]]:
    """The steps whose jobs are not live, of which nobody has told."""
    return (yield Ask("find_lost", {"grace_s": grace_s, "limit": JOBS_AT_ONCE}))


def repair(lost: list[Any], missing_s: float = MISSING_S) -> Work[None]:
    """Tell of the ends of these jobs."""
    runs = sorted({row[0] for row in lost})
    locked = {run for (run,) in (yield Ask("lock_free_runs", {"runs": runs}))}
    known = [row for row in lost if row[0] in locked and row[3] is not None]
    nowhere = [{"run": row[0], "n": row[1]} for row in lost if row[0] in locked and row[3] is None]
    ended = [EndedJob(job, "expired" if expired else state, note, at) for _, _, job, state, note, at, expired in known]
    if nowhere:
        rows = yield Ask("mark_missed", {"steps": json.dumps(nowhere), "grace_s": missing_s})
        ended += [EndedJob(job, "failed", GONE, None) for (job,) in rows if job is not None]
    if ended:
        log.info("workflow_steps_repaired", count=len(ended))
        yield from jobs_ended(ended, "-infinity")


def find_stopped() -> Work[list[Any]]:
    """The jobs of stopped runs that have to be cancelled."""
    return (yield Ask("find_stopped", {"runs": None, "limit": JOBS_AT_ONCE}))


def forget(keep_s: float) -> Work[int]:
    """Delete runs that ended long ago: how many."""
    return len((yield Ask("forget_runs", {"keep_s": keep_s, "limit": RUNS_AT_ONCE})))


def forget_kept(keep_s: float) -> Work[int]:
    """Delete what jobs have kept that are not live any more: how much."""
    return len((yield Ask("forget_kept", {"keep_s": keep_s, "limit": JOBS_AT_ONCE})))
