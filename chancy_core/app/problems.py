"""What is wrong now: with the way to the database, with the schema, and with whatever plugins look after."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final

import psycopg

from chancy_core.app.blocked import finding_of, gone, silent
from chancy_core.app.schema import missing
from chancy_core.errors import ChancyError, SchemaError
from chancy_core.store import Flow, run
from chancy_core.store.migrate import applied, problem
from chancy_core.values.finding import Finding, by_severity

if TYPE_CHECKING:
    from chancy_core.app.chancy import Chancy

# What of the time is for reaching the database, at most; a plugin's hook has the rest.
REACHED_WITHIN: Final = 0.5


async def find_problems(chancy: Chancy, *, within_s: float = 2.0) -> list[Finding]:
    """What is wrong now, errors first: an empty list where everything is as it should be.

    Asks all plugins with the hook `findings`, at the same time. What keeps them from being asked, such as a database
    that is out of reach or a schema of another version, is a finding itself.

    Args:
        chancy: an application. One that is not open is opened for the length of the look.
        within_s: how long the look may take, in seconds.
    """
    if _is_open(chancy):
        return await _found(chancy, within_s)
    if chancy.settings.dsn is None and (away := await asyncio.to_thread(gone, chancy)):
        return [away]
    try:
        # A private server that has to be started first takes as long as it takes.
        async with asyncio.timeout(within_s * REACHED_WITHIN if chancy.settings.dsn else None):
            await chancy.open()
    except TimeoutError:
        return [silent(chancy, within_s * REACHED_WITHIN)]
    except (ChancyError, psycopg.Error, OSError) as error:
        return [finding_of(chancy, error)]
    try:
        return await _found(chancy, within_s)
    finally:
        await chancy.close()


def _is_open(chancy: Chancy) -> bool:
    """Whether it is open in this event loop, whether or not its schema fits."""
    return asyncio.get_running_loop() in chancy.connections.sides


async def _found(chancy: Chancy, within_s: float) -> list[Finding]:
    began = time.monotonic()
    try:
        async with asyncio.timeout(within_s * REACHED_WITHIN):
            async with chancy.pool.connection() as connection:
                # It may have been changed since this was opened.
                wrong = await run(connection, _unfit(chancy))
    except TimeoutError:
        return [silent(chancy, within_s * REACHED_WITHIN)]
    except (ChancyError, psycopg.Error, OSError) as error:
        return [finding_of(chancy, error)]
    if wrong is not None:
        return [finding_of(chancy, wrong)]
    seconds = max(within_s - (time.monotonic() - began), within_s * (1 - REACHED_WITHIN))
    found = await chancy.plugins.findings(chancy, seconds, lambda error: finding_of(chancy, error))
    return by_severity(_once(found))


def _once(found: list[Finding]) -> list[Finding]:
    """Each trouble once: when the database goes away, every plugin says so."""
    return list({(one.id, one.subject): one for one in reversed(found)}.values())[::-1]


def _unfit(chancy: Chancy) -> Flow[SchemaError | None]:
    schema = chancy.settings.schema
    found = yield from applied(schema)
    if found is None:
        return (yield from missing(chancy.settings))
    return problem(schema, found, chancy.migrations())
