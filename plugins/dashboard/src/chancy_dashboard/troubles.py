"""What is wrong now, looked up once in a while for all who look."""

from __future__ import annotations

import time
from typing import Final, NamedTuple
from weakref import WeakKeyDictionary

from chancy import Chancy
from chancy.plugin import Finding, Severity, find_problems

# The checks ask the database more than a page does; what is wrong stays wrong for longer than that.
FOR_S: Final = 10.0
WITHIN_S: Final = 2.0


class Troubles(NamedTuple):
    """What is wrong.

    Attributes:
        findings: errors first.
        at: when it was looked up, by `time.monotonic()`.
    """

    findings: list[Finding]
    at: float

    @property
    def errors(self) -> int:
        """How many of them are errors."""
        return sum(one.severity is Severity.ERROR for one in self.findings)

    @property
    def warnings(self) -> int:
        """How many are not."""
        return len(self.findings) - self.errors


_last: Final[WeakKeyDictionary[Chancy, Troubles]] = WeakKeyDictionary()


async def troubles_of(chancy: Chancy) -> Troubles:
    """What is wrong, as it was a few seconds ago."""
    found = _last.get(chancy)
    if found is None or time.monotonic() - found.at > FOR_S:
        found = _last[chancy] = Troubles(await find_problems(chancy, within_s=WITHIN_S), time.monotonic())
    return found


def last_troubles(chancy: Chancy) -> Troubles | None:
    """What was wrong when it was looked up last; None: nobody has."""
    return _last.get(chancy)
