"""`chancy dashboard`."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from chancy import Chancy
from chancy.errors import ChancyError
from chancy_dashboard.door.guard import LOOPBACK_NAMES, is_loopback

if TYPE_CHECKING:
    from chancy_dashboard.app import Dashboard

NewChancy = Callable[..., Chancy]
PORT: Final = 8765


@click.command(epilog="Exit codes: 0 it was told to stop; 1 it cannot listen, or its files are wrong; 130 Ctrl-C.")
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen at.")
@click.option(
    "--port", default=PORT, show_default=True, type=click.IntRange(0, 65_535), help="The port; 0: any that is free."
)
@click.option("--read-only", is_flag=True, help="Nobody may change anything.")
@click.option("--replica", metavar="DSN", help="Look there, so that the primary does not feel it.")
@click.option("--password-file", type=click.Path(dir_okay=False, path_type=Path), help="Who may come in, and do what.")
@click.option("--add-user", metavar="NAME", help="Ask for a password, write NAME into the password file, and end.")
@click.option("--may", default="read", show_default=True, help="What the new user may do, such as read,retry@mail.")
@click.option("--prefix", default="", help="The path under which a proxy has it, such as /jobs.")
@click.option("--name", "names", multiple=True, help="A name by which it may be asked for; repeat it for more.")
@click.option("--trust-proxy", "proxies", multiple=True, help="A proxy whose X-Forwarded headers are believed.")
@click.pass_obj
def dashboard(new_chancy: NewChancy, /, **given: Any) -> None:
    """Serve the dashboard until Ctrl-C, and print its address.

    It answers this machine alone, unless --password-file says who else may come in.
    """
    if given["add_user"] is not None:
        _add_user(given["password_file"], given["add_user"], given["may"])
        return
    _check(given)
    from chancy_dashboard.serving import address, listen, serve  # noqa: PLC0415 -- other commands need no web framework

    app, host, port = _dashboard(new_chancy, given), given["host"], given["port"]
    try:
        listening = listen(host, port)
    except OSError as error:
        raise click.ClickException(
            f"Cannot listen at {host}, port {port}: {error.strerror or error}. Give another --host or --port."
        ) from None
    prefix = given["prefix"].rstrip("/")
    serve(app, listening, prefix=prefix, told=lambda: _tell(address(listening, prefix), given))


def _check(given: dict[str, Any]) -> None:
    host, prefix = given["host"], given["prefix"]
    if not is_loopback(host) and given["password_file"] is None:
        raise click.UsageError(
            f"--host {host} lets others in, who could see and change everything. Give --password-file FILE as well "
            "(--add-user NAME makes one), or mount the dashboard in an application that knows its users."
        )
    if prefix and (not prefix.startswith("/") or prefix.startswith("//")):
        raise click.UsageError(f"--prefix {prefix}: give a path that begins with one slash, such as /jobs.")
    if given["proxies"] and given["password_file"] is None:
        raise click.UsageError(
            "--trust-proxy: who comes through a proxy has to be known. Give --password-file as well."
        )


def _dashboard(new_chancy: NewChancy, given: dict[str, Any]) -> Dashboard:
    from chancy_dashboard.app import Dashboard  # noqa: PLC0415 -- other commands need no web framework
    from chancy_dashboard.door.passwords import PasswordFile  # noqa: PLC0415

    names = given["names"] or (LOOPBACK_NAMES if is_loopback(given["host"]) and not given["proxies"] else None)
    try:
        return Dashboard(
            new_chancy(auto_migrate=False),
            authorize=None if given["password_file"] is None else PasswordFile(given["password_file"]),
            read_only=given["read_only"],
            dsn=given["replica"],
            hosts=names,
            trusted_proxies=given["proxies"],
        )
    except ChancyError as error:
        raise click.ClickException(str(error)) from None


def _tell(address: str, given: dict[str, Any]) -> None:
    click.echo(f"The dashboard is at {address}")
    if given["password_file"] is None:
        click.echo("It answers this machine alone, and lets it do everything. Ctrl-C ends it.")
    elif not is_loopback(given["host"]):
        click.echo("Passwords are sent as they are: let a proxy with TLS stand before it.")


def _add_user(path: Path | None, name: str, may: str) -> None:
    from chancy_dashboard.door.passwords import PASSWORD_MIN, Entry, access_of, entries_of, hash_password  # noqa: PLC0415

    if path is None:
        raise click.UsageError("--add-user: give --password-file FILE as well, where the line is written.")
    if not name.strip() or ":" in name or not name.isprintable() or name.lstrip().startswith("#"):
        raise click.UsageError(f"--add-user {name!r}: give printable characters without a colon.")
    try:
        told = access_of(Entry(name, "", may)).told()
        known = entries_of(text, path) if path.exists() and (text := path.read_text(encoding="utf-8")).strip() else {}
    except (ChancyError, OSError, ValueError) as error:
        raise click.ClickException(str(error)) from None
    if name in known:
        raise click.ClickException(f"{path} has {name!r} already: delete the line first.")
    password = click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    if len(password) < PASSWORD_MIN:
        raise click.ClickException(f"Give a password of {PASSWORD_MIN} characters or more.")
    _append(path, f"{name}:{hash_password(password)}:{may}\n")
    click.echo(f"{name} may do {told}. Now: chancy dashboard --host 0.0.0.0 --password-file {path}")


def _append(path: Path, line: str) -> None:
    try:
        # Only its owner reads it: a hash can be guessed at leisure.
        number = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        with os.fdopen(number, "a", encoding="utf-8") as file:
            file.write(line)
    except OSError as error:
        raise click.ClickException(f"{path} cannot be written: {error.strerror}.") from None
