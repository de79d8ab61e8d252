"""Functions that workers cannot run: they do not import, or the setting `functions` refuses them."""

from __future__ import annotations

from collections import defaultdict
from typing import Final

from chancy import UnableStatus, WorkerInfo
from chancy.plugin import Finding, Severity, Subject
from chancy_doctor.look import COUNTED, Look, jobs_of, named

# How a worker says that it is not allowed to run a function.
REFUSED: Final = "may not be run"


async def check(look: Look) -> list[Finding]:
    """A finding for each function of a queue that some live worker which serves it cannot run."""
    unable: dict[tuple[str, str], list[tuple[WorkerInfo, UnableStatus]]] = defaultdict(list)
    for worker in look.alive:
        for one in worker.status.unable if worker.status else ():
            unable[one.queue, one.func].append((worker, one))
    return [await _finding(look, queue, func, seen) for (queue, func), seen in unable.items()]


async def _finding(look: Look, queue: str, func: str, seen: list[tuple[WorkerInfo, UnableStatus]]) -> Finding:
    ((waiting,),) = await look.rows("count_function", queue=queue, func=func, limit=10 * COUNTED)
    declared = look.queues.get(queue)
    serving = len(look.serving(declared)) if declared else len(seen)
    nobody = len(seen) >= serving
    problem = seen[0][1].problem
    who = "no live worker" if nobody else f"{len(seen)} of {serving} live workers ({named([w.name for w, _ in seen])})"
    verb = "can" if nobody else "cannot"
    refused = REFUSED in problem
    return Finding(
        id="function-not-allowed" if refused else "function-not-importable",
        severity=Severity.ERROR if nobody else Severity.WARNING,
        subject=Subject("function", func),
        what=f"{who[0].upper()}{who[1:]} that serves the queue {queue} {verb} run {func}, for which "
        f"{jobs_of(waiting)} {'waits' if waiting == 1 else 'wait'}: {problem}",
        evidence={
            "queue": queue,
            "waiting": waiting,
            "workers": len(seen),
            "serving": serving,
            "since_s": round(max(one.since_s_ago for _, one in seen), 1),
        },
        why="Its jobs wait, with no attempt spent, for a worker that can; after `unrunnable_for_s` they fail."
        if nobody
        else "Its jobs are left to the others.",
        fix=look.command("config") if refused else f"python -c 'import {_module(func)}'",
    )


def _module(func: str) -> str:
    return func.replace(":", ".").rpartition(".")[0] or func
