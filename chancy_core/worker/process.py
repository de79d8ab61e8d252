"""What suits a process that is a worker and nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """The loop to run it on: uvloop's, if that is installed (extra `fast`); None: asyncio's own."""
    try:
        import uvloop  # noqa: PLC0415 -- from the extra
    except ImportError:
        return None
    return uvloop.new_event_loop
