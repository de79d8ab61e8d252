"""The jobs of the model test: each does what the plan says, and counts that it was called."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

from chancy import JobContext, job

CALLS: Counter[str] = Counter()
# The steps that have been retried do well.
WELL: set[str] = set()


@job
async def act(*, outcome: str, key: str, given: Any = None, item: Any = None, context: JobContext) -> Any:
    """Ends as it is told."""
    CALLS[f"{key} {item}"] += 1
    if key in WELL:
        return key
    if outcome == "failed" or (outcome == "retried" and context.attempt == 1) or item == "bad":
        raise ValueError(outcome)
    if outcome == "cancelled":
        await asyncio.sleep(3600)
    if item is not None:
        return item
    return [0, 1, 2] if outcome == "list" else key
