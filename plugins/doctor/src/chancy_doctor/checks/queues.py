"""Queues with jobs that nobody takes: paused, undeclared, unreadable, or served by no live worker."""

from __future__ import annotations

import msgspec

from chancy import Queue, WorkerInfo
from chancy.plugin import Finding, Severity, Subject
from chancy_doctor.look import Look, Pause, Waiting, named, refusal, shown_s, workers_of


async def check(look: Look) -> list[Finding]:
    """A finding for each queue whose runnable jobs nobody takes."""
    found = [await finding_of(look, waiting) for waiting in look.waiting.values()]
    return [one for one in found if one is not None]


async def finding_of(look: Look, waiting: Waiting) -> Finding | None:
    """What keeps the runnable jobs of a queue from being taken; None if nothing does."""
    name, queue = waiting.queue, look.queues.get(waiting.queue)
    if name in look.unreadable:
        return _unreadable(look, waiting, await look.count(name))
    if queue is None:
        return _undeclared(look, waiting, await look.count(name))
    if queue.state is Queue.State.PAUSED:
        return await _paused(look, queue, waiting, await look.count(name))
    return None if look.serving(queue) else _unserved(look, queue, waiting, await look.count(name))


async def _paused(look: Look, queue: Queue, waiting: Waiting, count: str) -> Finding:
    pause = await look.pause(queue.name)
    until = f"until {queue.resume_at:%Y-%m-%d %H:%M %Z}" if queue.resume_at else "until somebody resumes it"
    return Finding(
        id="queue-paused",
        severity=Severity.WARNING,
        subject=Subject("queue", queue.name),
        what=f"The queue {queue.name} is paused {until}, and {count} in it, the oldest for "
        f"{shown_s(waiting.oldest_s)}.{told_of(pause)}",
        evidence=_evidence(waiting)
        | {
            "resume_at": queue.resume_at.isoformat() if queue.resume_at else None,
            "paused_s": None if pause.since_s is None else round(pause.since_s, 1),
            "paused_by": pause.by,
            "reason": pause.reason,
        },
        why="Jobs can be pushed to it, and none of them starts.",
        fix=look.command("queue", "resume", queue.name),
    )


def told_of(pause: Pause) -> str:
    """Who paused a queue, and when, in a sentence; nothing if nobody knows."""
    if pause.since_s is None:
        return ""
    by = f" by {pause.by}" if pause.by else ""
    return f" It was paused {shown_s(pause.since_s)} ago{by}{f': {pause.reason}' if pause.reason else ''}."


def _unserved(look: Look, queue: Queue, waiting: Waiting, count: str) -> Finding:
    waits = f"{count} in the queue {queue.name}, the oldest for {shown_s(waiting.oldest_s)}"
    refusals = {worker.name: why for worker in look.by_name if (why := refusal(worker, queue))}
    if refusals:
        name, why = next(iter(refusals.items()))
        what = f"{waits}, and {name}, which should serve it, does not: {why}"
        fix = look.command("workers")
    elif any(worker.queues is not None and not is_told(worker, queue) for worker in look.by_name):
        told = sorted({one for worker in look.by_name for one in worker.queues or ()})
        what = f"{waits}, and no live worker was told to serve it: they serve {named(told)}."
        fix = look.command("worker", "--queue", queue.name)
    elif look.alive:
        what = (
            f"{waits}, and no live worker's tags match it: it asks for {named(queue.tags)}; "
            f"{workers_of(len(look.alive))}, with {named(look.tags) or 'no tags of their own'}."
        )
        fix = look.command("worker", "--tag", _word(queue.tags))
    else:
        what = f"{waits}, and no worker is alive."
        fix = look.command("worker")
    return Finding(
        id="queue-unserved",
        severity=Severity.ERROR,
        subject=Subject("queue", queue.name),
        what=what,
        evidence=_evidence(waiting) | {"tags": " ".join(queue.tags), "live_workers": len(look.alive)},
        why="None of them starts before a worker that matches does."
        if look.alive
        else "None of them starts before a worker does.",
        fix=fix,
    )


def is_told(worker: WorkerInfo, queue: Queue) -> bool:
    """Whether a worker serves a queue of this name that asks for no tags."""
    return worker.serves(msgspec.structs.replace(queue, tags=[".*"]))


def _word(tags: list[str]) -> str:
    """A tag that a worker can be given so that it matches."""
    return next(iter(tags), "TAG")


def _undeclared(look: Look, waiting: Waiting, count: str) -> Finding:
    return Finding(
        id="queue-undeclared",
        severity=Severity.ERROR,
        subject=Subject("queue", waiting.queue),
        what=f"{count} in the queue {waiting.queue}, which is not declared: it was deleted, and they were kept.",
        evidence=_evidence(waiting),
        why="No worker looks into a queue that is not declared.",
        fix=look.command("queue", "declare", waiting.queue),
    )


def _unreadable(look: Look, waiting: Waiting, count: str) -> Finding:
    problem = look.unreadable[waiting.queue].problem
    return Finding(
        id="queue-unreadable",
        severity=Severity.ERROR,
        subject=Subject("queue", waiting.queue),
        what=f"{count} in the queue {waiting.queue}, whose row cannot be read: {problem}",
        evidence=_evidence(waiting),
        why="No worker serves it.",
        fix=look.command("queue", "declare", waiting.queue, "--upsert"),
    )


def _evidence(waiting: Waiting) -> dict[str, int | float | str | None]:
    return {"waiting": waiting.jobs, "oldest_s": round(waiting.oldest_s, 1)}
