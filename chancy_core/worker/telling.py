"""Telling: what goes on being wrong is told once in a while, not each time it is tried again."""

from __future__ import annotations

import time
from collections.abc import Hashable
from typing import Final

# The same failure of something that is tried all the time is told again after so long.
SAY_AGAIN_S: Final = 60.0


class News:
    """Whether a text is worth telling: it is not the one that was told last, or that is long ago."""

    def __init__(self) -> None:
        self._last: tuple[str, float] = ("", 0.0)

    def is_new(self, text: str) -> bool:
        """Whether to tell it now; then it counts as told."""
        now = time.monotonic()
        if text == self._last[0] and now - self._last[1] <= SAY_AGAIN_S:
            return False
        self._last = text, now
        return True


class Reports:
    """When each of many things was told last."""

    def __init__(self) -> None:
        self._told_at: dict[Hashable, float] = {}

    def is_due(self, what: Hashable, every_s: float) -> bool:
        """Whether to tell of it now, if it is told at most so often; then it counts as told."""
        now = time.monotonic()
        if now - self._told_at.get(what, -every_s) < every_s:
            return False
        self._told_at = {other: at for other, at in self._told_at.items() if now - at < every_s}
        self._told_at[what] = now
        return True
