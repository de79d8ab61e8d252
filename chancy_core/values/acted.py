"""What came of acting on many jobs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import msgspec


class Acted(msgspec.Struct, frozen=True, kw_only=True):
    """What came of an action on many jobs, or has come of it so far.

    Attributes:
        found: how many jobs were found before the first was touched. Nothing but these is touched.
        done: what was done, and to how many: `cancelled` and `stopping`, `retried`, `deleted`, or `updated`.
        skipped: how many were left as they are, by the reason: `unique key taken`, `running`, `finished`,
            `not finished`, `changed meanwhile` or `gone`.
        counted: whether all were found by then, so that `found` is how many there are.
        stopped: whether it was stopped before its end.
        new: how many jobs the filter finds by now that were not there when it began, and were not touched; as far as
            there was time to look.
    """

    found: int = 0
    done: Mapping[str, int] = {}
    skipped: Mapping[str, int] = {}
    counted: bool = True
    stopped: bool = False
    new: int = 0

    def __str__(self) -> str:
        done = ", ".join(f"{word} {number:,}" for word, number in self.done.items() if number)
        skipped = ", ".join(f"skipped {number:,} ({word})" for word, number in self.skipped.items() if number)
        found = "" if done or skipped else f"found {self.found:,}"
        new = f"{self.new:,} new, not touched" if self.new else ""
        return ", ".join(filter(None, (found, done, skipped, new, "stopped" if self.stopped else "")))

    def to_dict(self) -> dict[str, Any]:
        """Every field by its name, as what JSON has."""
        return msgspec.structs.asdict(self) | {"done": dict(self.done), "skipped": dict(self.skipped)}


# Hears how far an action has come. False stops it, after what was done so far.
Heard: TypeAlias = Callable[[Acted], object]
