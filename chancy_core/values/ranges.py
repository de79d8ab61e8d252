"""What numbers, moments and names may be: written once, for everybody who checks them.

Values, settings, arguments of `Worker(…)` and options of the command take their ranges from here. The CHECK constraints
of the database hold the same numbers, because the migrations cannot import them: `tests/values/test_ranges.py` holds
all of them together.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple


class Range(NamedTuple):
    """The numbers from `low` to `high`, both included.

    Attributes:
        low: the least one.
        high: the greatest one.
        what: what they are, as in "give seconds from 1 to 3,600".
        whole: whether they are whole numbers.
        above: whether `low` itself is not one of them.
        note: what else there is to say about the greatest one, such as "a year".
    """

    low: float
    high: float
    what: str = "a number"
    whole: bool = False
    above: bool = False
    note: str = ""

    def holds(self, value: object) -> bool:
        """Whether this is a number in the range. A truth value is none, and neither is NaN."""
        if not isinstance(value, int if self.whole else int | float) or isinstance(value, bool):
            return False
        return (self.low < value if self.above else self.low <= value) and value <= self.high

    @property
    def expected(self) -> str:
        """What to give, to complete "give …" in an error."""
        low, high = _text(self.low), _text(self.high)
        note = f" ({self.note})" if self.note else ""
        return (
            f"{self.what} above {low}, at most {high}{note}"
            if self.above
            else f"{self.what} from {low} to {high}{note}"
        )


def _text(number: float) -> str:
    return f"{number:,}" if isinstance(number, int) else f"{number:,g}"


_WHOLE: Final = "a whole number"
_A_YEAR: Final = 31_536_000

# -- jobs. Whole numbers of the database: PostgreSQL's integer -----------------------------
PRIORITY: Final = Range(-(2**31), 2**31 - 1, _WHOLE, whole=True)
MAX_ATTEMPTS: Final = Range(1, 2**31 - 1, _WHOLE, whole=True)
# What is to come back later is better pushed anew with `scheduled_at`.
DELAY_S: Final = Range(0, _A_YEAR, "seconds", note="a year")
BACKOFF_FACTOR: Final = Range(1, 1000)
JITTER: Final = Range(0, 1)
# Limits are read back as floats, which hold every whole number up to here. More bytes, or seconds, are a mistake.
LIMIT_VALUE: Final = Range(0, 2**53, above=True)
# How long the command waits for a job. Longer is a slip of the unit.
WAIT_S: Final = Range(0, _A_YEAR, "seconds", note="a year")
# How many jobs the command lists. More are for a program, or for SQL.
LIST_LIMIT: Final = Range(1, 1_000_000, _WHOLE, whole=True)
# How many processes one command keeps running. More than that is a slip of the finger.
PROCESSES: Final = Range(1, 1000, _WHOLE, whole=True)
# How far ahead a worker looks that ends when there is nothing left to do.
DUE_WITHIN_S: Final = Range(0, _A_YEAR, "seconds", note="a year")
# How many jobs a page may have, which are in memory with all their arguments; and how long they may be looked for.
PAGE_LIMIT: Final = Range(1, 1000, _WHOLE, whole=True)
# Twenty-one bytes each, and found in some tenths of a second.
HITS_LIMIT: Final = Range(1, 20_000, _WHOLE, whole=True)
LOOK_S: Final = Range(0.01, 60, "seconds", note="a minute")
# How long a run took: what PostgreSQL's real and make_interval take without a second thought.
RUN_S: Final = Range(0, 1e9, "seconds")
# PostgreSQL's bigint.
PEAK_BYTES: Final = Range(0, 2**63 - 1, "whole bytes", whole=True)
# What Python reads back from PostgreSQL whatever the session's time zone.
EARLIEST: Final = datetime.min.replace(tzinfo=UTC) + timedelta(days=1)
LATEST: Final = datetime.max.replace(tzinfo=UTC).replace(microsecond=0, second=0, minute=0, hour=0) - timedelta(days=1)
# Long enough for any dotted name or key people use; short enough to be indexed (a btree entry holds about 2,700 bytes).
NAME_MAX_LENGTH: Final = 500

# -- queues, and what a worker does for those that do not say ------------------------------
CONCURRENCY: Final = Range(1, 10_000, _WHOLE, whole=True)
POLLING_INTERVAL_S: Final = Range(0, 3600, "seconds", above=True)
RATE_LIMIT: Final = Range(1, 1_000_000, _WHOLE, whole=True)
RATE_LIMIT_WINDOW_S: Final = Range(0.1, 86_400, "seconds", note="a day")
GLOBAL_CONCURRENCY: Final = Range(1, 1_000_000, _WHOLE, whole=True)
# How long a queue may be paused by a length of time. Longer is a slip of the unit, or a pause without an end.
PAUSE_S: Final = Range(0, 10 * _A_YEAR, "seconds", above=True, note="ten years")
# Tags are regular expressions, which anybody may store in the database.
TAGS_MAX: Final = 100
TAG_MAX_LENGTH: Final = 500
# The names of queues that one worker is told to serve. Whoever needs more has a pattern, or tags.
WORKER_QUEUES_MAX: Final = 100

# -- workers and applications --------------------------------------------------------------
# A shorter lease is lost by one slow answer; a longer one keeps jobs of a lost worker for hours.
LEASE_S: Final = Range(1, 3600, "seconds")
# Longer is a slip of the unit.
GRACE_S: Final = Range(0, _A_YEAR, "seconds", note="a year")
UNRUNNABLE_FOR_S: Final = Range(0, _A_YEAR, "seconds", note="a year")
# As long as the name of a machine in DNS; each run adds a suffix of seven characters.
WORKER_NAME_MAX_LENGTH: Final = 255
POOL_SIZE: Final = Range(1, 10_000, _WHOLE, whole=True)
# PostgreSQL holds at most 1 GB in one value (manual, "PostgreSQL Limits").
VALUE_BYTES: Final = Range(1, 2**30, "whole bytes", whole=True, note="1 GB")
