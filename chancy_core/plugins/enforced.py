"""Which limits of queues are enforced here; a limit that nobody enforces is refused, never ignored."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from chancy_core.errors import ConfigError, InvalidQueue
from chancy_core.plugins.load import Loaded
from chancy_core.values.queue import Queue

INSTALL: Final = "pip install chancy-limits"


def enforced_by(loaded: Iterable[Loaded]) -> frozenset[str]:
    """The limits that these plugins enforce together, by their names."""
    return frozenset().union(*(one.plugin.enforces for one in loaded))


def check_limits(queue: Queue, enforced: frozenset[str]) -> None:
    """Raise InvalidQueue, with what to install, if the queue has a limit that is not among the enforced ones."""
    for name in queue.limited_by:
        if name not in enforced:
            raise InvalidQueue(
                f"Queue {queue.name!r}: {name} is {getattr(queue, name)}, and no plugin that is on here enforces it. "
                f"To install one: {INSTALL}."
            )


def check_configured(
    queues: Mapping[str, Mapping[str, Any]], enforced: frozenset[str], sources: Mapping[str, str]
) -> None:
    """Raise ConfigError for the queues of the settings that have such a limit; all of them at once."""
    problems = [
        f"{sources.get(f'queues.{name}.{limit}', 'the settings')}: queues.{name}.{limit} is {fields[limit]}, and no "
        f"plugin that is on here enforces it. To install one: {INSTALL}."
        for name, fields in queues.items()
        for limit in Queue(name, **fields).limited_by
        if limit not in enforced
    ]
    if problems:
        raise ConfigError("\n".join(problems))
