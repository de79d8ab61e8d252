"""Telemetry that does not work is no reason not to push, or not to run."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final, TypeVar

from chancy.plugin import log

T = TypeVar("T")

# What fails for one job fails for the next one.
REPORT_EVERY_S: Final = 60.0

_reported_at = float("-inf")


def contained(call: Callable[[], T | None]) -> T | None:
    """What `call` returns; None if it raises, as samplers, processors and propagators of others may. Logged."""
    global _reported_at  # noqa: PLW0603 -- once for the process, whatever it runs
    try:
        return call()
    except Exception as error:  # noqa: BLE001 -- see above
        now = time.monotonic()
        if now - _reported_at >= REPORT_EVERY_S:
            _reported_at = now
            log.error("span_failed", plugin="otel", error=f"{type(error).__name__}: {error}", exc_info=error)
        return None
