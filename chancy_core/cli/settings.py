"""`chancy config`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import click

from chancy_core.app import Chancy
from chancy_core.beside import problem
from chancy_core.cli.showing import json_option, show_json, show_rows
from chancy_core.config import describe

# What holds where nothing is set, if that is worth a word.
UNSET: Final = {"dsn": "none: the embedded PostgreSQL", "functions": "any"}


@click.command()
@json_option
@click.pass_obj
def config(new_chancy: Callable[..., Chancy], as_json: bool) -> None:
    """The settings in force, and where each comes from. Secrets are hidden."""
    wrong = problem()
    if wrong is not None:
        click.echo(wrong, err=True)
    rows = describe(new_chancy().settings)
    if as_json:
        show_json([{"setting": path, "value": value or None, "from": source} for path, value, source in rows])
    else:
        show_rows(
            ("setting", "value", "from"), [(path, value or UNSET.get(path, ""), source) for path, value, source in rows]
        )
