"""What is wrong now, looked up once in a while for all who look."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final, NamedTuple

from chancy import Chancy
from chancy.errors import SchemaError
from chancy.plugin import Finding, Severity, Subject, find_problems, opened

# The checks ask the database more than a page does; what is wrong stays wrong for longer than that.
FOR_S: Final = 10.0
# What was found longer ago is not told any more; before that, it is told while it is renewed.
STALE_S: Final = 60.0
WITHIN_S: Final = 2.0
# A page waits no longer for it: it is shown without, and again when it is known.
PATIENCE_S: Final = 0.15


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


class Watch:
    """Looks for what is wrong, for all viewers.

    Args:
        brought: whose pages or panels could not be used, and why: that is wrong as well.

    Attributes:
        last: what was found last.
        when_late: called when something is known for which somebody had not waited long enough.
    """

    def __init__(self, brought: list[tuple[str, str]]) -> None:
        self._brought: Final = [_of(plugin, problem) for plugin, problem in brought]
        self._asking: asyncio.Task[Troubles] | None = None
        self._missed = False
        self.last: Troubles | None = None
        self.when_late: Callable[[], None] = lambda: None

    async def now(self, chancy: Chancy, patience_s: float | None = None) -> Troubles | None:
        """What is wrong, as it was a few seconds ago.

        Args:
            chancy: the application that is asked.
            patience_s: how long to wait for it, in seconds; None: until it is known.

        Returns:
            None if it was not known by then.
        """
        age_s = float("inf") if self.last is None else time.monotonic() - self.last.at
        if age_s > FOR_S and (self._asking is None or self._asking.done()):
            self._asking = asyncio.create_task(self._ask(chancy))
            # Also if nobody waits for it.
            self._asking.add_done_callback(lambda done: None if done.cancelled() else done.exception())
        if self.last is not None and age_s < STALE_S:
            return self.last
        assert self._asking is not None  # noqa: S101 -- there is no last one, or it is old
        # Whoever goes away does not stop the look for the others.
        done, _ = await asyncio.wait([self._asking], timeout=patience_s)
        if done:
            return self._asking.result()
        self._missed = True
        return None

    def renew(self) -> None:
        """Look anew at the next opportunity: something has been changed."""
        if self.last is not None:
            self.last = self.last._replace(at=self.last.at - FOR_S)

    async def close(self) -> None:
        """Stop looking."""
        if self._asking is not None and self._asking.get_loop() is asyncio.get_running_loop():
            self._asking.cancel()
            await asyncio.wait([self._asking])

    async def _ask(self, chancy: Chancy) -> Troubles:
        with suppress(SchemaError):
            await opened(chancy)
        found = await find_problems(chancy, within_s=WITHIN_S)
        self.last = Troubles([*found, *self._brought], time.monotonic())
        if self._missed:
            self._missed = False
            self.when_late()
        return self.last


def _of(plugin: str, problem: str) -> Finding:
    return Finding(
        id="page-left-out",
        severity=Severity.WARNING,
        subject=Subject("plugin", plugin),
        what=f"A page or a panel of the plugin {plugin!r} is left out of the dashboard: {problem}",
        why="What it would show is not shown.",
        fix="chancy plugins",
    )
