"""Runs the command `chancy` within another program."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext

from chancy_core.cli.group import chancy
from chancy_core.cli.program import Program
from chancy_core.worker.signals import put_back


def run_program(program: Program, arguments: Sequence[str]) -> None:
    """Run the command `chancy` as a command of another program.

    It ends the process, as the command itself does, unless the program goes on: then whoever catches SystemExit finds
    signals as they were.

    Args:
        program: which one.
        arguments: what stands after `chancy`.

    Raises:
        SystemExit: with the exit code.
    """
    with put_back() if program.goes_on else nullcontext():
        chancy(args=list(arguments), prog_name=program.name, obj=program)
