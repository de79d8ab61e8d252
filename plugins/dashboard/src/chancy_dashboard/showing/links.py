"""Links from a job to elsewhere: logs, traces, whatever an address can be made for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote

_PLACE: Final = re.compile(r"\{([a-z]+(?:\.[^{}]+)?)\}")
FIELDS: Final = ("id", "func", "queue", "worker", "state")


def filled(links: Mapping[str, str], job: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The links of a job: a word, and an address; those for which it lacks something are left out.

    Args:
        links: the addresses as they are set, with `{id}`, `{func}`, `{queue}`, `{worker}`, `{state}` and `{meta.KEY}`.
        job: the job, as its page has it.
    """
    found = []
    for word, address in links.items():
        values = {name: _value(job, name) for name in _PLACE.findall(address)}
        if all(value is not None for value in values.values()):
            # Each value is one word of the address, whatever is in it.
            found.append((word, _PLACE.sub(lambda place: quote(str(values[place[1]]), safe=""), address)))  # noqa: B023
    return found


def _value(job: Mapping[str, Any], name: str) -> Any:
    if name in FIELDS:
        return job.get(name)
    column, _, key = name.partition(".")
    value = (job.get("meta") or {}).get(key) if column == "meta" else None
    return value if isinstance(value, str | int | float) and not isinstance(value, bool) else None


GLOBALS: Final = {"links_of": filled}
