"""The clock by which a leader stops trusting itself."""

from __future__ import annotations

import time


def seconds() -> float:
    """Seconds since some moment; never goes back, and counts the time for which the machine slept.

    On Linux `time.monotonic()` stands still while the machine is suspended, and the lease in the database does not.
    """
    if hasattr(time, "CLOCK_BOOTTIME"):
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic()
