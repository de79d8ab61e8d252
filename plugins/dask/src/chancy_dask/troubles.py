"""What is wrong with the clusters of this process, for whoever asks its plugin. It knows nothing of Dask."""

from __future__ import annotations

import threading
from typing import Final

_lock: Final = threading.Lock()
_told: Final[dict[int, str]] = {}


def tell(who: object, problem: str | None) -> None:
    """This is wrong with somebody's cluster; None: nothing any more."""
    with _lock:
        if problem is None:
            _told.pop(id(who), None)
        else:
            _told[id(who)] = problem


def first() -> str | None:
    """What is wrong with the first of them that has trouble."""
    with _lock:
        return next(iter(_told.values()), None)
