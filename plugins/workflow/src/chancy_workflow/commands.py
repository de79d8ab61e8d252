"""`chancy workflow list|show|cancel|retry|signal|graph`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from datetime import datetime
from typing import Any, Final, TypeVar
from uuid import UUID

import click
import msgspec
from rich.table import Table
from rich.text import Text

from chancy import Chancy
from chancy.plugin import looked_at, opened, show_table
from chancy_workflow import reading_runs
from chancy_workflow.acting import MODES
from chancy_workflow.errors import InvalidWorkflow
from chancy_workflow.flow import Workflow
from chancy_workflow.run import Run
from chancy_workflow.work import run as do

NewChancy = Callable[..., Chancy]
T = TypeVar("T")
STATES: Final = ("running", "succeeded", "failed", "cancelled")
FORMATS: Final = {"text": Workflow.to_text, "mermaid": Workflow.to_mermaid, "svg": Workflow.to_svg}

_json = click.option("--json", "as_json", is_flag=True, help="One JSON document, for programs.")
_id = click.argument("run_id", metavar="RUN")


@click.group()
def workflow() -> None:
    """Look at runs of workflows, and act on them."""


@workflow.command("list")
@click.option("--name", help="Only runs of this workflow.")
@click.option("--state", type=click.Choice(STATES), help="Only runs in this state.")
@click.option(
    "--limit", type=click.IntRange(1, reading_runs.LIST_MOST), default=20, show_default=True, help="How many."
)
@_json
@click.pass_obj
def list_(new_chancy: NewChancy, name: str | None, state: str | None, limit: int, *, as_json: bool) -> None:
    """Runs, the newest first."""

    async def read(chancy: Chancy) -> tuple[list[dict[str, Any]], str]:
        pool = await opened(chancy)
        async with pool.connection() as connection:
            work = reading_runs.list_runs(name=name, state=state, limit=limit)
            return await do(chancy, connection, work), looked_at(chancy)

    rows, where = _do(new_chancy, read)
    if as_json:
        _show_json({"runs": rows})
    elif not rows:
        click.echo(f"No run was found in {where}.", err=True)
    else:
        table = Table("run", "workflow", "state", "steps", "pushed", "ended", "note", box=None)
        for row in rows:
            steps = f"{row['size'] - row['unended']}/{row['size']}"
            attempt = f" ({row['attempt']})" if row["attempt"] > 1 else ""
            cells = [
                row["id"],
                row["name"],
                row["state"] + attempt,
                steps,
                _at(row["created_at"]),
                _at(row["ended_at"]),
            ]
            table.add_row(*(Text(cell) for cell in [*cells, row["note"] or ""]))
        show_table(table)


@workflow.command()
@_id
@_json
@click.pass_obj
def show(new_chancy: NewChancy, run_id: str, *, as_json: bool) -> None:
    """A run: its steps, and why those wait that do."""
    status = _do(new_chancy, lambda chancy: Run(chancy, run_id).status())
    if as_json:
        _show_json(status.to_dict())
    else:
        click.echo(str(status))


@workflow.command()
@_id
@click.option("--reason", help="Why, for those who look at it later.")
@click.option("--now", is_flag=True, help="Begin nothing any more, not even steps that undo and tidy up.")
@_json
@click.pass_obj
def cancel(new_chancy: NewChancy, run_id: str, reason: str | None, *, now: bool, as_json: bool) -> None:
    """Stop a run: its jobs are cancelled, and what waits is skipped."""
    done = _do(new_chancy, lambda chancy: Run(chancy, run_id).cancel(reason, handlers=not now))
    if as_json:
        _show_json({"run": run_id, "cancelled": done})
    else:
        click.echo(f"Run {run_id} is being stopped." if done else f"Run {run_id} had ended before.")


@workflow.command()
@_id
@click.option("--mode", type=click.Choice(MODES), default="failed", show_default=True, help="What runs again.")
@click.option("--from", "from_", metavar="STEP", help="This step, and what comes after it, instead.")
@_json
@click.pass_obj
def retry(new_chancy: NewChancy, run_id: str, mode: Any, from_: str | None, *, as_json: bool) -> None:
    """Let a run that has ended go on: with what failed, with what comes after it too, or with everything."""
    attempt = _do(new_chancy, lambda chancy: Run(chancy, run_id).retry(mode, from_=from_))
    if as_json:
        _show_json({"run": run_id, "attempt": attempt})
    else:
        click.echo(f"Run {run_id} is under way again: attempt {attempt}.")


@workflow.command()
@_id
@click.argument("name")
@click.argument("value", default="null")
@_json
@click.pass_obj
def signal(new_chancy: NewChancy, run_id: str, name: str, value: str, *, as_json: bool) -> None:
    """Send the signal NAME to a run, with VALUE, a JSON document, as the result of its step."""
    try:
        decoded = msgspec.json.decode(value)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as wrong:
        raise click.UsageError(
            f"VALUE is {value!r:.80}, which is no JSON: {wrong}. A text needs quotes, as '\"yes\"'."
        ) from None
    _do(new_chancy, lambda chancy: Run(chancy, run_id).signal(name, decoded))
    if as_json:
        _show_json({"run": run_id, "signal": name, "value": decoded})
    else:
        click.echo(f"The signal {name} was sent to run {run_id}.")


@workflow.command()
@click.argument("source", metavar="RUN|FILE")
@click.option("--mermaid", "format_", flag_value="mermaid", help="As a flowchart of Mermaid.")
@click.option("--svg", "format_", flag_value="svg", help="As a picture.")
@click.option("--text", "format_", flag_value="text", default="text", help="As text, which is the default.")
@_json
@click.pass_obj
def graph(new_chancy: NewChancy, source: str, format_: str, *, as_json: bool) -> None:
    """The workflow of a run, or the one in a file that `Workflow.to_json` has written; - is stdin.

    With --json as such a file, so that what a run was can be kept, changed and pushed again.
    """
    flow = _do(new_chancy, lambda chancy: Run(chancy, source).workflow()) if _is_id(source) else _in_file(source)
    if as_json:
        _show_json(flow.to_dict())
    else:
        click.echo(FORMATS[format_](flow))


def _is_id(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True


def _in_file(name: str) -> Workflow:
    """The workflow in a file."""
    try:
        with click.open_file(name, encoding="utf-8") as file:
            return Workflow.from_json(file.read())
    except OSError as wrong:
        raise click.ClickException(
            f"{name!r:.200} is no id of a run, and no file that can be read: {wrong.strerror}. "
            "The runs that there are: chancy workflow list"
        ) from None
    except (InvalidWorkflow, UnicodeDecodeError) as wrong:
        raise click.ClickException(f"{name!r:.200}: {wrong}") from None


def _do(new_chancy: NewChancy, call: Callable[[Chancy], Coroutine[Any, Any, T]]) -> T:
    async def inside() -> T:
        async with new_chancy() as chancy:
            return await call(chancy)

    return asyncio.run(inside())


def _show_json(document: Any) -> None:
    click.echo(msgspec.json.format(msgspec.json.encode(document)).decode())


def _at(moment: datetime | None) -> str:
    return "" if moment is None else f"{moment:%Y-%m-%d %H:%M:%S}"
