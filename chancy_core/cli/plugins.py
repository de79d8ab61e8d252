"""`chancy plugins`, and the commands that plugins bring."""

from __future__ import annotations

from collections.abc import Callable

import click
from rich.console import Console
from rich.table import Table

from chancy_core.app import Chancy


@click.command()
@click.pass_obj
def plugins(new_chancy: Callable[[], Chancy]) -> None:
    """The plugins in force, in the order in which their hooks are called."""
    host = new_chancy().plugins
    if not host.loaded:
        click.echo('No plugin is installed. The usual ones: pip install "chancy-core[standard]"')
        return
    table = Table("plugin", "from", "hooks", "every", "on the leader only", box=None)
    for loaded in host.loaded:
        table.add_row(
            loaded.name,
            loaded.origin,
            " ".join(host.implemented(loaded.name)) or "none",
            f"{loaded.plugin.interval:g} s" if loaded.plugin.interval else "",
            "yes" if loaded.plugin.leader_only else "",
        )
    Console(soft_wrap=True).print(table)
