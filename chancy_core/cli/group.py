"""The command's frame: options that all share, and errors that a person can act on."""

from __future__ import annotations

import os
import sys
from functools import partial
from importlib import import_module
from typing import Any, Final

import click
import psycopg

from chancy_core.app import Chancy
from chancy_core.cli import logs
from chancy_core.cli.elsewhere import told_of
from chancy_core.cli.exits import exits, with_exits
from chancy_core.cli.interrupts import INTERRUPTED, ending_at_once, heed
from chancy_core.cli.looking import Looking
from chancy_core.cli.program import Program, begun
from chancy_core.cli.suggesting import is_completing
from chancy_core.errors import ChancyError
from chancy_core.store.cures import cure, with_cure

# The others look at what is there, or change it: a misspelt name must not become a schema with all its tables.
MAKE_SCHEMAS: Final = frozenset({"worker", "migrate", "push"})
LEVELS: Final = ("debug", "info", "warning", "error")
LEVEL_HELP: Final = "From which level on events are written. Default: info for a worker, warning for all others."
# Where each command is. What is not asked for is not imported: it would take longer than a look at the database.
COMMANDS: Final = {
    "bench": "benching.command",
    "cancel": "acting",
    "completion": "completion",
    "config": "settings",
    "db": "db",
    "delete": "acting",
    "demo": "demo",
    "failures": "failurelist",
    "job": "onejob",
    "jobs": "joblist",
    "migrate": "migrate",
    "move": "acting",
    "plugins": "plugins",
    "push": "jobs",
    "queue": "queues",
    "queues": "queuelist",
    "retry": "acting",
    "status": "status",
    "worker": "worker",
    "workers": "workerlist",
}


class Group(click.Group):
    """A group whose commands end with one line when Chancy refuses something."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The kernel's commands, and those that plugins bring."""
        try:
            brought = self._brought(ctx)
        except ChancyError as error:
            # Whoever looks for help finds it, and what is wrong.
            if not is_completing():
                logs.tell(error)
            brought = {}
        return sorted({*COMMANDS, *brought})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """A command of the kernel, or else of a plugin."""
        if cmd_name in COMMANDS:
            module = import_module(f"chancy_core.cli.{COMMANDS[cmd_name]}")
            return with_exits(getattr(module, cmd_name))
        found = self._brought(ctx).get(cmd_name)
        return None if found is None else with_exits(found)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that is meant. Of one that is not there, it is said where it may be."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError:
            hint = told_of(args[0])
            if hint is None:
                raise
            raise click.UsageError(f"No such command {args[0]!r}. {hint}", ctx) from None

    def _brought(self, ctx: click.Context) -> dict[str, click.Command]:
        settings = ctx.obj.settings if isinstance(ctx.obj, Program) else {}
        new_chancy = ctx.obj if callable(ctx.obj) else partial(Chancy, **settings)
        return {str(command.name): command for command in new_chancy().plugins.commands(COMMANDS)}

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command."""
        heed()
        try:
            return super().invoke(ctx)
        except ChancyError as error:
            logs.tell(error)
            ctx.exit(1)
        except psycopg.Error as error:
            # What nobody can do anything about is an error of ours, and needs its traceback.
            if cure(error) is None:
                raise
            logs.tell(with_cure(error))
            ctx.exit(1)
        except (KeyboardInterrupt, click.Abort):
            click.echo("Stopped.", err=True)
            ctx.exit(INTERRUPTED)


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"]}, epilog=exits())
@click.option("--dsn", help="The database. Default: CHANCY_DSN, the configuration file, or the embedded PostgreSQL.")
@click.option("--schema", help="The schema that holds Chancy's tables.")
@click.option("--config", type=click.Path(dir_okay=False), help="The configuration file.")
@click.option("--log-level", type=click.Choice(LEVELS), help=LEVEL_HELP)
@click.option("--log-format", type=click.Choice(logs.FORMATS), help=logs.FORMAT_HELP)
@click.version_option(package_name="chancy-core")
@click.pass_context
def chancy(
    ctx: click.Context,
    dsn: str | None,
    schema: str | None,
    config: str | None,
    log_level: str | None,
    log_format: str | None,
) -> None:
    """A job queue on PostgreSQL."""
    # A worker has nothing to say but its events; what another command has done, it prints, and once is enough.
    level = log_level or ("info" if ctx.invoked_subcommand == "worker" else "warning")
    ctx.call_on_close(logs.set_up(level, log_format))
    # Functions are found as `python -m` would find them: from here.
    if os.getcwd() not in sys.path:  # noqa: PTH109 -- sys.path holds strings
        sys.path.insert(0, os.getcwd())  # noqa: PTH109

    given = begun(ctx)

    def new_chancy(*, looking: bool = False, **settings: Any) -> Chancy:
        if looking:
            settings["auto_migrate"] = False
        # Which imports whatever plugins there are, unless it is only to look.
        with ending_at_once():
            named = {"dsn": dsn, "schema": schema, "config": config, "log_format": log_format}
            told = {name: value for name, value in named.items() if value is not None}
            made = (Looking if looking else Chancy)(**{**given, **told, **settings})
        if ctx.invoked_subcommand not in MAKE_SCHEMAS:
            made.connections.refuse_missing_schema()
        logs.use(made.settings.log_format)
        return made

    ctx.obj = new_chancy
