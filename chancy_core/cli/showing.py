"""Tables and JSON, and what an empty list says."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from io import StringIO
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click
import msgspec

from chancy_core.app import Chancy
from chancy_core.store.connect import where

if TYPE_CHECKING:
    from rich.table import Table

F = TypeVar("F", bound=Callable[..., Any])

# In a file or a pipe nobody's lines need to be broken, and nobody sees the blanks at their end.
WIDE: Final = 100_000


def json_option(command: F) -> F:
    """The option `--json` of a command: one document, for programs."""
    return click.option("--json", "as_json", is_flag=True, help="One JSON document, for programs.")(command)


def show_json(document: Any) -> None:
    """Print one document."""
    click.echo(msgspec.json.format(msgspec.json.encode(document)).decode())


def show_rows(
    headings: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    usual: Mapping[str, Collection[str]] | None = None,
    whole: Collection[str] = (),
) -> None:
    """Print rows of text under headings.

    Args:
        headings: one for each column.
        rows: the cells, as they are: nothing in them is markup.
        usual: what is no news in a column. A terminal has room for few columns: there, one without any news, or without
            anything in it, is left out.
        whole: the headings of columns whose cells are never broken into lines.
    """
    from rich.table import Table  # noqa: PLC0415 -- as long to import as a question to the database takes
    from rich.text import Text  # noqa: PLC0415

    shown = [
        number
        for number, heading in enumerate(headings)
        if not is_terminal() or any(row[number] not in {"", *(usual or {}).get(heading, ())} for row in rows)
    ]
    table = Table(box=None, pad_edge=True)
    for number in shown:
        table.add_column(headings[number], overflow="fold", no_wrap=headings[number] in whole)
    for row in rows:
        table.add_row(*(Text(row[number]) for number in shown))
    show_table(table)


def show_blocks(blocks: Sequence[tuple[str, str]]) -> None:
    """Print pairs of lines on a terminal: the first broken where it has to be, the second, if there is one, cut."""
    width = shutil.get_terminal_size().columns
    for first, second in blocks:
        click.echo(first)
        if second:
            line = f"  {second}"
            line = line if len(line) <= width else f"{line[: width - 1]}…"
            click.echo(line if os.environ.get("NO_COLOR") else click.style(line, dim=True))


def show_facts(rows: Sequence[Sequence[str]]) -> None:
    """Print rows without headings; only the last cell of a row is ever broken."""
    from rich.table import Table  # noqa: PLC0415 -- as above
    from rich.text import Text  # noqa: PLC0415

    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    last = max(map(len, rows), default=0) - 1
    for number in range(last + 1):
        table.add_column(overflow="fold", no_wrap=number < last)
    for row in rows:
        table.add_row(*map(Text, row))
    show_table(table)


def show_table(table: Table) -> None:
    """Print a table: on a terminal as wide as that, anywhere else a row a line, whole."""
    from rich.console import Console  # noqa: PLC0415 -- as above

    if is_terminal():
        Console().print(table)
        return
    text = StringIO()
    Console(file=text, width=WIDE).print(table)
    lines = [line.rstrip() for line in text.getvalue().splitlines()]
    click.echo("\n".join(lines))


def looked_at(chancy: Chancy) -> str:
    """Where a list was looked for: the schema and the database, without secrets. For `There is no … in {…}`."""
    dsn = chancy.settings.dsn
    found = where(dsn) if dsn else "the embedded PostgreSQL"
    return f"schema {chancy.settings.schema!r} at {found}"


def is_terminal() -> bool:
    """Whether somebody looks at the output."""
    return sys.stdout.isatty()
