"""How many descriptors this process can spare for children."""

from __future__ import annotations

import os
import resource
from typing import Final

# Left alone for connections, for jobs that run in this process, and for whatever else it opens: so many, or this part
# of what there may be.
RESERVE: Final = 64
RESERVE_PARTS: Final = 4
# What starting a child takes for a moment, the process that starts it included. One child is worth the reserve.
FOR_ONE: Final = 8
PLACES: Final = ("/proc/self/fd", "/dev/fd")


def room_for_child(*, first: bool) -> bool:
    """Whether another child may be started; or the first one, which no job that needs one can do without."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return True
    used = _used()
    if used is None:
        return True
    return soft - used >= (FOR_ONE if first else FOR_ONE + min(RESERVE, soft // RESERVE_PARTS))


def _used() -> int | None:
    """How many are open; None: nobody can tell."""
    for place in PLACES:
        try:
            return len(os.listdir(place))  # noqa: PTH208 -- nothing is done with the names
        except FileNotFoundError:
            continue
        except OSError:
            # There is not even one left to look with.
            return resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return None
