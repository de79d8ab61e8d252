"""Tokens: whether a job that was sent ahead is begun, or taken back, is decided once, by the kernel.

While a child runs a job, the next one lies in its socket already. For each job that is sent so, the worker lays a token
down where both can reach it. The child begins such a job only if it gets a token, and the worker takes jobs back
by taking what tokens are left. So whoever takes one has decided it, even when the child hangs in C code and hears
nothing, or has ended.

They lie in an eventfd, which counts. The child makes it, and sends it with the end of its first run; where there is
none (macOS), or no room for another descriptor, no job is sent ahead.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress


class Tokens:
    """The tokens of one child, in either process.

    Args:
        fd: the eventfd; belongs to this object from now on.
    """

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def lay(self) -> None:
        """Lay one down, before its job is sent."""
        assert sys.platform == "linux"  # noqa: S101 -- others have none
        os.eventfd_write(self._fd, 1)

    def take(self) -> bool:
        """Take one; whether there was one."""
        assert sys.platform == "linux"  # noqa: S101 -- others have none
        try:
            os.eventfd_read(self._fd)
        except BlockingIOError:
            return False
        return True

    def close(self) -> None:
        """Close this end; the other one is left as it is."""
        with suppress(OSError):
            os.close(self._fd)


def new_tokens() -> int | None:
    """The descriptor of a place for tokens; None: there is none here."""
    if sys.platform != "linux":
        return None
    try:
        return os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK | os.EFD_SEMAPHORE)
    except OSError:
        return None
