"""When Python looks for garbage, in a process that is Chancy's own."""

from __future__ import annotations

import gc
from typing import Final

# A busy worker makes and drops thousands of objects in a moment, none of them in cycles. Python looks for cycles after
# every 700 of them by default, which was a fifth of all that a worker did, and a twentieth of its start.
COLLECT_AFTER: Final = (10_000, 20, 20)


def collect_less() -> None:
    """Look less often. Worth most before anything is imported."""
    gc.set_threshold(*COLLECT_AFTER)


def keep_all() -> None:
    """Never look at what is there now: modules, functions, settings."""
    # What imports leave behind are some twenty objects in forty thousand: not worth the 20 ms of looking for them, for
    # which the first job would wait.
    gc.freeze()
