"""What suits a process that is a worker and nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """The loop to run it on: uvloop's, if that is installed (extra `fast`); None: asyncio's own."""
    try:
        import uvloop  # noqa: PLC0415 -- from the extra
    except ImportError:
        return None
    return uvloop.new_event_loop


def raise_descriptor_limit() -> None:
    """Allow this process as many open files and connections as the system lets it have.

    The usual soft limit of 1,024 is for programs that use `select`, which none here does. Children and the connections
    of jobs can use it up.
    """
    try:
        import resource  # noqa: PLC0415 -- not on Windows
    except ImportError:
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
