"""Make all the checks, one after the other, on one connection; those for which there is no time are told."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, NamedTuple, TypeAlias

import psycopg

from chancy import Chancy
from chancy.plugin import Finding
from chancy_doctor.checks import database, drift, functions, history, jobs, pooler, queues, schema, workers
from chancy_doctor.look import Look, beginning, looking
from chancy_doctor.thresholds import Thresholds

Check: TypeAlias = Callable[[Look], Awaitable[list[Finding]]]

# What the others rely on; it is asked the catalogs of the server only.
FIRST: Final[dict[str, Check]] = {
    "the schema": drift.check,
    "rights": schema.check_rights,
    "poolers": pooler.check,
}
# What keeps jobs from running comes first.
CHECKS: Final[dict[str, Check]] = {
    "queues": queues.check,
    "workers": workers.check,
    "functions": functions.check,
    "lost runs": jobs.check_lost,
    "failures": jobs.check_failures,
    "waiting jobs": jobs.check_waits,
    "snapshots": database.check_snapshots,
    "replication slots": database.check_slots,
    "the server": database.check_server,
    "the tables": database.check_tables,
    "indexes": schema.check_indexes,
    "unique keys": jobs.check_keys,
    "the history": history.check,
}
# What a statement raises where a schema is not as it was made, or may not be read.
UNLIKE_MADE: Final = (
    psycopg.errors.UndefinedTable,
    psycopg.errors.UndefinedColumn,
    psycopg.errors.UndefinedFunction,
    psycopg.errors.DatatypeMismatch,
    psycopg.errors.InsufficientPrivilege,
)


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
    ends_at = time.monotonic() + within_s
    try:
        async with asyncio.timeout(within_s):
            async with beginning(chancy, thresholds, ends_at) as look:
                await _make(look, FIRST, found)
            async with looking(chancy, thresholds, ends_at) as look:
                await _make(look, CHECKS, found)
    except (TimeoutError, *UNLIKE_MADE) as error:
        # What was found until then stands; and what was found of the schema explains what it does to other checks.
        if isinstance(error, psycopg.Error) and not found.findings:
            raise
        missed = {*FIRST, *CHECKS} - {*found.made, *found.not_looked_at}
        found.not_looked_at.extend(name for name in (*FIRST, *CHECKS) if name in missed)
    return found


async def examine_in(look: Look) -> Examined:
    """Make all the checks in a look that has begun."""
    found = Examined([], [], [])
    await _make(look, {**FIRST, **CHECKS}, found)
    return found


async def _make(look: Look, checks: Mapping[str, Check], found: Examined) -> None:
    for name, check in checks.items():
        if look.left_s <= 0:
            found.not_looked_at.append(name)
            continue
        try:
            found.findings.extend(await check(look))
            found.made.append(name)
        except psycopg.errors.QueryCanceled:
            found.not_looked_at.append(name)
        except UNLIKE_MADE:
            if not found.findings:
                raise
            found.not_looked_at.append(name)
