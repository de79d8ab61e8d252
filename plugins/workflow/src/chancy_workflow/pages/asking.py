"""Ask the database for what a page shows, on the connections that the dashboard looks with."""

from __future__ import annotations

from typing import TypeVar

from chancy.plugin import Visit
from chancy_workflow.work import Work
from chancy_workflow.work import run as do

T = TypeVar("T")


async def ask(visit: Visit, work: Work[T]) -> T:
    """Do the work, and return its result."""
    async with visit.chancy.pool.connection() as connection:
        return await do(visit.chancy, connection, work)
