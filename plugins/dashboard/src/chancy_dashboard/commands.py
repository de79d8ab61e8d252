"""`chancy dashboard`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import click

from chancy import Chancy
from chancy_dashboard.guard import LOOPBACK_NAMES, is_loopback

NewChancy = Callable[..., Chancy]
PORT: Final = 8765


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen at.")
@click.option("--port", default=PORT, show_default=True, type=click.IntRange(0, 65_535), help="0: any that is free.")
@click.option("--read-only", is_flag=True, help="Nobody may change anything.")
@click.option("--replica", "replica", metavar="DSN", help="Look there, so that the primary does not feel it.")
@click.option("--prefix", default="", help="The path under which a proxy has it, such as /jobs.")
@click.pass_obj
def dashboard(new_chancy: NewChancy, host: str, port: int, read_only: bool, replica: str | None, prefix: str) -> None:
    """Serve the dashboard, for this machine, until Ctrl-C."""
    from chancy_dashboard.app import Dashboard  # noqa: PLC0415 -- other commands need no web framework
    from chancy_dashboard.serving import address, listen, serve  # noqa: PLC0415

    if not is_loopback(host):
        raise click.UsageError(f"--host {host}: others could see and change everything. Give --password-file as well.")
    app = Dashboard(new_chancy(auto_migrate=False), read_only=read_only, dsn=replica, hosts=LOOPBACK_NAMES)
    try:
        listening = listen(host, port)
    except OSError as error:
        raise click.ClickException(f"Cannot listen at {host}:{port}: {error.strerror}. Give another --port.") from None
    serve(app, listening, prefix=prefix, told=lambda: click.echo(f"The dashboard is at {address(listening, prefix)}"))
