"""How long a failed job waits: pure, frozen, without I/O."""

from __future__ import annotations

import random
from typing import Final, Self

import msgspec

from chancy_core.values.fields import check_number
from chancy_core.values.ranges import BACKOFF_FACTOR, DELAY_S, JITTER

_LONGEST_S: Final = int(DELAY_S.high)
_RANGES: Final = {"base_s": DELAY_S, "factor": BACKOFF_FACTOR, "max_s": DELAY_S, "jitter": JITTER, "step_s": DELAY_S}


class Backoff(msgspec.Struct, frozen=True, kw_only=True):
    """How long a failed job waits before its next attempt.

    The delay before attempt `n + 1` is `base_s * factor ** (n - 1) + step_s * (n - 1)`, at most `max_s`, and then
    varied by up to `jitter` of itself, so that jobs which failed together do not return together. `Backoff.fixed`,
    `Backoff.linear` and `Backoff.exponential` name the usual ones.

    Attributes:
        base_s: seconds before the second attempt.
        factor: what each further delay is multiplied by.
        max_s: the longest delay, in seconds.
        jitter: 0 for none, 0.2 for up to a fifth more or less.
        step_s: seconds that are added with each further attempt.
    """

    base_s: float = 1.0
    factor: float = 2.0
    max_s: float = 3600.0
    jitter: float = 0.2
    step_s: float = 0.0

    def __post_init__(self) -> None:
        for name, range_ in _RANGES.items():
            check_number(f"Backoff {name}", getattr(self, name), range_)

    @classmethod
    def fixed(cls, delay_s: float, *, jitter: float = 0.2) -> Self:
        """The same delay before every attempt."""
        return cls(base_s=delay_s, factor=1, max_s=_LONGEST_S, jitter=jitter)

    @classmethod
    def linear(cls, base_s: float, step_s: float, *, max_s: float = 3600.0, jitter: float = 0.2) -> Self:
        """`base_s`, then `step_s` more each time."""
        return cls(base_s=base_s, factor=1, max_s=max_s, jitter=jitter, step_s=step_s)

    @classmethod
    def exponential(
        cls, base_s: float = 1.0, factor: float = 2.0, *, max_s: float = 3600.0, jitter: float = 0.2
    ) -> Self:
        """`base_s`, then `factor` times as long each time."""
        return cls(base_s=base_s, factor=factor, max_s=max_s, jitter=jitter)

    def delay_s(self, attempts: int) -> float:
        """Seconds to wait after `attempts` attempts have failed."""
        further = max(attempts - 1, 0)
        try:
            delay = self.base_s * self.factor**further + self.step_s * further
        except OverflowError:
            delay = self.max_s
        delay = min(delay, self.max_s)
        varied = delay * (1 + random.uniform(-self.jitter, self.jitter))  # noqa: S311
        return min(varied, _LONGEST_S)


DEFAULT_BACKOFF: Final = Backoff()
