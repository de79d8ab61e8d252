"""Descriptors that are kept back, so that a connection can be reopened although jobs have used up all others."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

# A socket, and what looking up its host may open meanwhile.
COUNT: Final = 4


class Spare:
    """Keeps some descriptors open on nothing, and lets them go while somebody connects."""

    def __init__(self) -> None:
        self._kept: list[int] = []
        self._lock = threading.Lock()

    def keep(self) -> None:
        """Keep them from now on, as far as there are any."""
        with self._lock, suppress(OSError):
            while len(self._kept) < COUNT:
                self._kept.append(os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC))

    @contextmanager
    def descriptors(self) -> Iterator[None]:
        """They are free for the length of the block. Does nothing in a process that keeps none."""
        with self._lock:
            kept, self._kept = self._kept, []
            for number in kept:
                os.close(number)
        try:
            yield
        finally:
            if kept:
                self.keep()


SPARE: Final = Spare()
