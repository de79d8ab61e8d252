"""`chancy config`."""

from __future__ import annotations

from collections.abc import Callable

import click
from rich.table import Table
from rich.text import Text

from chancy_core.app import Chancy
from chancy_core.beside import problem
from chancy_core.cli.showing import show_table
from chancy_core.config import describe


@click.command()
@click.pass_obj
def config(new_chancy: Callable[[], Chancy]) -> None:
    """The settings in force, and where each comes from. Secrets are hidden."""
    wrong = problem()
    if wrong is not None:
        click.echo(wrong, err=True)
    table = Table("setting", "value", "from", box=None)
    for path, value, source in describe(new_chancy().settings):
        table.add_row(Text(path), Text(value), Text(source))
    show_table(table)
