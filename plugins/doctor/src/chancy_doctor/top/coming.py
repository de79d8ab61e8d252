"""What fires next, where chancy-cron is installed, and who leads, where anybody is elected."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from importlib import import_module
from typing import Any, Final, NamedTuple

import psycopg

from chancy import Chancy
from chancy.errors import ChancyError

CRON: Final = "cron"
LEADERSHIP: Final = "leadership"
# A schedule fires once a minute at most, mostly.
FOR_S: Final = 10.0
WITHIN_S: Final = 1.0
SHOWN: Final = 6


class Fire(NamedTuple):
    """A schedule: its name, when it fires next, and whether it is paused."""

    name: str
    at: datetime
    paused: bool


class Coming(NamedTuple):
    """What is to come.

    Attributes:
        at: when it was asked for, by `time.monotonic()`.
        fires: the schedules that fire next, the first one first; those that are paused last.
        more: how many others there are.
        leader: who leads; None: nobody does, or nobody elects.
        leads_s: for how long, in seconds.
    """

    at: float
    fires: Sequence[Fire] = ()
    more: int = 0
    leader: str | None = None
    leads_s: float = 0.0


async def coming_now(chancy: Chancy, before: Coming | None, at: float) -> Coming:
    """What is to come, as far as it can be asked for."""
    if before is not None and at - before.at < FOR_S:
        return before
    plugins = {one.plugin.name for one in chancy.plugins.loaded}
    found = Coming(at)
    # Tables may be missing, or the database away, which the look itself tells. A plugin imports no other: which one is
    # there is known when it runs.
    with suppress(psycopg.Error, ChancyError, TimeoutError):
        async with asyncio.timeout(WITHIN_S):
            if CRON in plugins:
                schedules: Any = await import_module(f"chancy.plugins.{CRON}").Cron.get_schedules(chancy)
                fires = [Fire(one.name, one.next_at, one.paused) for one in schedules if one.next_at is not None]
                fires.sort(key=lambda one: (one.paused, one.at))
                found = found._replace(fires=fires[:SHOWN], more=max(len(schedules) - SHOWN, 0))
            if LEADERSHIP in plugins:
                leader: Any = await import_module(f"chancy.plugins.{LEADERSHIP}").Leadership.get_leader(chancy)
                if leader is not None and leader.holder is not None:
                    since_s = (datetime.now(UTC) - leader.elected_at).total_seconds()
                    found = found._replace(leader=leader.holder, leads_s=since_s)
    return found
