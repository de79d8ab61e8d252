"""`chancy history`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any, Final

import click
import msgspec
from rich.table import Table
from rich.text import Text

from chancy import Chancy
from chancy.plugin import looked_at, show_table
from chancy_history.rates import Rate, Rates
from chancy_history.reading import BY, rates

NewChancy = Callable[..., Chancy]
# As many signs as a column of a terminal can spare, and enough to see an hour go up and down.
TREND_STEPS: Final = 20
LEVELS: Final = "▁▂▃▄▅▆▇█"
MINUTE_S: Final = 60
HOUR_S: Final = 3600
TEN: Final = 10


@click.command()
@click.option("--since", default="1h", show_default=True, help="How far back: 5m, 36h, 14d.")
@click.option("--by", type=click.Choice(BY), default="queue", show_default=True, help="A line for each of what.")
@click.option("--queue", help="Only what this queue did.")
@click.option("--func", help="Only what this function did.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document, for programs.")
@click.pass_obj
def history(new_chancy: NewChancy, since: str, by: str, queue: str | None, func: str | None, *, as_json: bool) -> None:
    """Rates, failures, waits and run times of the queues or functions, and their trend.

    IN/s are jobs that came to wait for a worker, OUT/s jobs that ended. Of waits and run times the median and the 95th
    of a hundred are shown. A worker writes what it counted every ten seconds.
    """
    found, where = asyncio.run(_read(new_chancy, since=since, by=by, queue=queue, func=func))
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(_document(found))).decode())
    elif not found.rows:
        whose = "".join(f" of {kind} {name!r}" for kind, name in (("queue", queue), ("function", func)) if name)
        click.echo(f"Nothing was counted{whose} since {found.since:%Y-%m-%d %H:%M} UTC in {where}.", err=True)
        click.echo("Workers that have the plugin history count what they run: chancy plugins", err=True)
    else:
        _show(found, by)


async def _read(new_chancy: NewChancy, **wanted: Any) -> tuple[Rates, str]:
    async with new_chancy() as chancy:
        return await rates(chancy, steps=TREND_STEPS, **wanted), looked_at(chancy)


def _document(found: Rates) -> dict[str, Any]:
    return {
        "since": found.since,
        "until": found.until,
        "seconds": found.seconds,
        "step_s": found.step_s,
        "rows": [asdict(row) for row in found.rows],
    }


def _show(found: Rates, by: str) -> None:
    names = {"queue": ["queue"], "func": ["func"], "both": ["queue", "func"]}[by]
    table = Table(box=None)
    for name in names:
        table.add_column(name, overflow="fold")
    for name in (*(["IN/s"] if by == "queue" else []), "OUT/s", "failed", "wait", "p95", "run", "p95"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("trend", no_wrap=True, overflow="crop")
    for row in found.rows:
        table.add_row(*(Text(cell) for cell in _cells(row, names, with_in=by == "queue")))
    show_table(table)


def _cells(row: Rate, names: Sequence[str], *, with_in: bool) -> list[str]:
    return [
        *(getattr(row, name) for name in names),
        *([_rate(row.in_per_s)] if with_in else []),
        _rate(row.out_per_s),
        "" if not row.failing else f"{100 * row.failing:.0f} %" if row.failing >= 0.01 else "< 1 %",  # noqa: PLR2004
        _span(row.wait_p50_s),
        _span(row.wait_p95_s),
        _span(row.run_p50_s),
        _span(row.run_p95_s),
        trend_text(row.trend),
    ]


def trend_text(values: Sequence[float]) -> str:
    """A sign for each value, as high as its share of the largest one; a blank for none."""
    most = max(values, default=0.0)
    if most <= 0:
        return ""
    return "".join(LEVELS[min(int(value / most * len(LEVELS)), len(LEVELS) - 1)] if value else " " for value in values)


def _rate(value: float | None) -> str:
    if value is None:
        return "?"
    return f"{value:,.0f}" if value >= TEN or not value else f"{value:.1f}" if value >= 0.1 else f"{value:.2g}"  # noqa: PLR2004


def _span(seconds: float | None) -> str:
    if seconds is None:
        return ""
    if seconds < 1:
        return f"{1000 * seconds:.0f} ms"
    for unit_s, unit in ((HOUR_S, "h"), (MINUTE_S, "min")):
        if seconds >= unit_s:
            return f"{seconds / unit_s:.0f} {unit}"
    return f"{seconds:.1f} s" if seconds < TEN else f"{seconds:.0f} s"
