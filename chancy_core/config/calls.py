"""Settings that are given to something else than `Chancy(…)`: checked like all others, and named as they were given."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any

import msgspec

from chancy_core.config.checking import Check, message_of
from chancy_core.config.layer import Layer
from chancy_core.config.settings import WorkerSettings
from chancy_core.errors import ConfigError
from chancy_core.values.ranges import TAGS_MAX


def worker_settings(defaults: WorkerSettings, **given: Any) -> WorkerSettings:
    """The settings of one worker: what was given to `Worker(…)`, and the defaults for what is None.

    Raises:
        ConfigError: something is wrong; a line each, which says where and what to give.
    """
    values = {name: _listed(value) if name == "tags" else value for name, value in given.items() if value is not None}
    check = Check(Layer(source="argument", tables={"worker": values}, spell=lambda _, key: f"Worker({key}=…)"))
    if check.problems:
        raise ConfigError(message_of(check.problems))
    return msgspec.structs.replace(defaults, **{key: value for (_, key), value in check.values.items()})


def _listed(value: Any) -> Any:
    """Any iterable of words may be given, a generator too; a single word is no list of its letters."""
    if isinstance(value, str | bytes | Mapping) or not isinstance(value, Iterable):
        return value
    # One more than may be is enough to see that there are too many.
    return list(islice(value, TAGS_MAX + 1))
