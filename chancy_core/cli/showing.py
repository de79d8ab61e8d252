"""Tables, and what an empty list says."""

from __future__ import annotations

import sys
from io import StringIO
from typing import Final

import click
from rich.console import Console
from rich.table import Table

from chancy_core.app import Chancy
from chancy_core.store.connect import where

# In a file or a pipe nobody's lines need to be broken, and nobody sees the blanks at their end.
WIDE: Final = 100_000


def show_table(table: Table) -> None:
    """Print a table: on a terminal as wide as that, anywhere else a row a line, whole."""
    if _is_terminal():
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


def _is_terminal() -> bool:
    return sys.stdout.isatty()
