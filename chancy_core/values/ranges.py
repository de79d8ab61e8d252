"""What numbers and moments may be: written once, for whoever checks them before they are stored and when they are read.

The CHECK constraints of the database hold the same numbers (the migrations cannot import them), and a test compares
them: `tests/test_rows.py`.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple


class Range(NamedTuple):
    """The numbers from `low` to `high`, both included.

    Attributes:
        low: the least one.
        high: the greatest one.
        above: whether `low` itself is not one of them.
    """

    low: float
    high: float
    above: bool = False

    def holds_whole(self, value: object) -> bool:
        """Whether this is a whole number in the range."""
        return isinstance(value, int) and self.holds(value)

    def holds(self, value: object) -> bool:
        """Whether this is a number in the range. A truth value is none, and neither is NaN."""
        if not isinstance(value, int | float) or isinstance(value, bool):
            return False
        return (self.low < value if self.above else self.low <= value) and value <= self.high


# PostgreSQL's integer.
PRIORITY: Final = Range(-(2**31), 2**31 - 1)
MAX_ATTEMPTS: Final = Range(1, 2**31 - 1)
CONCURRENCY: Final = Range(1, 10_000)
POLLING_INTERVAL_S: Final = Range(0, 3600, above=True)
RATE_LIMIT: Final = Range(1, 1_000_000)
RATE_LIMIT_WINDOW_S: Final = Range(0.1, 86_400)
GLOBAL_CONCURRENCY: Final = Range(1, 1_000_000)
# A year: what is to come back later is better pushed anew with `scheduled_at`.
DELAY_S: Final = Range(0, 31_536_000)
# How long a run took: what PostgreSQL's real and make_interval take without a second thought.
RUN_S: Final = Range(0, 1e9)
# PostgreSQL's bigint.
PEAK_BYTES: Final = Range(0, 2**63 - 1)
# What Python reads back from PostgreSQL whatever the session's time zone.
EARLIEST: Final = datetime.min.replace(tzinfo=UTC) + timedelta(days=1)
LATEST: Final = datetime.max.replace(tzinfo=UTC).replace(microsecond=0, second=0, minute=0, hour=0) - timedelta(days=1)
# Tags are regular expressions, which anybody may store in the database.
TAGS_MAX: Final = 100
TAG_MAX_LENGTH: Final = 500
