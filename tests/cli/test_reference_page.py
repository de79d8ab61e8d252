"""The page of the command line is what the commands say of themselves."""

from __future__ import annotations

from pathlib import Path

import click
import pytest

from chancy_core.cli.group import COMMANDS, chancy
from chancy_core.cli.reference import page

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "cli.md"


def commands() -> dict[str, click.Command]:
    """Each command by the words that call it."""
    found: dict[str, click.Command] = {}

    def add(path: str, command: click.Command) -> None:
        if isinstance(command, click.Group):
            for name, inner in command.commands.items():
                add(f"{path} {name}", inner)
        else:
            found[path] = command

    context = click.Context(chancy, info_name="chancy")
    for name in COMMANDS:
        add(name, chancy.get_command(context, name))
    return found


def test_the_page_is_that_of_the_commands():
    """To mend it: python -m chancy_core.cli.reference > docs/reference/cli.md."""
    assert PAGE.read_text() == "\n".join(page()).rstrip("\n") + "\n"


@pytest.mark.parametrize("path", commands())
def test_every_command_lists_its_exit_codes_and_explains_its_options(path):
    """In its help, where whoever writes a script looks."""
    command = commands()[path]
    assert command.help
    assert command.help.rstrip().endswith((".", ":", "`")), command.help
    assert command.epilog.startswith("Exit codes: 0 ")
    for option in command.params:
        if isinstance(option, click.Option) and not option.hidden:
            assert option.help, option.name
