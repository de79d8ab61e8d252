"""A transaction pooler that nobody told this application of."""

from __future__ import annotations

import asyncio
from typing import Final

from chancy.plugin import Finding, Severity, Subject
from chancy_doctor.look import Look

# The pooler gives a session that was free last to whoever asks next; others may be quicker.
TRIES: Final = 5
# Where no connection is left, that is another finding.
SECOND_WITHIN_S: Final = 0.5


async def check(look: Look) -> list[Finding]:
    """A finding if what comes next on a connection may run in another session, and the settings do not say so."""
    if look.chancy.settings.pooler or not await _is_pooled(look):
        return []
    return [
        Finding(
            id="pooler-not-told",
            severity=Severity.ERROR,
            subject=Subject("database", look.chancy.settings.schema),
            what="A transaction pooler, such as pgbouncer, stands before the database: what comes next on a connection "
            "runs in another session. The setting `pooler` does not say so.",
            evidence={"pooler": 0},
            why="Prepared statements and LISTEN belong to a session: statements fail, or run as others' do, and "
            "workers hear of no job that is pushed.",
            fix="export CHANCY_POOLER=true # or in chancy.toml: [chancy] pooler = true",
        )
    ]


async def _is_pooled(look: Look) -> bool:
    """Whether a transaction on one connection moves to another session because somebody else is in the first."""
    for _ in range(TRIES):
        ((mine,),) = await look.rows("read_session")
        if mine == look.told_session:
            # What answers is the session that was opened: nobody is between.
            return False
        try:
            async with asyncio.timeout(SECOND_WITHIN_S):
                # Two connections that are open have two sessions; behind a transaction pooler mostly the same one.
                if await look.session_beside() == mine:
                    return True
        except TimeoutError:
            return False
    return False
