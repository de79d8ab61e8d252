"""Jobs that the tests run."""

from __future__ import annotations

import asyncio
from typing import Any

from chancy import JobContext, job

# What tests let fail, and how often; the tests and their workers share the process.
FAILING: dict[str, int] = {}


@job
async def give(*, value: Any = None) -> Any:
    """Returns what it is given."""
    return value


@job
async def double(*, item: int) -> int:
    """Twice the item, or an error if that was asked for."""
    if FAILING.get(f"double {item}", 0) > 0:
        FAILING[f"double {item}"] -= 1
        raise ValueError(f"no {item}")
    return 2 * item


@job
async def total(*, numbers: list[int], more: int = 0) -> int:
    """Their sum."""
    return sum(numbers) + more


@job
async def fail(*, name: str = "", times: int = 1_000_000) -> str:
    """Fails, a number of times if it has a name."""
    if name and FAILING.setdefault(name, times) <= 0:
        return "well"
    FAILING[name] = FAILING.get(name, times) - 1
    raise ValueError("no")


@job
async def forget(*, context: JobContext) -> int:
    """Throws its meta away."""
    context.meta.clear()
    return 1


@job
async def sleep() -> None:
    """Until it is cancelled."""
    await asyncio.sleep(3600)
