"""Which jobs a command is about: a query, or ids."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

import click

from chancy_core.cli.suggesting import query_terms
from chancy_core.values.jobfilter import JobFilter

F = TypeVar("F", bound=Callable[..., Any])

# A term that must not hold begins with a hyphen, as an option does: what is none is a term. So `-h` is no help here.
WITH_TERMS: Final = {"ignore_unknown_options": True, "help_option_names": ["--help"]}


def query_argument(command: F) -> F:
    """The argument of a command that takes a query: terms, one or several in a word."""
    return click.argument("query", nargs=-1, type=click.UNPROCESSED, shell_complete=query_terms)(command)


def filter_of(query: Sequence[str]) -> JobFilter:
    """The filter that the words mean: terms, or nothing but ids.

    Raises:
        InvalidFilter: they mean none: where, why, and what to write.
    """
    found = ids_or_filter(query)
    return found if isinstance(found, JobFilter) else JobFilter(ids=tuple(found))


def ids_or_filter(query: Sequence[str]) -> JobFilter | list[str]:
    """The ids, if the words are nothing but ids; or else the filter that they mean. Raises InvalidFilter."""
    words = [part for word in query for part in word.split()]
    if words and all(map(_is_id, words)):
        return words
    return JobFilter.parse(" ".join(word for word in query if word.strip()))


def _is_id(word: str) -> bool:
    try:
        uuid.UUID(word)
    except ValueError:
        return False
    return True
