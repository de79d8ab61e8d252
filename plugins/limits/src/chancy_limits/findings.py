"""What is wrong with limits: places that are taken by runs whose workers are lost."""

from __future__ import annotations

from typing import Final

from chancy import Chancy
from chancy.plugin import Finding, Severity, Statements, Subject, command_line

SQL: Final = Statements("chancy_limits.sql")


async def find(chancy: Chancy) -> list[Finding]:
    """A finding for each queue whose places are full, some of them of runs that nobody runs any more."""
    async with chancy.pool.connection() as connection:
        rows = await SQL.rows(connection, chancy.settings.schema, "find_stuck")
    return [
        Finding(
            id="limit-stuck",
            severity=Severity.WARNING,
            subject=Subject("queue", queue),
            what=f"The global_concurrency of {limit} of the queue {queue} is full, and {lost} of its {running} runs "
            "are those of lost workers.",
            evidence={"limit": limit, "running": running, "lost": lost},
            why="Their places are free again when a live worker has given these jobs back, after one lease.",
            fix=command_line(chancy, "worker"),
        )
        for queue, limit, running, lost in rows
    ]
