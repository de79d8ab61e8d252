"""`chancy workers`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Final

import click

from chancy_core.app import Chancy
from chancy_core.cli.showing import json_option, looked_at, show_json, show_rows
from chancy_core.cli.times import ago, span
from chancy_core.values.owntags import is_own
from chancy_core.values.workerinfo import RunInfo, WorkerInfo

HEADINGS: Final = (
    *("worker", "alive", "seen", "up", "runs", "leads", "cannot run", "queues", "does not serve", "version", "tags"),
)
RUNS: Final = ("worker", "job", "func", "queue", "attempt", "for", "")
USUAL: Final = {"leads": {"no election"}, "queues": {"all"}, "does not serve": {""}, "tags": {"*"}}


@click.command()
@click.option("--runs", is_flag=True, help="Also each job that runs now, on which of them, and for how long.")
@json_option
@click.pass_obj
def workers(new_chancy: Callable[..., Chancy], runs: bool, as_json: bool) -> None:
    """Every worker, lost ones until they are forgotten, when each was seen last, and what it runs now."""
    with new_chancy(looking=True) as chancy:
        found = chancy.sync_get_workers(runs=True)
    if as_json:
        show_json({"schema": chancy.settings.schema, "workers": [worker.to_dict() for worker in found]})
        return
    if not found:
        click.echo(f"No worker runs in {looked_at(chancy)}. To start one: chancy worker")
        return
    show_rows(HEADINGS, [worker_row(worker) for worker in found], usual=usual_of(found))
    if runs:
        click.echo()
        rows = [_run_row(worker, run) for worker in found for run in worker.runs or ()]
        if rows:
            show_rows(RUNS, rows, usual={"queue": {"default"}, "attempt": {"1"}}, whole={"job", "for"})
        else:
            click.echo("No job runs now.")
    if any(worker.status is not None and (worker.status.unable or worker.status.unserved) for worker in found):
        click.echo("\nWhy they cannot run it, or do not serve it: chancy plugins")


def worker_row(worker: WorkerInfo) -> tuple[str, ...]:
    """A worker in the list."""
    return (
        worker.name,
        "yes" if worker.alive else "lost",
        ago(worker.seen_s_ago),
        span(_up_s(worker)),
        "" if worker.runs is None else f"{len(worker.runs):,}",
        leads_text(worker),
        " ".join(one.func for one in worker.status.unable) if worker.status is not None else "",
        "all" if worker.queues is None else " ".join(worker.queues),
        " ".join(one.queue for one in worker.status.unserved) if worker.status is not None else "",
        worker.version or "",
        " ".join(tag for tag in worker.tags if not is_own(tag)) or "*",
    )


def usual_of(workers: Sequence[WorkerInfo]) -> dict[str, set[str]]:
    """What is no news in a list of these: a version that all of them have, too."""
    versions = {worker.version or "" for worker in workers}
    return {**USUAL, "version": versions if len(versions) == 1 else set()}


def _run_row(worker: WorkerInfo, run: RunInfo) -> tuple[str, ...]:
    note = "to be cancelled" if run.cancel_requested else ""
    return (worker.name, str(run.id), run.func, run.queue, str(run.attempt), span(run.since_s_ago), note)


def _up_s(worker: WorkerInfo) -> float:
    """For how long it has been registered, by this machine's clock: it is for looking at."""
    return (datetime.now(UTC) - worker.started_at).total_seconds()


def leads_text(worker: WorkerInfo) -> str:
    """Whether a worker leads, in a word or two; nothing if it has not said."""
    if worker.status is None:
        return ""
    return {True: "yes", False: "no", None: "no election"}[worker.status.leads]
