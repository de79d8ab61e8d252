"""What `claim_budget` answers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec


class Budget(msgspec.Struct, frozen=True):
    """How many jobs of a queue may be claimed now.

    Attributes:
        count: so many, 0 or more.
        again_in_s: in how many seconds more may be claimed. None: nobody can tell; the queue is asked for again once a
            job of it has ended somewhere, and at its polling interval.
        taken: called as `await taken(count)` when jobs were claimed, with how many, in the same transaction, before it
            commits. If it raises, nothing was claimed.
    """

    count: int
    again_in_s: float | None = None
    taken: Callable[[int], Awaitable[None]] | None = None


class Grant(msgspec.Struct, frozen=True):
    """The smallest of all budgets, and those to be told what was taken of it, by their plugins.

    Attributes:
        count: how many jobs may be claimed.
        again_in_s: as in `Budget`.
        tell: each plugin that wants to be told, and its `taken`.
        roll_back: whether the transaction is to be rolled back, because something in it failed.
    """

    count: int
    again_in_s: float | None
    tell: tuple[tuple[str, Callable[[int], Awaitable[None]]], ...] = ()
    roll_back: bool = False


def as_budget(answer: object) -> Budget:
    """A plugin's answer as a budget.

    Raises:
        TypeError: it is neither a number nor a budget that makes sense.
    """
    budget = answer if isinstance(answer, Budget) else Budget(answer)  # type: ignore[arg-type]
    again = budget.again_in_s
    if (
        not _is_number(budget.count, int)
        or budget.count < 0
        or not (again is None or (_is_number(again, int | float) and again >= 0))
        or not (budget.taken is None or callable(budget.taken))
    ):
        raise TypeError(f"it must return None, a number of jobs or a Budget, not {answer!r:.200}")
    return budget


def _is_number(value: object, kind: Any) -> bool:
    return isinstance(value, kind) and not isinstance(value, bool)
