"""Jobs that fail in numbers, that end their workers, that have waited for long, or that hold a key for long."""

from __future__ import annotations

from collections import defaultdict
from typing import Any, Final

from chancy.plugin import Finding, Severity, Subject
from chancy_doctor.look import SAMPLE, Look, jobs_of, shown_s, workers_of

# A job that ended its worker once may have been in the way of a deploy; one that did so twice is the reason.
POISON_TIMES: Final = 2
# Jobs of one attempt fail at once; then it is the number of workers that tells.
POISON_WORKERS: Final = 3
# So many failed runs of a function are worth a line on the screen.
SHOWN_FROM: Final = 5
_SHOWN: Final = 160


async def check_lost(look: Look) -> list[Finding]:
    """A finding for each function whose runs end their workers, and for jobs that failed with theirs."""
    rows = await look.rows("find_lost_runs", since_s=look.thresholds.recent_s, limit=SAMPLE)
    by_func: dict[str, list[tuple[Any, ...]]] = defaultdict(list)
    for row in rows:
        by_func[row[0]].append(row)
    found = []
    for func, lost in by_func.items():
        workers = {row[5] for row in lost}
        if lost[0][3] >= POISON_TIMES or len(workers) >= POISON_WORKERS:
            found.append(_poison(look, func, lost))
        elif failed := [row for row in lost if row[4]]:
            found.append(_failed_with_worker(look, func, failed))
    return found


def _poison(look: Look, func: str, lost: list[tuple[Any, ...]]) -> Finding:
    worst, failed = lost[0], sum(row[4] for row in lost)
    times = sum(row[3] for row in lost)
    state = "it has failed by that" if worst[4] else "it is going to be run again"
    return Finding(
        id="poison",
        severity=Severity.ERROR,
        subject=Subject("function", func),
        what=f"{func} ends the workers that run it: {times} runs of {jobs_of(len(lost))} ended with their worker, "
        f"{worst[3]} of them those of the job {worst[2]}; {state}.",
        evidence={"jobs": len(lost), "lost_runs": times, "failed": failed, "queue": worst[1], "job": str(worst[2])},
        why="Such a job crashes the process, takes all of its memory, or blocks it for longer than a lease; whatever "
        "else that worker runs is lost with it. A process of its own, and a limit, contain it.",
        fix=look.command("job", str(worst[2])) if worst[4] else look.command("job", str(worst[2]), "--cancel"),
    )


def _failed_with_worker(look: Look, func: str, failed: list[tuple[Any, ...]]) -> Finding:
    return Finding(
        id="failed-with-worker",
        severity=Severity.WARNING,
        subject=Subject("function", func),
        what=f"{jobs_of(len(failed))} of {func} failed in the last {shown_s(look.thresholds.recent_s)} because their "
        f"worker {failed[0][5]} was lost while it ran them, with no attempt left.",
        evidence={"failed": len(failed), "worker": failed[0][5], "queue": failed[0][1], "job": str(failed[0][2])},
        why="They may have done part of their work. Give jobs that can be begun again more than one attempt.",
        fix=look.command("job", str(failed[0][2]), "--retry"),
    )


async def check_failures(look: Look) -> list[Finding]:
    """A finding for each function most of whose newest runs failed."""
    limits = look.thresholds
    rows = await look.failures()
    return [
        _storm(look, *row)
        for row in rows
        if row[1] >= limits.storm_jobs and row[1] / (row[1] + row[2]) >= limits.storm_share
    ]


def _storm(
    look: Look, func: str, failed: int, succeeded: int, again: int, error: str, message: str, id_: str
) -> Finding:
    share = failed / (failed + succeeded)
    message = " ".join((message or "").split())[:_SHOWN]
    return Finding(
        id="retry-storm" if again * 2 >= failed else "failing",
        severity=Severity.ERROR,
        subject=Subject("function", func),
        what=f"{failed:,} of the {failed + succeeded:,} newest runs of {func} failed ({share:.0%}), {again:,} of them "
        f"are to be tried again; the last with {error}: {message}",
        evidence={"failed": failed, "succeeded": succeeded, "retrying": again, "error": error, "job": id_},
        why="What fails again and again takes the slots of other jobs, and the attempts of its own run out.",
        fix=look.command("job", id_),
    )


async def check_waits(look: Look) -> list[Finding]:
    """A finding for each queue that is served, and whose oldest job has waited for long all the same."""
    found = []
    for name, waiting in look.waiting.items():
        queue = look.queues.get(name)
        if waiting.oldest_s < look.thresholds.wait_s or queue is None or queue.state == "paused":
            continue
        if serving := look.serving(queue):
            count = await look.count(name)
            found.append(
                Finding(
                    id="jobs-wait-long",
                    severity=Severity.WARNING,
                    subject=Subject("queue", name),
                    what=f"{count} in the queue {name}, the oldest for {shown_s(waiting.oldest_s)}, although "
                    f"{workers_of(len(serving))} serve it.",
                    evidence={
                        "waiting": waiting.jobs,
                        "oldest_s": round(waiting.oldest_s, 1),
                        "live_workers": len(serving),
                    },
                    why="More is pushed than is run, or jobs of a higher priority always come first.",
                    fix=look.command("why", "queue", name),
                )
            )
    return found


async def check_keys(look: Look) -> list[Finding]:
    """A finding for each unique key that a job which is not scheduled has held for long."""
    rows = await look.rows("find_held_keys", since_s=look.thresholds.key_held_s)
    return [
        Finding(
            id="unique-key-held",
            severity=Severity.WARNING,
            subject=Subject("job", str(id_)),
            what=f"The job {id_} ({func}, {state}) has held the unique key {key!r:.80} for {shown_s(age_s)}.",
            evidence={"age_s": round(age_s, 1), "state": state, "queue": queue},
            why="Meanwhile whoever pushes a job with that key is given this one.",
            fix=look.command("why", str(id_)),
        )
        for key, id_, queue, func, state, age_s in rows
    ]
