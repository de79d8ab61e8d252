"""Rows of jobs as the statements that store them want them: parameters, arrays, lines of COPY."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from chancy_core.store.arrays import sparse_array, unquoted_array
from chancy_core.store.jobrows import JobRow

COPY_NULL: Final = "\\N"
# The columns that are stored. What a row says of its unique key besides is for the choice of the statement.
_STORED: Final = 12
COLUMNS: Final = JobRow._fields[:_STORED]
# What `insert_simple_job` does not store, at the end of a row.
_NO_OTHERS: Final[list[Any]] = [None] * 4


def insert_params(rows: Sequence[JobRow]) -> dict[str, Any]:
    """The rows as one array a column, for `insert_jobs`."""
    columns = dict(zip(COLUMNS, map(list, zip(*rows, strict=True)), strict=False))
    params: dict[str, Any] = {name: sparse_array(values) for name, values in columns.items()}
    for name in ("id", "priority", "max_attempts"):
        params[name] = unquoted_array(columns[name])
    params["queues"] = list(set(columns["queue"]))
    return params


def simple_params(row: JobRow) -> dict[str, Any] | None:
    """The row for `insert_simple_job`; None if it has more than that stores."""
    id_, queue, func, priority, max_attempts, scheduled_at, unique_key, kwargs, *others = row[:_STORED]
    if scheduled_at is not None or unique_key is not None or others != _NO_OTHERS:
        return None
    return {
        "id": id_,
        "queue": queue,
        "func": func,
        "priority": str(priority),
        "max_attempts": str(max_attempts),
        "kwargs": kwargs,
    }


def insert_one_params(row: JobRow) -> dict[str, Any]:
    """The row for `insert_job`: numbers as text, because psycopg gives them a type each by their size."""
    params: dict[str, Any] = dict(zip(COLUMNS, row, strict=False))
    params["priority"] = str(row.priority)
    params["max_attempts"] = str(row.max_attempts)
    return params


def copy_line(row: JobRow) -> str:
    """The row in the text format of `copy_jobs`.

    Backslashes are doubled, and nothing else needs escaping (PostgreSQL manual, COPY, "Text
    Format"): names hold no control characters, and JSON writes those as escapes.
    """
    if row.scheduled_at is None:
        state, due = "pending", COPY_NULL
    else:
        # Whether its time has come is for the database's clock to say: promotion asks it.
        state, due = "scheduled", row.scheduled_at.isoformat()
    return (
        f"{row.id}\t{row.queue}\t{row.func}\t{row.priority}\t{row.max_attempts}\t{state}\t{due}\t"
        f"{_field(row.kwargs)}\t{_field(row.meta)}\t{_field(row.limits)}\t{_field(row.options)}\t"
        f"{COPY_NULL if row.expires_at is None else row.expires_at.isoformat()}\n"
    )


def _field(text: str | None) -> str:
    return COPY_NULL if text is None else text.replace("\\", "\\\\")
