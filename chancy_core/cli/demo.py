"""`chancy demo`."""

from __future__ import annotations

import signal

import click

from chancy_core.cli.interrupts import INTERRUPTED


@click.command()
@click.pass_context
def demo(ctx: click.Context) -> None:
    """Run thousands of real jobs on a private PostgreSQL, and show what happened.

    The dashboard shows them meanwhile, if it is installed.
    They are in a schema of their own, `chancy_demo`, in the embedded PostgreSQL, whatever database is configured.
    """
    try:
        from chancy_core.demo.run import run  # noqa: PLC0415 -- imports take long enough to be interrupted

        code = run()
    except KeyboardInterrupt:
        # Told once is enough: a second Ctrl-C must not spoil the way out.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        click.echo("\nStopped. Nothing keeps running; start it again with `chancy demo`.")
        code = INTERRUPTED
    ctx.exit(code)
