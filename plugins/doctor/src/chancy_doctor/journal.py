"""What was found, in the log: each finding once, and when it is over."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Final

from chancy.plugin import Finding, Severity, Subject, log

# What lasts is told again, for those who read the log of today.
TELL_AGAIN_S: Final = 3600.0


class Journal:
    """What the log has been told of."""

    def __init__(self) -> None:
        self._told_at: dict[tuple[str, Subject], float] = {}

    def note(self, findings: Sequence[Finding]) -> None:
        """Tell the log what is new among these, and which of those before are over."""
        now = time.monotonic()
        current = {(one.id, one.subject): one for one in findings}
        for key in [key for key in self._told_at if key not in current]:
            del self._told_at[key]
            log.info("finding_over", id=key[0], subject=f"{key[1].kind} {key[1].name}")
        for key, one in current.items():
            if now - self._told_at.get(key, float("-inf")) < TELL_AGAIN_S:
                continue
            self._told_at[key] = now
            write = log.error if one.severity is Severity.ERROR else log.warning
            write("finding", id=one.id, subject=f"{one.subject.kind} {one.subject.name}", what=one.what, fix=one.fix)
