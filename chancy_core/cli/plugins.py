"""`chancy plugins`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click
from rich.markup import escape
from rich.table import Table

from chancy_core.app import Chancy
from chancy_core.cli.showing import json_option, looked_at, show_json, show_table
from chancy_core.cli.times import ago
from chancy_core.cli.workerlist import leads_text
from chancy_core.errors import ChancyError
from chancy_core.values.workerinfo import PluginStatus, WorkerInfo


@click.command()
@json_option
@click.pass_obj
def plugins(new_chancy: Callable[..., Chancy], as_json: bool) -> None:
    """The plugins in force here, in the order in which their hooks are called, and how they do in running workers."""
    # To look at plugins makes no tables.
    found = new_chancy(auto_migrate=False)
    workers: list[WorkerInfo] = []
    problem = None
    try:
        with found as chancy:
            workers = chancy.sync_get_workers()
    except ChancyError as error:
        # What is installed is known without a database.
        problem = str(error)
    if as_json:
        show_json(_document(found, workers, problem))
        return
    if found.plugins.loaded:
        show_table(_installed(found))
    else:
        click.echo('No plugin is installed. The usual ones: pip install "chancy-core[standard]"')
    click.echo()
    if problem is not None:
        click.echo(f"How they do in running workers is not known: {problem}")
    elif workers:
        show_table(_running(workers))
    else:
        click.echo(f"No worker runs in {looked_at(found)}.")
    for line in (*_unable(workers), *_unserved(workers)):
        click.echo(line)


def _document(chancy: Chancy, workers: list[WorkerInfo], problem: str | None) -> dict[str, Any]:
    installed = [
        {
            "name": loaded.name,
            "from": loaded.origin,
            "hooks": list(chancy.plugins.implemented(loaded.name)),
            "interval_s": loaded.plugin.interval,
            "leader_only": loaded.plugin.leader_only,
        }
        for loaded in chancy.plugins.loaded
    ]
    return {"plugins": installed, "workers": [worker.to_dict() for worker in workers], "problem": problem}


def _installed(chancy: Chancy) -> Table:
    table = Table("order", "plugin", "from", "hooks", "every", "on the leader only", box=None)
    for number, loaded in enumerate(chancy.plugins.loaded, 1):
        table.add_row(
            str(number),
            escape(loaded.name),
            escape(loaded.origin),
            " ".join(chancy.plugins.implemented(loaded.name)) or "none",
            f"{loaded.plugin.interval:g} s" if loaded.plugin.interval else "",
            "yes" if loaded.plugin.leader_only else "",
        )
    return table


def _running(workers: list[WorkerInfo]) -> Table:
    table = Table("worker", "leads", "plugin", "ticks", "last tick", "failures", "last error", box=None)
    for worker in workers:
        name, leads = escape(worker.name), _leads(worker)
        if worker.status is None or not worker.status.plugins:
            table.add_row(name, leads, "" if worker.status else "has not said", "", "", "", "")
            continue
        for plugin in worker.status.plugins:
            table.add_row(name, leads, *_cells(plugin))
    return table


def _unable(workers: list[WorkerInfo]) -> list[str]:
    """What workers cannot run, a line each."""
    return [
        f"\n{worker.name} cannot run {one.func}, as it found {ago(one.since_s_ago)}, and leaves its "
        f"jobs in the queue {one.queue} to other workers: {one.problem}"
        for worker in workers
        if worker.status is not None
        for one in worker.status.unable
    ]


def _unserved(workers: list[WorkerInfo]) -> list[str]:
    """Which queues workers should serve and do not, a line each."""
    return [
        f"\n{worker.name} does not serve the queue {one.queue}: {one.problem}"
        for worker in workers
        if worker.alive and worker.status is not None
        for one in worker.status.unserved
    ]


def _leads(worker: WorkerInfo) -> str:
    if not worker.alive:
        return f"lost, seen {ago(worker.seen_s_ago)}"
    return leads_text(worker)


def _cells(plugin: PluginStatus) -> tuple[str, ...]:
    error = "" if plugin.error is None else f"{ago(plugin.failed_s_ago)}: {escape(plugin.error)}"
    return (escape(plugin.name), f"{plugin.ticks:,}", ago(plugin.ticked_s_ago), f"{plugin.failures:,}", error)
