"""Make all the checks, one after the other, on one connection; those for which there is no time are told."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple, TypeAlias

import psycopg

from chancy import Chancy
from chancy.plugin import Finding
from chancy_doctor.checks import database, functions, history, jobs, queues, schema, workers
from chancy_doctor.look import Look, looking
from chancy_doctor.thresholds import Thresholds

Check: TypeAlias = Callable[[Look], Awaitable[list[Finding]]]

# What keeps jobs from running comes first.
CHECKS: Final[dict[str, Check]] = {
    "queues": queues.check,
    "workers": workers.check,
    "functions": functions.check,
    "lost runs": jobs.check_lost,
    "failures": jobs.check_failures,
    "waiting jobs": jobs.check_waits,
    "snapshots": database.check_snapshots,
    "the server": database.check_server,
    "the tables": database.check_tables,
    "rights": schema.check_rights,
    "indexes": schema.check_indexes,
    "unique keys": jobs.check_keys,
    "the history": history.check,
}


class Examined(NamedTuple):
    """What an examination found.

    Attributes:
        findings: what is wrong.
        not_looked_at: the checks for which there was no time.
        made: the others.
    """

    findings: list[Finding]
    not_looked_at: list[str]
    made: list[str]


async def examine(chancy: Chancy, thresholds: Thresholds, within_s: float) -> Examined:
    """Look at an open application, for at most so many seconds.

    Raises:
        psycopg.Error: the database is away, or refuses what a check asks.
    """
    found = Examined([], [], [])
    try:
        async with asyncio.timeout(within_s), looking(chancy, thresholds, within_s) as look:
            await _make(look, found)
    except TimeoutError:
        # What was found until then stands.
        made = len(found.not_looked_at) + len(found.made)
        found.not_looked_at.extend(list(CHECKS)[made:])
    return found


async def examine_in(look: Look) -> Examined:
    """Make all the checks in a look that has begun."""
    found = Examined([], [], [])
    await _make(look, found)
    return found


async def _make(look: Look, found: Examined) -> None:
    for name, check in CHECKS.items():
        if look.left_s <= 0:
            found.not_looked_at.append(name)
            continue
        try:
            found.findings.extend(await check(look))
            found.made.append(name)
        except psycopg.errors.QueryCanceled:
            found.not_looked_at.append(name)
