"""What is wrong with runs: steps whose functions a worker cannot run, and signals that nobody sends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from chancy.plugin import Finding, Severity, Subject, command_line
from chancy_workflow.work import Ask, Work, run

if TYPE_CHECKING:
    from chancy import Chancy

# A step without a time-out may wait for ever; that is worth a look once it has for so long.
QUIET_S: Final = 7 * 86_400.0
MOST: Final = 20


async def find(chancy: Chancy) -> list[Finding]:
    """A finding for each workflow of which something is wrong."""
    problems = await _problems(chancy)
    async with chancy.pool.connection() as connection:
        late, unable = await run(chancy, connection, _look(sorted(problems)))
    found = [
        Finding(
            id="workflow-signal-late",
            severity=Severity.WARNING,
            subject=Subject("workflow", name),
            what=f"{count} {_runs(count)} of the workflow {name} for the signal {step} {since}.",
            evidence={"runs": count, "signal": step, "run": one},
            why="A run goes on when its signal comes, or when its time-out is over and a worker with the plugin runs.",
            fix=command_line(chancy, "workflow", "show", one),
        )
        for name, step, count, one, since in late
    ]
    found += [
        Finding(
            id="workflow-step-unable",
            severity=Severity.ERROR,
            subject=Subject("workflow", name),
            what=f"{count} {_runs(count)} of the workflow {name} for {func}, which no live worker of the queue {queue} "
            f"can run: {problems[queue, func]}",
            evidence={"runs": count, "function": func, "queue": queue, "run": one},
            why="A run goes on when a worker has run the jobs that it waits for.",
            fix=command_line(chancy, "workflow", "show", one),
        )
        for name, queue, func, count, one in unable
    ]
    return found


def _runs(count: int) -> str:
    return "run waits" if count == 1 else "runs wait"


async def _problems(chancy: Chancy) -> dict[tuple[str, str], str]:
    """The functions that no live worker of a queue can run, by queue and function, and what one of them says."""
    workers = [one for one in await chancy.get_workers() if one.alive]
    told: dict[tuple[str, str], list[str]] = {}
    for worker in workers:
        for unable in worker.status.unable if worker.status else ():
            told.setdefault((unable.queue, unable.func), []).append(unable.problem)
    if not told:
        return {}
    serving = {queue.name: sum(worker.serves(queue) for worker in workers) for queue in await chancy.get_all_queues()}
    # What some can run, they do: that is for a doctor to warn of, and no run stands still.
    return {place: problems[0] for place, problems in told.items() if len(problems) >= serving.get(place[0], 0)}


def _look(places: list[tuple[str, str]]) -> Work[tuple[list[Any], list[Any]]]:
    late = yield Ask("find_late", {"quiet_s": QUIET_S, "limit": MOST})
    queues, funcs = [queue for queue, _ in places], [func for _, func in places]
    unable = (yield Ask("find_unable", {"queues": queues, "funcs": funcs, "limit": MOST})) if places else []
    return late, unable
