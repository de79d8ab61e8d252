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
    workers = [one for one in await chancy.get_workers() if one.alive and one.status is not None]
    problems = {unable.func: unable.problem for one in workers if one.status for unable in one.status.unable}
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
            what=f"{count} {_runs(count)} of the workflow {name} for {func}, which a live worker cannot run: "
            f"{problems[func]}",
            evidence={"runs": count, "function": func, "run": one},
            why="A run goes on when a worker has run the jobs that it waits for.",
            fix=command_line(chancy, "workflow", "show", one),
        )
        for name, func, count, one in unable
    ]
    return found


def _runs(count: int) -> str:
    return "run waits" if count == 1 else "runs wait"


def _look(funcs: list[str]) -> Work[tuple[list[Any], list[Any]]]:
    late = yield Ask("find_late", {"quiet_s": QUIET_S, "limit": MOST})
    unable = (yield Ask("find_unable", {"funcs": funcs, "limit": MOST})) if funcs else []
    return late, unable
