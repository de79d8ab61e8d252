"""Steps of flows as plain statements, for connections of other drivers than psycopg 3.

Each driver has placeholders and types of its own. A statement with its values in it is the same for all of them, and
PostgreSQL reads a value as it reads one of psycopg: of the type that its place asks for.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

from psycopg.adapt import AdaptersMap, Transformer

from chancy_core.store.adapters import adapters
from chancy_core.store.flow import CopyIn, Query, Step
from chancy_core.store.insertparams import COPY_NULL

# A placeholder of psycopg, or a per cent sign, which is written twice where there are placeholders.
_PLACE: Final = re.compile(r"%(?:\((?P<name>\w+)\)[sbt]|%)")
_COPIED: Final = (
    "id",
    "queue",
    "func",
    "priority",
    "max_attempts",
    "state",
    "scheduled_at",
    "kwargs",
    "meta",
    "limits",
    "options",
    "expires_at",
)
# So much of what would be copied becomes one statement.
_COPIED_BYTES: Final = 1 << 20


class _Ours:
    """What psycopg asks for how values are written."""

    connection = None

    @property
    def adapters(self) -> AdaptersMap:
        return adapters()


def texts_of(step: Step, insert_lines: bytes) -> Iterator[str]:
    """The statements that do what a step of a flow asks for; its answer is that of the last one.

    Args:
        step: of a flow that runs on a caller's connection: a query, a pause, or a COPY of jobs.
        insert_lines: the statement that stores jobs instead of that COPY.
    """
    if isinstance(step, Query):
        yield filled(step.text, step.params)
    elif isinstance(step, CopyIn):
        for rows in _rows_of(step.parts):
            columns = {name: list(values) for name, values in zip(_COPIED, zip(*rows, strict=True), strict=True)}
            yield filled(insert_lines, columns)


def filled(text: bytes, params: Mapping[str, Any]) -> str:
    """A statement with its values in it, quoted."""
    statement = text.decode()
    if not params:
        return statement
    quote: Callable[[Any], bytes] = Transformer(_Ours()).as_literal
    return _PLACE.sub(lambda place: quote(params[place["name"]]).decode() if place["name"] else "%", statement)


def _rows_of(parts: Iterable[bytes]) -> Iterator[list[list[str | None]]]:
    """The rows in the lines of `copy_jobs`, some at a time."""
    rows: list[list[str | None]] = []
    size = 0
    for part in parts:
        rows += ([_value(field) for field in line.split("\t")] for line in part.decode().split("\n") if line)
        size += len(part)
        if size > _COPIED_BYTES:
            yield rows
            rows, size = [], 0
    if rows:
        yield rows


def _value(field: str) -> str | None:
    # Nothing but backslashes is escaped; see `copy_line`.
    return None if field == COPY_NULL else field.replace("\\\\", "\\")
