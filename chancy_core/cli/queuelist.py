"""`chancy queues`, which is also `chancy queue list`."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any, Final

import click

from chancy_core.app import Chancy
from chancy_core.cli.showing import json_option, looked_at, show_json, show_rows
from chancy_core.cli.times import span
from chancy_core.config import Settings
from chancy_core.config.tomltext import dotted
from chancy_core.store.looks import Waiting, look_at_live
from chancy_core.values.queue import Queue, UnreadableQueue
from chancy_core.values.workerinfo import WorkerInfo

HEADINGS: Final = ("queue", "state", "live jobs", "oldest", "workers", "concurrency", "tags", "executor", "limits")
# What is so unless somebody says otherwise.
USUAL: Final = {
    "state": {"active"},
    "oldest": {"-"},
    "concurrency": {"worker's"},
    "tags": {".*"},
    "executor": {"AutoExecutor"},
    "limits": {"none"},
}


@click.command()
@json_option
@click.pass_obj
def queues(new_chancy: Callable[..., Chancy], as_json: bool) -> None:
    """Every declared queue, what waits and runs in it, and how many workers serve it."""
    with new_chancy(looking=True) as chancy:
        live = chancy.sync_pool.run(lambda: look_at_live(chancy.store))
        found = chancy.sync_get_all_queues()
        unreadable = chancy.sync_get_unreadable_queues()
        workers = [worker for worker in chancy.sync_get_workers() if worker.alive]
    declared = {*(queue.name for queue in found), *(bad.name for bad in unreadable)}
    undeclared = sorted({*live.queues} - declared)
    if as_json:
        show_json(
            {
                "schema": chancy.settings.schema,
                "counts_exact": live.exact,
                "queues": [queue_document(queue, live.queues.get(queue.name), workers) for queue in found],
                "unreadable": [{"name": bad.name, "problem": bad.problem} for bad in unreadable],
                "undeclared": [{"name": name, "jobs": live.queues[name].counts} for name in undeclared],
            }
        )
        return
    rows = [queue_row(queue, live.queues.get(queue.name), workers) for queue in found]
    rows += [_bare(bad.name, "cannot be read", live.queues.get(bad.name)) for bad in unreadable]
    rows += [_bare(name, "not declared", live.queues.get(name)) for name in undeclared]
    if rows:
        show_rows(HEADINGS, rows, usual=USUAL)
    else:
        click.echo(f"No queue is declared in {looked_at(chancy)}. To declare one: chancy queue declare NAME")
    _explain(unreadable, undeclared, exact=live.exact)
    _explain_coming(chancy.settings, declared)


def serving(queue: Queue, workers: Sequence[WorkerInfo]) -> list[WorkerInfo]:
    """The workers of these that serve a queue."""
    return [worker for worker in workers if worker.serves(queue)]


def source_of(settings: Settings, name: str) -> str:
    """Who says what a queue of the settings is to be: the file, say."""
    table = dotted("queues", name)
    found = {source for path, source in settings.sources.items() if path == table or path.startswith(f"{table}.")}
    return ", ".join(sorted(found))


def _explain_coming(settings: Settings, declared: Collection[str]) -> None:
    """Say which queues stand in the settings, and are not there yet: whoever only looks declares nothing."""
    for name in sorted({*settings.queues} - {*declared}):
        click.echo(
            f"\n{name} stands in {source_of(settings, name)} and is not declared yet: it will be when an application "
            f"or a worker opens, or now: chancy queue declare {name}"
        )


def _explain(unreadable: Sequence[UnreadableQueue], undeclared: Sequence[str], *, exact: bool) -> None:
    for bad in unreadable:
        click.echo(f"\nNo worker serves {bad.name}: {bad.problem}")
    for name in undeclared:
        click.echo(f"\nNo worker serves {name}, which nobody has declared: chancy queue declare {name}")
    if not exact:
        click.echo("\nThere are more live jobs than were counted.")


def queue_row(queue: Queue, waiting: Waiting | None, workers: Sequence[WorkerInfo]) -> tuple[str, ...]:
    """A queue in the list."""
    return (
        queue.name,
        f"{queue.state} until {queue.resume_at:%Y-%m-%d %H:%M %Z}" if queue.resume_at else str(queue.state),
        jobs_text(waiting),
        "-" if waiting is None or waiting.oldest_s is None else span(waiting.oldest_s),
        str(len(serving(queue, workers))),
        str(queue.concurrency or "worker's"),
        " ".join(queue.tags),
        str(queue.executor).rpartition(".")[2],
        _limits(queue),
    )


def _bare(name: str, state: str, waiting: Waiting | None) -> tuple[str, ...]:
    return (name, state, jobs_text(waiting), "-", "0", "", "", "", "")


def jobs_text(waiting: Waiting | None) -> str:
    """The live jobs of a queue, in words."""
    if waiting is None:
        return "none"
    return ", ".join(f"{count:,} {state}" for state, count in sorted(waiting.counts.items()))


def queue_document(queue: Queue, waiting: Waiting | None, workers: Sequence[WorkerInfo]) -> dict[str, Any]:
    """A queue for programs."""
    return {
        **queue.to_dict(),
        "jobs": {} if waiting is None else waiting.counts,
        "oldest_s": None if waiting is None else waiting.oldest_s,
        "workers": [worker.name for worker in serving(queue, workers)],
    }


def _limits(found: Queue) -> str:
    parts = []
    if found.rate_limit is not None:
        parts.append(f"{found.rate_limit:,} in {found.rate_limit_window:g} s")
    if found.global_concurrency is not None:
        parts.append(f"{found.global_concurrency:,} at a time")
    return ", ".join(parts) or "none"
