"""`chancy migrate`."""

from __future__ import annotations

from collections.abc import Callable

import click

from chancy_core.app import Chancy


@click.command()
@click.pass_obj
def migrate(new_chancy: Callable[[], Chancy]) -> None:
    """Bring the schema up to date."""
    with new_chancy() as chancy:
        # Opening may have made a schema that was missing.
        done = [*chancy.migrated, *chancy.sync_migrate()]
        for migration in done:
            click.echo(f"applied {migration.owner} {migration.version}")
        if not done:
            click.echo(f"The schema {chancy.settings.schema!r} is up to date.")
        for owner in chancy.left_behind:
            click.echo(f"The tables of {owner} stay as they are: no plugin of that name is loaded.")
