"""`chancy metrics`."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib.resources import files
from typing import Any, Final

import click

from chancy import Chancy

# What there is, by the name of the argument.
FILES: Final = {"prometheus": "prometheus.json", "postgresql": "postgresql.json", "alerts": "alerts.yml"}


@click.command()
@click.argument("what", type=click.Choice(list(FILES)))
@click.pass_obj
def metrics(new_chancy: Callable[..., Chancy], what: str) -> None:
    """Print a Grafana board, or the alert rules for Prometheus, to be saved in a file.

    \b
    chancy metrics prometheus > chancy.json   a board that reads Prometheus
    chancy metrics postgresql > chancy.json   a board that reads the views of Chancy's schema
    chancy metrics alerts > chancy.yml        alert rules for Prometheus
    """  # noqa: D301 -- click's mark for lines that stay as they are
    text = read(FILES[what])
    if what == "postgresql":
        text = with_schema(text, new_chancy().settings.schema)
    click.echo(text, nl=False)


def read(name: str) -> str:
    """A file of this package, as it is."""
    return (files("chancy_metrics") / "boards" / name).read_text("utf-8")


def with_schema(text: str, schema: str) -> str:
    """The board, looking at that schema unless somebody chooses another one."""
    board: dict[str, Any] = json.loads(text)
    for variable in board["templating"]["list"]:
        if variable["name"] == "schema":
            variable |= {"query": schema, "current": {"text": schema, "value": schema}}
    return json.dumps(board, indent=2, ensure_ascii=False) + "\n"
