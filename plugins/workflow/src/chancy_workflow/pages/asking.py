"""Ask the database for what a page shows, on the connections that the dashboard looks with."""

from __future__ import annotations

from typing import Final, TypeVar

from chancy.plugin import Visit
from chancy_workflow.work import Ask, Work
from chancy_workflow.work import run as do

T = TypeVar("T")
# No statement takes longer: no run waits because somebody looks.
WITHIN_MS: Final = 1000


async def ask(visit: Visit, work: Work[T]) -> T:
    """Do the work in a read-only transaction, also where a pooler lets nothing be set for a connection."""
    async with visit.chancy.pool.connection() as connection, connection.transaction():
        await do(visit.chancy, connection, _begin())
        return await do(visit.chancy, connection, work)


def _begin() -> Work[None]:
    yield Ask("begin_reading", {"ms": str(WITHIN_MS)})
