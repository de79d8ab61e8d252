"""For tests, beside `Jobs` of `chancy.testing`: a run that begins in the middle."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from chancy import QueuedJob
from chancy.testing import AsyncJobs, Jobs
from chancy_workflow.beginning import META
from chancy_workflow.errors import InvalidWorkflow
from chancy_workflow.flow import Workflow
from chancy_workflow.run import Run
from chancy_workflow.status import RunStatus

WAITS: Final = ("pending", "scheduled", "retrying")


def start_after(jobs: Jobs, flow: Workflow, *steps: str, results: Mapping[str, Any] | None = None) -> Run:
    """Push a workflow, and let these steps have succeeded, and all that they come after, without running their jobs.

    Args:
        jobs: the jobs of the test, in whose transaction that happens.
        flow: the workflow.
        steps: the names of steps.
        results: what each of these steps is taken to have returned, by its name; of a map the list, of a step that
            waits for a signal its value. What is not there is None. What an included workflow has inside is named as in
            `ada/read`; it need not be named in `steps`, where `ada` stands for all of it.

    Returns:
        The run. What comes after these steps waits to be drained.

    Raises:
        InvalidWorkflow: there is no such step; or the list for a map is none, or has fewer results than it has items.
    """
    known = results or {}
    run = jobs.chancy.sync_push(flow)
    done = _before(run.sync_status(), steps)
    while True:
        waiting = _of_steps(jobs.pushed(meta={META: {"run": str(run)}}), done)
        for job, name in waiting:
            jobs.finish(job.id, _result(name, known))
        signals = _open(run.sync_status(), done)
        for name in signals:
            run.sync_signal(name, known.get(name))
        if not waiting and not signals:
            return run


async def start_after_async(
    jobs: AsyncJobs, flow: Workflow, *steps: str, results: Mapping[str, Any] | None = None
) -> Run:
    """As `start_after`, with asyncio."""
    known = results or {}
    run = await jobs.chancy.push(flow)
    done = _before(await run.status(), steps)
    while True:
        waiting = _of_steps(await jobs.pushed(meta={META: {"run": str(run)}}), done)
        for job, name in waiting:
            await jobs.finish(job.id, _result(name, known))
        signals = _open(await run.status(), done)
        for name in signals:
            await run.signal(name, known.get(name))
        if not waiting and not signals:
            return run


def _before(status: RunStatus, steps: Iterable[str]) -> set[str]:
    """These steps, and all that they come after."""
    done: set[str] = set()
    left = list(steps)
    while left:
        name = left.pop()
        if name not in status.steps:
            raise InvalidWorkflow(f"The workflow has no step {name!r:.120}: it has {', '.join(status.steps)}.")
        if name not in done:
            done.add(name)
            left += status.steps[name].after
            if status.steps[name].kind == "group":
                # It ends when all that is in it has.
                left += [inner for inner in status.steps if inner.startswith(f"{name}/")]
    return done


def _of_steps(jobs: Iterable[QueuedJob], done: set[str]) -> list[tuple[QueuedJob, str]]:
    """The jobs of these steps that wait, and whose they are."""
    found = ((job, str(job.meta[META]["step"])) for job in jobs if job.state in WAITS)
    return [(job, name) for job, name in found if name in done or _map_of(name) in done]


def _open(status: RunStatus, done: set[str]) -> list[str]:
    waits = ((name, step) for name, step in status.steps.items() if step.kind == "wait" and step.state == "open")
    return [name for name, _ in waits if name in done]


def _result(name: str, results: Mapping[str, Any]) -> Any:
    if name in results or _map_of(name) not in results:
        return results.get(name)
    place = int(name[len(_map_of(name)) + 1 : -1])
    given = results[_map_of(name)]
    if not isinstance(given, list | tuple):
        raise InvalidWorkflow(f"results has {given!r:.80} for the map {_map_of(name)!r}: give the list of its results.")
    if place >= len(given):
        raise InvalidWorkflow(
            f"results has {len(given)} results for the map {_map_of(name)!r}, and none for {name!r}: give one for each "
            "of its items."
        )
    return given[place]


def _map_of(name: str) -> str:
    """The name of the map of which this is a part, such as `double` of `double[2]`."""
    return name.rpartition("[")[0] if name.endswith("]") else name
