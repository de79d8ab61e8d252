"""`chancy prune`."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import click
from rich.table import Table
from rich.text import Text

from chancy import Chancy
from chancy.plugin import duration_text, show_table
from chancy_pruner.plan import Line, plan
from chancy_pruner.prune import Pruned
from chancy_pruner.store import PrunerStore

if TYPE_CHECKING:
    from chancy_pruner.plugin import Pruner

NewChancy = Callable[[], Chancy]
# By command one wants it done, however long it takes.
NO_END_S: Final = float("inf")


def prune_command(pruner: Pruner) -> click.Command:
    """The command, with a plugin's settings."""

    @click.command()
    @click.option("--dry-run", is_flag=True, help="Tell what would go, and change nothing. The default.")
    @click.option("--now", is_flag=True, help="Do it, rather than wait for a worker to.")
    @click.pass_obj
    def prune(new_chancy: NewChancy, dry_run: bool, now: bool) -> None:
        """Tell which finished jobs would be pruned by now, or prune them."""
        if dry_run and now:
            raise click.UsageError("--dry-run changes nothing, and --now does: give one of them.")
        if now:
            _show_done(asyncio.run(_prune(new_chancy, pruner)))
        else:
            _show_rules(pruner)
            _show_plan(asyncio.run(_plan(new_chancy, pruner)))

    return prune


async def _plan(new_chancy: NewChancy, pruner: Pruner) -> list[Line]:
    async with new_chancy() as chancy, chancy.pool.connection() as connection:
        return await plan(PrunerStore(chancy.settings.schema, connection), pruner.retentions)


async def _prune(new_chancy: NewChancy, pruner: Pruner) -> Pruned:
    async with new_chancy() as chancy, chancy.pool.connection() as connection:
        return await pruner.rounds().run(PrunerStore(chancy.settings.schema, connection), budget_s=NO_END_S)


def _show_rules(pruner: Pruner) -> None:
    table = Table("outcome", "rule", "kept", "a partition spans", box=None)
    for retention in pruner.retentions:
        for rule in retention.rules:
            _row(table, retention.state, rule.label, duration_text(rule.keep_s), duration_text(retention.width_s))
    show_table(table)


def _show_plan(lines: list[Line]) -> None:
    click.echo()
    if not lines:
        click.echo("Nothing is old enough to go.")
        return
    table = Table("outcome", "rule", "jobs", "how", "partition", box=None)
    for line in lines:
        how = f"dropped whole ({_size(line.bytes)})" if line.whole else "deleted in batches"
        _row(table, line.outcome, line.rule, _count(line.rows, exact=line.exact), how, line.partition)
    show_table(table)
    total = sum(line.rows for line in lines)
    whole = sum(line.whole for line in lines)
    exact = all(line.exact for line in lines)
    click.echo(f"\n{_count(total, exact=exact)} jobs would go, {whole} partitions among them whole.")


def _show_done(done: Pruned) -> None:
    for name in done.dropped:
        click.echo(f"partition {name} dropped")
    for (outcome, rule), count in sorted(done.deleted.items()):
        click.echo(f"{count:,} {outcome} jobs deleted ({rule})")
    for name in done.made:
        click.echo(f"partition {name} made")
    for (outcome, what), why in done.put_off.items():
        click.echo(f"could not {what} partitions of {outcome} jobs: {why}", err=True)
    if not any((done.dropped, done.deleted, done.made, done.put_off)):
        click.echo("Nothing was old enough to go.")


def _count(rows: int, *, exact: bool) -> str:
    return f"{rows:,}" if exact else f"about {rows:,}"


def _size(size_bytes: int) -> str:
    sizes = Counter({"kB": 1 << 10, "MB": 1 << 20, "GB": 1 << 30})
    unit = next((unit for unit, least in reversed(sizes.items()) if size_bytes >= least), "kB")
    return f"{size_bytes / sizes[unit]:.0f} {unit}"


def _row(table: Table, *cells: Any) -> None:
    table.add_row(*(Text(str(cell)) for cell in cells))
