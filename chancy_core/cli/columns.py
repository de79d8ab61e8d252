"""The columns of a list of jobs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

import click
import msgspec

from chancy_core.cli.times import ago, exact_span, moment
from chancy_core.errors import nearest
from chancy_core.values.queuedjob import QueuedJob

Cell = Callable[[QueuedJob], str]

#: What is shown unless somebody says otherwise.
DEFAULT: Final = ("id", "state", "func", "queue", "since", "problem")


def _error(job: QueuedJob) -> str:
    return f"{job.errors[-1].type}: {job.errors[-1].message}" if job.errors else ""


def _problem(job: QueuedJob) -> str:
    """The error of one that did not go well, or else what there is to say about it."""
    return _line(_error(job) if job.errors and job.state != "succeeded" else job.note or "")


def _since(job: QueuedJob) -> str:
    at = job.completed_at or job.started_at or job.created_at
    return "" if at is None else ago((datetime.now(UTC) - at).total_seconds())


_CELLS: Final[Mapping[str, Cell]] = {
    "id": lambda job: str(job.id),
    "state": lambda job: str(job.state),
    "func": lambda job: job.func,
    "queue": lambda job: job.queue,
    "since": _since,
    "problem": _problem,
    "priority": lambda job: str(job.priority),
    "attempts": lambda job: f"{job.attempts}/{job.max_attempts}",
    "created": lambda job: moment(job.created_at),
    "due": lambda job: moment(job.scheduled_at),
    "started": lambda job: moment(job.started_at),
    "finished": lambda job: moment(job.completed_at),
    "took": lambda job: exact_span(job.run_s) if job.run_s else "",
    "worker": lambda job: job.worker or "",
    "key": lambda job: job.unique_key or "",
    "error": lambda job: _line(_error(job)),
    "note": lambda job: _line(job.note or ""),
    "result": lambda job: "" if job.result is None else _line(_json(job.result)),
    "progress": lambda job: "" if job.progress is None else f"{100 * job.progress.fraction:.0f} %",
    "kwargs": lambda job: _line(_json(job.kwargs)),
    "meta": lambda job: _line(_json(job.meta)),
}
NAMES: Final = (*_CELLS, "kwargs.NAME", "meta.NAME")


def cell_of(name: str) -> Cell:
    """What a column shows of a job. Raises click.BadParameter if there is no such column."""
    found = _CELLS.get(name)
    if found is not None:
        return found
    field, _, path = name.partition(".")
    if field in ("kwargs", "meta") and path:
        return lambda job: _at(getattr(job, field), path)
    raise click.BadParameter(
        f"{name[:60]!r} is no column.{nearest(name, _CELLS)} There are: {', '.join(NAMES)}.", param_hint="--columns"
    )


def _at(value: Any, path: str) -> str:
    """What stands in JSON at a path."""
    for part in path.split("."):
        if isinstance(value, Mapping) and part in value:
            value = value[part]
        elif isinstance(value, list) and part.isdecimal() and int(part) < len(value):
            value = value[int(part)]
        else:
            return ""
    return _line(value if isinstance(value, str) else _json(value))


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _line(text: str) -> str:
    return " ".join(text.split())
