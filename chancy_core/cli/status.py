"""`chancy status`: the whole on one screen, once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any, Final, NamedTuple

import click

from chancy_core.app import Chancy
from chancy_core.cli.failurelist import HEADINGS as FAILURES
from chancy_core.cli.failurelist import USUAL as USUAL_FAILURES
from chancy_core.cli.failurelist import failure_row
from chancy_core.cli.queuelist import HEADINGS as QUEUES
from chancy_core.cli.queuelist import USUAL as USUAL_QUEUES
from chancy_core.cli.queuelist import queue_document, queue_row, serving
from chancy_core.cli.showing import json_option, looked_at, show_facts, show_json, show_rows
from chancy_core.cli.times import size, span
from chancy_core.cli.workerlist import HEADINGS as WORKERS
from chancy_core.cli.workerlist import usual_of, worker_row
from chancy_core.store.looks import DatabaseLook, Live, look_at_database, look_at_live
from chancy_core.values.failures import Failures
from chancy_core.values.found import Count
from chancy_core.values.queue import Queue, QueueState
from chancy_core.values.queuedjob import State
from chancy_core.values.workerinfo import WorkerInfo

# What failed within so long is news.
LATELY: Final = "1h"
FAILED: Final = f"state:failed since:{LATELY}"
# How long may be looked for it.
LOOK_S: Final = 1.0
# The most frequent causes of that; all of them are for `chancy failures`.
CAUSES_MAX: Final = 3
# More than a screen is for `chancy queues` and `chancy workers`.
ROWS_MAX: Final = 10
# Of queues in a sentence, the first few.
NAMED_MAX: Final = 5
# A snapshot that is held for so long keeps dead rows from being removed.
OLD_S: Final = 60.0
_ORDER: Final = (State.PENDING, State.RUNNING, State.SCHEDULED, State.RETRYING)


class Status(NamedTuple):
    """What was looked at."""

    database: DatabaseLook
    live: Live
    failed: Count
    queues: list[Queue]
    workers: list[WorkerInfo]
    failures: Failures


@click.command()
@json_option
@click.pass_obj
def status(new_chancy: Callable[..., Chancy], as_json: bool) -> None:
    """What waits and runs, what failed lately, the workers, the queues, and the database: one screen, once."""
    with new_chancy(looking=True) as chancy:
        found = Status(
            chancy.sync_pool.run(lambda: look_at_database(chancy.store)),
            chancy.sync_pool.run(lambda: look_at_live(chancy.store)),
            chancy.sync_count_jobs(FAILED, within_s=LOOK_S),
            chancy.sync_get_all_queues(),
            chancy.sync_get_workers(runs=True),
            chancy.sync_find_failures(FAILED, limit=CAUSES_MAX, within_s=LOOK_S),
        )
    if as_json:
        show_json(_document(chancy, found))
        return
    show_facts(_facts(chancy, found))
    alive = [worker for worker in found.workers if worker.alive]
    click.echo()
    # Those with jobs first: on one screen, these are what somebody looks for.
    queues = sorted(found.queues, key=lambda queue: queue.name not in found.live.queues)
    rows = [queue_row(queue, found.live.queues.get(queue.name), alive) for queue in queues]
    _show(QUEUES, rows, USUAL_QUEUES, command="chancy queues")
    if found.workers:
        click.echo()
        _show(
            WORKERS, [worker_row(worker) for worker in found.workers], usual_of(found.workers), command="chancy workers"
        )
    if found.failures.groups:
        click.echo()
        # Its id is for `chancy failures`: one screen has no room for it.
        rows = [tuple(failure_row(group))[:-1] for group in found.failures.groups]
        _show(FAILURES[:-1], rows, USUAL_FAILURES, command="chancy failures")
    for line in remarks(found, alive):
        click.echo(f"\n{line}")


def _facts(chancy: Chancy, found: Status) -> list[tuple[str, str]]:
    database = found.database
    counts: Counter[str] = Counter()
    for waiting in found.live.queues.values():
        counts.update(waiting.counts)
    oldest_s = max((one.oldest_s for one in found.live.queues.values() if one.oldest_s is not None), default=None)
    parts = [f"{counts[state]:,} {state}{_oldest(state, oldest_s)}" for state in _ORDER if counts[state]]
    alive = sum(worker.alive for worker in found.workers)
    lost = f", {len(found.workers) - alive} lost" if alive < len(found.workers) else ""
    return [
        ("where", looked_at(chancy)),
        ("jobs", (", ".join(parts) or "none live") + ("" if found.live.exact else ", and more that were not counted")),
        ("failed", f"{'' if found.failed.exact else 'about '}{found.failed.value:,} within the last hour"),
        ("workers", f"{alive} alive{lost}"),
        (
            "database",
            f"PostgreSQL {database.version}, {size(database.size_bytes)}, "
            f"{database.connections} of {database.connections_max} connections" + _taking(database),
        ),
    ]


def _taking(database: DatabaseLook) -> str:
    """What there is to say of a server that takes no changes."""
    if database.behind_s is None:
        return ", READ-ONLY" if database.read_only else ""
    return f", a standby, {span(database.behind_s)} behind" if database.behind_s else ", a standby, up to date"


def _oldest(state: State, oldest_s: float | None) -> str:
    return f" (the oldest for {span(oldest_s)})" if state is State.PENDING and oldest_s is not None else ""


def _show(headings: tuple[str, ...], rows: list[tuple[str, ...]], usual: Any, *, command: str) -> None:
    show_rows(headings, rows[:ROWS_MAX], usual=usual)
    if len(rows) > ROWS_MAX:
        click.echo(f" … and {len(rows) - ROWS_MAX:,} more: {command}")


def remarks(found: Status, alive: list[WorkerInfo]) -> list[str]:
    """What whoever reads this will want to do next."""
    said = []
    waiting = {name for name, one in found.live.queues.items() if one.counts.get(State.PENDING)}
    unserved = []
    for queue in found.queues:
        if queue.name in waiting and queue.state is QueueState.PAUSED:
            said.append(f"Jobs wait in {queue.name}, which is paused. To go on: chancy queue resume {queue.name}")
        elif queue.name in waiting and not serving(queue, alive):
            unserved.append(queue.name)
    if unserved:
        names = ", ".join(unserved[:NAMED_MAX]) + (", …" if len(unserved) > NAMED_MAX else "")
        said.append(f"Jobs wait in {names}, which no worker that lives serves. To start one: chancy worker")
    said += [
        f"Jobs wait in {name}, which nobody has declared. To do so: chancy queue declare {name}"
        for name in sorted(waiting - {queue.name for queue in found.queues})
    ]
    if found.failed.value:
        said.append(f"What failed: chancy failures since:{LATELY}, or each job: chancy jobs {FAILED}")
    oldest_s = found.database.oldest_transaction_s
    if oldest_s is not None and oldest_s > OLD_S:
        said.append(f"Some transaction has been open for {span(oldest_s)}: until it ends, no dead rows are removed.")
    return said


def _document(chancy: Chancy, found: Status) -> dict[str, Any]:
    alive = [worker for worker in found.workers if worker.alive]
    return {
        "schema": chancy.settings.schema,
        "database": found.database,
        "counts_exact": found.live.exact,
        "failed": {"query": FAILED, **found.failed.to_dict(), "causes": found.failures.to_dict()["groups"]},
        "queues": [queue_document(queue, found.live.queues.get(queue.name), alive) for queue in found.queues],
        "undeclared": [
            {"name": name, "jobs": found.live.queues[name].counts}
            for name in sorted({*found.live.queues} - {queue.name for queue in found.queues})
        ],
        "workers": [worker.to_dict() for worker in found.workers],
    }
