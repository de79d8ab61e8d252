"""Waiting for conditions, never for time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Final

import psycopg

# What is waited for comes long before, or never.
PATIENCE_S: Final = 75.0
POLL_S: Final = 0.05


async def until(condition: Callable[[], Any], what: str, within_s: float = PATIENCE_S) -> Any:
    """Wait for a condition; weather on the way to it counts as not yet."""
    deadline = time.monotonic() + within_s
    while True:
        with suppress(psycopg.OperationalError):
            found = condition()
            if isinstance(found, Awaitable):
                found = await found
            if found:
                return found
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {within_s:g} s: {what}")
        await asyncio.sleep(POLL_S)
