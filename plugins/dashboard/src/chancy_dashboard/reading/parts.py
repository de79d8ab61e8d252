"""Parts of a page that are looked up side by side; what could not be looked up in time is left out, and told."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any, Final

from psycopg.errors import QueryCanceled

# A part that takes longer is left out. It is more than a statement may take, and less than the page.
WITHIN_S: Final = 4.0


async def together(**parts: Awaitable[Any]) -> dict[str, Any]:
    """What each part found, by name; None for those that took too long, whose names stand in `partial`.

    Raises:
        Exception: what a part raised otherwise; the others are given up.
    """
    partial: list[str] = []

    async def one(name: str, part: Awaitable[Any]) -> Any:
        try:
            async with asyncio.timeout(WITHIN_S):
                return await part
        except (QueryCanceled, TimeoutError):
            partial.append(name)
            return None

    try:
        async with asyncio.TaskGroup() as group:
            tasks = {name: group.create_task(one(name, part)) for name, part in parts.items()}
    except BaseExceptionGroup as errors:
        # One of them is enough to tell.
        raise errors.exceptions[0] from None
    return {**{name: task.result() for name, task in tasks.items()}, "partial": sorted(partial)}
