"""Settings that are given to something else than `Chancy(…)`: checked like all others, and named as they were given."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from chancy_core.config.checking import Check, message_of
from chancy_core.config.layer import Layer
from chancy_core.config.settings import WorkerSettings
from chancy_core.errors import ConfigError
from chancy_core.values.listing import listed
from chancy_core.values.queue import Queue
from chancy_core.values.ranges import TAGS_MAX, WORKER_QUEUES_MAX

# The settings that are lists, and how many there may be of each.
_LISTS: Final = {"tags": TAGS_MAX, "queues": WORKER_QUEUES_MAX}


def worker_settings(defaults: WorkerSettings, **given: Any) -> WorkerSettings:
    """The settings of one worker: what was given to `Worker(…)`, and the defaults for what is None.

    Raises:
        ConfigError: something is wrong; a line each, which says where and what to give.
    """
    values = {
        name: _named(listed(value, _LISTS[name])) if name in _LISTS else value
        for name, value in given.items()
        if value is not None
    }
    check = Check(Layer(source="argument", tables={"worker": values}, spell=lambda _, key: f"Worker({key}=…)"))
    if check.problems:
        raise ConfigError(message_of(check.problems))
    return msgspec.structs.replace(defaults, **{key: value for (_, key), value in check.values.items()})


def _named(value: Any) -> Any:
    """The same list, with the names of queues where queues were given."""
    return [one.name if isinstance(one, Queue) else one for one in value] if isinstance(value, list) else value
