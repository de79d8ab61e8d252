"""Another program whose command this is: `manage.py chancy worker`, and so on."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import click

_KEY: Final = "chancy_core.cli.program"


class Program(NamedTuple):
    """A program that has the command `chancy` as one of its own.

    Attributes:
        name: how it is called, as in the usage: `manage.py chancy`.
        start: what starts another process of it, up to the arguments of `chancy`.
        settings: what its Chancy is made with, before which the options of the command line go.
        begins: called with the name of the subcommand, before that is run.
        goes_on: whether the process has other things to do after the command. Else a worker is its end: it sees to it
            that the process ends in time, and takes over its signals and whatever nobody catches.
    """

    name: str
    start: Sequence[str]
    settings: Mapping[str, Any]
    begins: Callable[[str], None] = lambda _: None
    goes_on: bool = False


def begun(ctx: click.Context) -> Mapping[str, Any]:
    """Remember whose command it is, and let that begin; the settings that it gives."""
    program = ctx.obj
    if not isinstance(program, Program):
        return {}
    ctx.meta[_KEY] = program
    program.begins(ctx.invoked_subcommand or "")
    return program.settings


def ends_its_process(ctx: click.Context) -> bool:
    """Whether the process ends with this command."""
    program = ctx.meta.get(_KEY)
    return not (isinstance(program, Program) and program.goes_on)


def start_of(ctx: click.Context) -> Sequence[str]:
    """What starts another process of this program, up to the arguments of `chancy`."""
    program = ctx.meta.get(_KEY)
    return program.start if isinstance(program, Program) else (sys.executable, "-m", "chancy_core")
