"""`chancy plugins`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import click
from rich.markup import escape
from rich.table import Table

from chancy_core.app import Chancy
from chancy_core.cli.showing import looked_at, show_table
from chancy_core.errors import ChancyError
from chancy_core.values.workerinfo import PluginStatus, WorkerInfo

MINUTE_S: Final = 60
HOUR_S: Final = 3600
DAY_S: Final = 86_400


@click.command()
@click.pass_obj
def plugins(new_chancy: Callable[..., Chancy]) -> None:
    """The plugins in force here, in the order in which their hooks are called, and how they do in running workers."""
    # To look at plugins makes no tables.
    found = new_chancy(auto_migrate=False)
    if found.plugins.loaded:
        show_table(_installed(found))
    else:
        click.echo('No plugin is installed. The usual ones: pip install "chancy-core[standard]"')
    click.echo()
    try:
        with found as chancy:
            workers = chancy.sync_get_workers()
    except ChancyError as error:
        # What is installed is known without a database.
        click.echo(f"How they do in running workers is not known: {error}")
        return
    if workers:
        show_table(_running(workers))
    else:
        click.echo(f"No worker runs in {looked_at(chancy)}.")
    for line in _unable(workers):
        click.echo(line)


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
        f"\n{worker.name} cannot run {one.func}, as it found {_ago(one.since_s_ago)}, and leaves its "
        f"jobs in the queue {one.queue} to other workers: {one.problem}"
        for worker in workers
        if worker.status is not None
        for one in worker.status.unable
    ]


def _leads(worker: WorkerInfo) -> str:
    if not worker.alive:
        return f"lost, seen {_ago(worker.seen_s_ago)}"
    if worker.status is None:
        return ""
    return {True: "yes", False: "no", None: "no election"}[worker.status.leads]


def _cells(plugin: PluginStatus) -> tuple[str, ...]:
    error = "" if plugin.error is None else f"{_ago(plugin.failed_s_ago)}: {escape(plugin.error)}"
    return (escape(plugin.name), f"{plugin.ticks:,}", _ago(plugin.ticked_s_ago), f"{plugin.failures:,}", error)


def _ago(seconds: float | None) -> str:
    if seconds is None:
        return ""
    for unit_s, unit in ((DAY_S, "d"), (HOUR_S, "h"), (MINUTE_S, "min")):
        if seconds >= unit_s:
            return f"{seconds / unit_s:.0f} {unit} ago"
    return f"{max(seconds, 0):.0f} s ago"
