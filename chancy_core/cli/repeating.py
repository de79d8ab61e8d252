"""The command line once more, for a process that is to do the same."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click
from click.core import ParameterSource

# What is for the one that supervises.
_LEFT_OUT = frozenset({"processes", "watch", "place"})


def command_of(ctx: click.Context) -> list[str]:
    """The arguments after `chancy` that lead to this context, without those that are for the supervisor."""
    words: list[str] = []
    if ctx.parent is not None:
        words += [*command_of(ctx.parent), str(ctx.info_name)]
    for parameter in ctx.command.params:
        name = str(parameter.name)
        if name in _LEFT_OUT or ctx.get_parameter_source(name) is not ParameterSource.COMMANDLINE:
            continue
        words += _words(parameter, ctx.params.get(name))
    return words


def _words(parameter: click.Parameter, value: Any) -> Iterator[str]:
    if not isinstance(parameter, click.Option):
        yield from map(str, value if isinstance(value, tuple) else (value,))
    elif parameter.is_flag:
        yield parameter.opts[0]
    else:
        for one in value if parameter.multiple else (value,):
            # In one word: it may begin with a hyphen.
            yield f"{parameter.opts[0]}={one}"
