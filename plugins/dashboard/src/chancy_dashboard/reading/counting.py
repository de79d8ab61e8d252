"""How many jobs of each state a filter finds, as far as a moment suffices: the numbers beside a page of jobs."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from msgspec.structs import replace
from psycopg.errors import QueryCanceled

from chancy import Chancy, JobFilter, State
from chancy.errors import ChancyError
from chancy_dashboard.reading.snapshots import Remembered

# A number beside a page is worth no more of the database's time: what it does not suffice for is estimated.
WITHIN_S: Final = 0.02
# Nor is it worth asking for again and again while a page is looked at.
FOR_S: Final = 10.0
KEPT: Final = 100

_counted: Final = Remembered(FOR_S, KEPT)


async def by_state(chancy: Chancy, wanted: JobFilter) -> list[dict[str, Any]]:
    """Each state with how many jobs of it the filter finds, whatever states it names itself: `value` and `exact`."""

    async def count() -> list[dict[str, Any]]:
        return await asyncio.gather(*(_count(chancy, wanted, state) for state in State))

    found: list[dict[str, Any]] = await _counted.get(chancy, str(replace(wanted, states=())), count)
    return found


async def _count(chancy: Chancy, wanted: JobFilter, state: State) -> dict[str, Any]:
    try:
        found = await chancy.count_jobs(replace(wanted, states=(state,)), within_s=WITHIN_S)
    except (QueryCanceled, ChancyError):
        return {"state": state.value, "value": None, "exact": False}
    return {"state": state.value, "value": found.value, "exact": found.exact}
