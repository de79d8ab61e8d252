"""How many jobs of each state a filter finds, as far as a moment suffices: the numbers beside a page of jobs."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from typing import Any, Final
from weakref import WeakKeyDictionary

from msgspec.structs import replace
from psycopg.errors import QueryCanceled

from chancy import Chancy, JobFilter, State
from chancy.errors import ChancyError

# A number beside a page is worth no more of the database's time: what it does not suffice for is estimated.
WITHIN_S: Final = 0.02
# Nor is it worth asking for again and again while a page is looked at.
FOR_S: Final = 10.0
KEPT: Final = 100

_Counts = list[dict[str, Any]]
_kept: Final[WeakKeyDictionary[Chancy, OrderedDict[str, tuple[float, _Counts]]]] = WeakKeyDictionary()


async def by_state(chancy: Chancy, wanted: JobFilter) -> list[dict[str, Any]]:
    """Each state with how many jobs of it the filter finds, whatever states it names itself: `value` and `exact`."""
    kept = _kept.setdefault(chancy, OrderedDict())
    key, now = str(replace(wanted, states=())), time.monotonic()
    if key in kept and now - kept[key][0] < FOR_S:
        return kept[key][1]
    counts = await asyncio.gather(*(_count(chancy, wanted, state) for state in State))
    kept[key] = now, list(counts)
    kept.move_to_end(key)
    while len(kept) > KEPT:
        kept.popitem(last=False)
    return kept[key][1]


async def _count(chancy: Chancy, wanted: JobFilter, state: State) -> dict[str, Any]:
    try:
        found = await chancy.count_jobs(replace(wanted, states=(state,)), within_s=WITHIN_S)
    except (QueryCanceled, ChancyError):
        return {"state": state.value, "value": None, "exact": False}
    return {"state": state.value, "value": found.value, "exact": found.exact}
