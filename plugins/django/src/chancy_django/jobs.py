"""From a task and its arguments to the job that is stored."""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

from chancy import Backoff, Job, Limit
from chancy_django.compat import normalize_json
from chancy_django.declared import OF_JOB

# The key in a job's meta under which stands what only Django's tasks have.
META: Final = "django"


def as_json(value: Any) -> Any:
    """Arguments, or a result, as they will be when they have been stored and read. Raises TypeError, ValueError."""
    return json.loads(json.dumps(normalize_json(value)))


def job_of(task: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None) -> Job:
    """The job that runs a task with these arguments, which are JSON; without `kwargs` it is declared, and not called.

    Arguments that were given by position are stored by name where they have one, so that people who look at the job,
    and filters, find them under it.

    Raises:
        InvalidJob: no job can be like that.
    """
    unique_key = _unique_key(task, args, kwargs)
    kwargs = dict(kwargs or {})
    meta: dict[str, Any] = {"backend": task.backend}
    stored = kwargs
    if args:
        names = _names(task.func, skipped=int(task.takes_context))
        named = [name for name, _ in zip(names, args, strict=False)]
        # What is given twice is told by the function itself, when it is called.
        if kwargs.keys().isdisjoint(named):
            stored = {**dict(zip(named, args, strict=False)), **kwargs}
        else:
            named = []
        meta.update({key: value for key, value in (("args", named), ("rest", list(args[len(named) :]))) if value})
    if task.run_after is not None:
        meta["run_after"] = task.run_after.isoformat()
    fields: dict[str, Any] = {name: getattr(task, name) for name in OF_JOB if hasattr(task, name)}
    return Job(
        func=task.module_path,
        queue=task.queue_name,
        kwargs=stored,
        # Django's higher ones go first, and Chancy's lower ones.
        priority=-int(task.priority),
        scheduled_at=_aware(task.run_after),
        limits=_limits(task),
        backoff=_backoff(getattr(task, "backoff", None)),
        unique_key=unique_key,
        meta={META: meta},
        **fields,
    ).as_is()


def arguments_of(job: Job) -> tuple[list[Any], dict[str, Any]]:
    """The arguments of a task, as they were given: by position, and by name."""
    meta, kwargs = meta_of(job), dict(job.kwargs)
    args = [kwargs.pop(name) for name in _list(meta.get("args")) if name in kwargs]
    return [*args, *_list(meta.get("rest"))], kwargs


def meta_of(job: Job) -> dict[str, Any]:
    """What the job's meta has for this backend; nothing, if the job came another way, such as by a schedule."""
    found = job.meta.get(META)
    return found if isinstance(found, dict) else {}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


@lru_cache(1024)
def _names(func: Any, skipped: int) -> tuple[str, ...]:
    """The names of the parameters that take arguments by position and by name."""
    try:
        parameters = list(inspect.signature(func).parameters.values())[skipped:]
    except (TypeError, ValueError):
        return ()
    names = []
    for parameter in parameters:
        if parameter.kind is not parameter.POSITIONAL_OR_KEYWORD:
            break
        names.append(parameter.name)
    return tuple(names)


def _aware(moment: Any) -> Any:
    """A moment with a time zone; without USE_TZ, Django's have none, and mean the one of the settings."""
    if moment is None or moment.tzinfo is not None:
        return moment
    from django.utils.timezone import make_aware  # noqa: PLC0415 -- few sites are without USE_TZ

    return make_aware(moment)


def _limits(task: Any) -> list[Limit]:
    given = ((Limit.Type.TIME, "timeout_s"), (Limit.Type.MEMORY, "memory_bytes"))
    return [Limit(kind, value) for kind, name in given if (value := getattr(task, name, None)) is not None]


def _backoff(given: Any) -> Backoff | None:
    if isinstance(given, int | float) and not isinstance(given, bool):
        return Backoff.fixed(given)
    found: Backoff | None = given
    return found


def _unique_key(task: Any, args: Sequence[Any], kwargs: Mapping[str, Any] | None) -> str | None:
    key = getattr(task, "unique_key", None)
    if not callable(key):
        found: str | None = key
        return found
    # Where the task is only declared, there is nothing to make a key of. A call without arguments is a call.
    return None if kwargs is None else str(key(*args, **kwargs))
