"""What chancy-history knows of the queues, where that is installed: top does without it where it is not."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from importlib import import_module
from typing import Any, Final, NamedTuple

import psycopg

from chancy import Chancy
from chancy.errors import ChancyError

PLUGIN: Final = "history"
OVER: Final = "5m"
# Workers write what they have counted every ten seconds: asking more often would be told the same.
FOR_S: Final = 10.0
WITHIN_S: Final = 1.0


class Lately(NamedTuple):
    """What a queue did in the last five minutes.

    Attributes:
        wait_p95_s: 95 of a hundred jobs had not waited longer for their first start; None: none was started.
        failing: the share of runs that failed; None: none has ended.
    """

    wait_p95_s: float | None
    failing: float | None


class Known(NamedTuple):
    """What was known: when it was asked for, by `time.monotonic()`, and of each queue that did anything."""

    at: float
    queues: Mapping[str, Lately]


async def known_now(chancy: Chancy, before: Known | None, at: float) -> Known | None:
    """What is known of the queues; None where nobody keeps a history, or it cannot be read now."""
    if before is not None and at - before.at < FOR_S:
        return before
    if not any(one.plugin.name == PLUGIN for one in chancy.plugins.loaded):
        return None
    # A plugin imports no other: which one is there is known when it runs.
    rates: Any = import_module(f"chancy.plugins.{PLUGIN}").rates
    # Its tables may be missing, or the database away, which the look itself tells.
    with suppress(psycopg.Error, ChancyError, TimeoutError):
        async with asyncio.timeout(WITHIN_S):
            found = await rates(chancy, since=OVER)
        return Known(at, {rate.queue: Lately(rate.wait_p95_s, rate.failing) for rate in found.rows})
    return None
