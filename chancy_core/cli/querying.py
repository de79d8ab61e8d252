"""Which jobs a command is about: a query, or ids."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

import click

from chancy_core.values.jobfilter import JobFilter

F = TypeVar("F", bound=Callable[..., Any])

# A term that must not hold begins with a hyphen, as an option does: what is none is a term. So `-h` is no help here.
WITH_TERMS: Final = {"ignore_unknown_options": True, "help_option_names": ["--help"]}


def query_argument(command: F) -> F:
    """The argument of a command that takes a query: terms, one or several in a word."""
    return click.argument("query", nargs=-1, type=click.UNPROCESSED)(command)


def filter_of(query: Sequence[str]) -> JobFilter:
    """The filter that the words mean: terms, or nothing but ids.

    Raises:
        InvalidFilter: they mean none: where, why, and what to write.
    """
    words = [word for word in query if word.strip()]
    if words and all(map(_is_id, words)):
        return JobFilter(ids=tuple(words))
    return JobFilter.parse(" ".join(words))


def _is_id(word: str) -> bool:
    try:
        uuid.UUID(word)
    except ValueError:
        return False
    return True
