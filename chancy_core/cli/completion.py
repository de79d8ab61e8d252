"""`chancy completion`."""

from __future__ import annotations

from typing import Final

import click
from click.shell_completion import get_completion_class

from chancy_core.cli.suggesting import VARIABLE

SHELLS: Final = ("bash", "zsh", "fish")


@click.command()
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print what makes SHELL complete commands, options, queues, functions, and the terms of a query.

    \b
    bash  echo 'eval "$(chancy completion bash)"' >> ~/.bashrc
    zsh   echo 'eval "$(chancy completion zsh)"' >> ~/.zshrc
    fish  chancy completion fish > ~/.config/fish/completions/chancy.fish

    Names of queues and functions are asked of the database, which has a second to answer.
    """  # noqa: D301 -- \\b is a character of click's: what follows is not to be broken
    found = get_completion_class(shell)
    if found is None:
        raise click.ClickException(f"This version of click knows nothing of {shell}.")
    click.echo(found(ctx.find_root().command, {}, "chancy", VARIABLE).source())
