"""What suits a process that is a worker and nothing else."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable
from typing import Final

# A busy worker makes and drops thousands of objects in a moment, none of them in cycles. Python looks for cycles after
# every 700 of them by default, which was a fifth of all that a worker did.
COLLECT_AFTER: Final = (10_000, 20, 20)


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """The loop to run it on: uvloop's, if that is installed (extra `fast`); None: asyncio's own."""
    try:
        import uvloop  # noqa: PLC0415 -- from the extra
    except ImportError:
        return None
    return uvloop.new_event_loop


def collect_less() -> None:
    """Let the garbage collector look less often, and never at what is there now: modules, functions, settings."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECT_AFTER)
