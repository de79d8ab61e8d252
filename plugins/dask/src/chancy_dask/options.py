"""What can be said of a cluster, in `[plugins.dask]` for all queues and in a queue's `executor_options` for one."""

from __future__ import annotations

from typing import Any, NamedTuple

from chancy.errors import InvalidQueue


class Options(NamedTuple):
    """How a queue's jobs are run on a cluster. See `Dask` for what each means."""

    address: str | None
    workers: int | None
    match_threads: bool
    restart_workers: bool
    jobs_may_push: bool
    same_versions: bool
    resources: dict[str, float]
    connect_within_s: float
    grace_s: float


def merged(defaults: Any, **given: Any) -> Options:
    """The options of a queue: what it says itself, else what `[plugins.dask]` says.

    Args:
        defaults: the plugin, whose settings are the defaults.
        given: what the queue says; None: nothing.

    Raises:
        InvalidQueue: a value is none that the option can have; says which, and what to give.
    """
    values = {name: getattr(defaults, name) if given[name] is None else given[name] for name in Options._fields}
    problem = problem_of(values)
    if problem is not None:
        raise InvalidQueue(problem)
    return Options(**values)


def problem_of(values: dict[str, Any]) -> str | None:  # noqa: PLR0911 -- one for each option
    """What is wrong with these options, as a sentence; None: nothing."""
    address, workers, resources = values["address"], values["workers"], values["resources"]
    if address is not None and (not isinstance(address, str) or not address.strip()):
        return f'address is {address!r:.80}: give the scheduler\'s, such as "tcp://10.0.0.5:8786", or None.'
    if workers is not None and (not isinstance(workers, int) or isinstance(workers, bool) or workers < 1):
        return f"workers is {workers!r:.80}: give the number of processes of a local cluster, at least 1, or None."
    if workers is not None and address is not None:
        return f"workers is {workers}, but the cluster at {address} has its own: leave out workers, or the address."
    for name in ("match_threads", "restart_workers", "jobs_may_push", "same_versions"):
        if not isinstance(values[name], bool):
            return f"{name} is {values[name]!r:.80}: give true or false."
    for name in ("connect_within_s", "grace_s"):
        value = values[name]
        if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value <= 3600:  # noqa: PLR2004
            return f"{name} is {value!r:.80}: give seconds, from 0 to 3600."
    if not isinstance(resources, dict) or not all(_is_resource(*one) for one in resources.items()):
        return f'resources is {resources!r:.80}: give what each job takes of its Dask worker, such as {{"GPU" = 1}}.'
    return None


def _is_resource(name: Any, value: Any) -> bool:
    return isinstance(name, str) and isinstance(value, int | float) and not isinstance(value, bool) and value > 0
