"""A filter, as the parameters of the statements that find jobs."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from chancy_core.values import jobids, paths, patterns
from chancy_core.values.jobfilter import JobFilter
from chancy_core.values.queuedjob import State
from chancy_core.values.spans import Span

LOWEST_ID: Final = uuid.UUID(int=0)
HIGHEST_ID: Final = uuid.UUID(int=2**128 - 1)
_PATTERNS: Final = ("queues", "funcs", "workers", "keys", "tags")
_CONTAINED: Final = ("errors", "notes")
_SPANS: Final = ("attempts", "priorities")
_NOTHING: Final = JobFilter()


class Range(NamedTuple):
    """Ids from `low` to `high`, both included."""

    low: uuid.UUID
    high: uuid.UUID


def matching(wanted: JobFilter) -> dict[str, Any]:
    """The parameters of `parts/matching`."""
    unwanted = wanted.without or _NOTHING
    lows, highs = zip(*ranges(unwanted.ids), strict=True) if unwanted.ids else (None, None)
    params: dict[str, Any] = {
        "states": [state.value for state in states(wanted)],
        "lowest_ids": lows and list(lows),
        "highest_ids": highs and list(highs),
        **_moment("since", wanted.since),
        **_moment("until", wanted.until),
    }
    for prefix, side in (("", wanted), ("no_", unwanted)):
        for field in _PATTERNS:
            params[prefix + field] = [patterns.like(one) for one in getattr(side, field)] or None
        for field in _CONTAINED:
            params[prefix + field] = [f"%{patterns.like(one)}%" for one in getattr(side, field)] or None
        for field in _SPANS:
            params[prefix + field] = _multirange(getattr(side, field))
    terms = [*_terms(wanted, negated=False), *_terms(unwanted, negated=True)]
    params["terms"] = json.dumps(terms, ensure_ascii=False) if terms else None
    return params


def states(wanted: JobFilter) -> list[State]:
    """The states that are looked for, all of them if the filter says nothing."""
    unwanted = wanted.without.states if wanted.without else ()
    return [state for state in wanted.states or State if state not in unwanted]


def ranges(ids: Iterable[str]) -> list[Range]:
    """The ids that begin like these: the highest first, none of them twice."""
    found: list[Range] = []
    for low, high in sorted((jobids.bounds(one) for one in ids), reverse=True):
        if found and high >= found[-1].low:
            found[-1] = Range(min(low, found[-1].low), max(high, found[-1].high))
        else:
            found.append(Range(low, high))
    return found


def exactly(values: Iterable[str]) -> list[str] | None:
    """The texts that these patterns match; None if one of them matches several, or if there is none."""
    texts = [patterns.literal_of(value) for value in values]
    return None if not texts or None in texts else [text for text in texts if text is not None]


def _multirange(spans: Iterable[Span]) -> str | None:
    each = [one.multirange for one in spans]
    return f"{{{','.join(each)}}}" if each else None


def _moment(name: str, value: datetime | timedelta | None) -> dict[str, Any]:
    ago = isinstance(value, timedelta)
    return {name: None if ago else value, f"{name}_s": value.total_seconds() if isinstance(value, timedelta) else None}


def _terms(side: JobFilter, *, negated: bool) -> Iterable[Mapping[str, Any]]:
    for column in ("kwargs", "meta"):
        for path, values in getattr(side, column).items():
            names = list(paths.segments(column, path))
            yield {"of": column, "path": names, "likes": [patterns.like(one) for one in values], "negated": negated}
