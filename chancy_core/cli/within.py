"""Runs the command `chancy` within another program."""

from __future__ import annotations

from collections.abc import Sequence

from chancy_core.cli.group import chancy
from chancy_core.cli.program import Program


def run_program(program: Program, arguments: Sequence[str]) -> None:
    """Run the command `chancy` as a command of another program. Ends the process, as the command itself does.

    Args:
        program: which one.
        arguments: what stands after `chancy`.

    Raises:
        SystemExit: with the exit code.
    """
    chancy(args=list(arguments), prog_name=program.name, obj=program)
