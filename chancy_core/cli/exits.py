"""Exit codes: a number means one thing, whatever the command, and each command's help lists its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import click

from chancy_core.cli.interrupts import INTERRUPTED

FAILED: Final = 1
MISUSED: Final = 2
# What every command may end with. 3 to 6 are how a worker stopped, 7 to 9 how a job ended that was waited for.
_USUAL: Final = {
    0: "it is done",
    FAILED: "it failed, or something was refused: the line on stderr says why",
    MISUSED: "an option or an argument is wrong",
    INTERRUPTED: "Ctrl-C",
}
#: `chancy worker --until-idle`: what is left are jobs that this worker cannot run.
LEFT_UNABLE: Final = 10
#: `chancy migrate --check`: the schema does not fit this code.
DOES_NOT_FIT: Final = 11
#: An action on many jobs ended before it had come to all of them.
STOPPED_BETWEEN: Final = 12
#: `chancy db status`: the embedded PostgreSQL does not run.
NOT_RUNNING: Final = 13


def exits(special: Mapping[int, str] | None = None) -> str:
    """The end of a command's help: its exit codes.

    Args:
        special: those that are not the same for every command, or mean something more exact.
    """
    codes = sorted({**_USUAL, **(special or {})}.items())
    return f"Exit codes: {'; '.join(f'{code} {meaning}' for code, meaning in codes)}."


def with_exits(command: click.Command) -> click.Command:
    """The command, whose help lists the usual exit codes unless it lists its own; those inside of a group too."""
    if isinstance(command, click.Group):
        for inner in command.commands.values():
            with_exits(inner)
    elif command.epilog is None:
        command.epilog = exits()
    return command
