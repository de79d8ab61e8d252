"""Find among the jobs of a test those that somebody expects; and tell what came near, if there are none."""

from __future__ import annotations

import difflib
import reprlib
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from chancy_core.errors import InvalidJob, similar
from chancy_core.store import Flow
from chancy_core.store.flow import Query
from chancy_core.store.jobs import get_jobs
from chancy_core.store.statements import statement
from chancy_core.values.job import Job
from chancy_core.values.known import job_of
from chancy_core.values.naming import name_of
from chancy_core.values.queue import Queue
from chancy_core.values.queuedjob import QueuedJob, State

if TYPE_CHECKING:
    from chancy_core.app import Chancy

# A test with more jobs than that is about something else.
LOOKED_AT: Final = 10_000
SHOWN: Final = 5
# What else of a job may be asked for: fields that read as they were written.
FIELDS: Final = ("queue", "priority", "max_attempts", "unique_key", "state", "scheduled_at", "expires_at")
_NUMBERS: Final = ("priority", "max_attempts")
_TIMES: Final = ("scheduled_at", "expires_at")
_SQL: Final = "chancy_core.testing.sql"


class Wanted:
    """What is looked for among the jobs.

    Args:
        func: a function, its importable name, a `Job` of it; None: any.
        kwargs: what its arguments have, at least: dicts in it are compared in the same way, all else as JSON.
        meta: what its meta has, at least.
        fields: the fields of a job by their names, and what they are: a value, or a function that says whether it fits.
    """

    def __init__(
        self,
        func: Any = None,
        *,
        kwargs: Mapping[str, Any] | None = None,
        meta: Mapping[str, Any] | None = None,
        **fields: Any,
    ) -> None:
        for name, value in fields.items():
            if name not in FIELDS:
                near = difflib.get_close_matches(name, FIELDS, n=1)
                meant = f" Did you mean {near[0]!r}?" if near else ""
                raise InvalidJob(
                    f"{name}= is nothing to look for: give func, kwargs, meta, {', '.join(FIELDS)}.{meant}"
                )
            _check_field(name, value)
        self.func: Final = _name(func)
        self._parts: Final = {"kwargs": kwargs, "meta": meta}
        self._fields: Final = fields

    def misfits(self, job: QueuedJob) -> list[str]:
        """What of a job is another than is wanted, one line each."""
        found = [] if self.func in (None, job.func) else [f"func is {job.func}"]
        for name, wanted in self._parts.items():
            if wanted is not None:
                found += _differences(name, getattr(job, name), wanted)
        for name, wanted in self._fields.items():
            has = getattr(job, name)
            if not (wanted(has) if callable(wanted) else _alike(has, wanted)):
                found.append(f"{name} is {_shown(has)}")
        return found

    def __str__(self) -> str:
        words = [self.func or "any function"]
        words += [f"{name}={dict(part)!r}" for name, part in self._parts.items() if part is not None]
        return ", ".join([*words, *(f"{name}={value!r}" for name, value in self._fields.items())])


def all_jobs(chancy: Chancy) -> Flow[list[QueuedJob]]:
    """The jobs of the schema, the oldest first."""
    text = statement("find_pushed", chancy.settings.schema, _SQL)
    rows = yield Query(text, {"func": None, "queue": None, "limit": LOOKED_AT})
    ids = [row[0] for row in rows]
    found = yield from get_jobs(chancy.store, ids)
    return [found[id_] for id_ in ids if id_ in found]


def fitting(jobs: Sequence[QueuedJob], wanted: Wanted) -> list[QueuedJob]:
    """Those of the jobs that are wanted."""
    return [job for job in jobs if not wanted.misfits(job)]


def missed(jobs: Sequence[QueuedJob], wanted: Wanted, count: int | None, found: int) -> str:
    """Why an assertion fails: what was looked for, and what came nearest."""
    many = "a job" if count is None else f"{count} {'job' if count == 1 else 'jobs'}"
    told = [f"Expected {many} of {wanted}, and found {found or 'none'}."]
    if not jobs:
        return f"{told[0]} No job at all has been pushed here."
    near = sorted(((wanted.misfits(job), job) for job in jobs), key=lambda one: _distance(wanted, *one))
    near = [one for one in near if one[0]]
    told += [f"  {job.func} ({job.state}, {job.queue}): {'; '.join(misfits)}" for misfits, job in near[:SHOWN]]
    if len(near) > SHOWN:
        told.append(f"  … and {len(near) - SHOWN} more.")
    return "\n".join([f"{told[0]} Pushed, the nearest first:", *told[1:]] if near else told)


def unexpected(found: Sequence[QueuedJob], wanted: Wanted) -> str:
    """Why a refutation fails."""
    told = [f"  {job.func} ({job.state}, {job.queue}), kwargs {_shown(job.kwargs)}" for job in found[:SHOWN]]
    return "\n".join([f"Expected no job of {wanted}, and found {len(found)}:", *told])


def check_count(count: Any) -> None:
    """Raise InvalidJob unless so many jobs can be asserted."""
    if count is None or (isinstance(count, int) and not isinstance(count, bool) and count > 0):
        return
    raise InvalidJob(
        f"count is {_shown(count)}: give how many jobs there are to be, from 1 on, or None for at least one. That "
        "there is none is asserted by refute_pushed."
    )


def _check_field(name: str, wanted: Any) -> None:
    """Raise InvalidJob if no job has such a value, so that nothing would be found, and each refutation would hold.

    Objects of other kinds may compare themselves in ways of their own, such as `mock.ANY`.
    """
    states = [str(state) for state in State]
    if name == "state" and isinstance(wanted, str) and wanted not in states:
        known = ", ".join(states)
        raise InvalidJob(f"state is {_shown(wanted)}, which no job ever is: give {known}.{similar(wanted, states)}")
    if name == "queue" and isinstance(wanted, Queue):
        raise InvalidJob(f"queue is a Queue: give its name, {wanted.name!r}.")
    if name in _NUMBERS and isinstance(wanted, str):
        raise InvalidJob(f"{name} is {_shown(wanted)}, a text: give a number, or a function that says whether it fits.")
    if name in _TIMES and (isinstance(wanted, str) or (isinstance(wanted, datetime) and wanted.tzinfo is None)):
        raise InvalidJob(
            f"{name} is {_shown(wanted)}: give a datetime with a time zone, or a function that says whether it fits."
        )


def _distance(wanted: Wanted, misfits: list[str], job: QueuedJob) -> tuple[float, int]:
    alike = 1.0 if wanted.func is None else difflib.SequenceMatcher(None, wanted.func, job.func).ratio()
    return (-alike, len(misfits))


def _name(func: Any) -> str | None:
    if func is None or isinstance(func, str):
        return func
    if isinstance(func, Job):
        return func.func
    declared = job_of(func)
    return declared.func if declared is not None else name_of(func)


def _differences(path: str, has: Any, wanted: Any) -> list[str]:
    if isinstance(wanted, Mapping) and isinstance(has, Mapping):
        found = []
        for key, value in wanted.items():
            if key not in has:
                found.append(f"{path} has no {key!r}")
            else:
                found += _differences(f"{path}[{key!r}]", has[key], value)
        return found
    fits = wanted(has) if isinstance(wanted, Callable) else _alike(has, wanted)  # type: ignore[arg-type]
    return [] if fits else [f"{path} is {_shown(has)}"]


def _alike(has: Any, wanted: Any) -> bool:
    """Whether a value of a job is what was written: a tuple is a list in JSON, and a time is a text."""
    if isinstance(wanted, tuple):
        wanted = list(wanted)
    if isinstance(wanted, list) and isinstance(has, list):
        return len(has) == len(wanted) and all(map(_alike, has, wanted))
    if isinstance(wanted, Mapping) and isinstance(has, Mapping):
        return has.keys() == wanted.keys() and all(_alike(has[key], value) for key, value in wanted.items())
    if has == wanted:
        return True
    if isinstance(has, str) and not isinstance(wanted, str):
        return has in (str(wanted), wanted.isoformat() if isinstance(wanted, datetime) else None)
    return False


_short: Final = reprlib.Repr()
_short.maxstring = _short.maxother = 80


def _shown(value: Any) -> str:
    return _short.repr(value)
