"""The runs of a child, as the worker sees them: the one that goes on, and what was sent ahead behind it."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import Final, NamedTuple, TypeAlias

from chancy_core.executors.processes.guard import KillReason, Watch
from chancy_core.executors.processes.tokens import Tokens
from chancy_core.executors.report import Report
from chancy_core.values.queuedjob import QueuedJob

# So many jobs lie in a child behind the one that runs, at most. With one, the child would still fall asleep after most.
AHEAD_MAX: Final = 8
# And no more than are done within this time, or the last ones would wait while other children have nothing to do. A run
# that has gone on for so long is no short one: what lies behind it is taken back, for others to run.
SHORT_S: Final = 0.02
# What each run counts for in how long runs of a child take.
WEIGHT: Final = 0.2


class Terms(NamedTuple):
    """What a run may use.

    Attributes:
        time_s: its time limit.
        memory_bytes: its memory limit.
        grace_s: how long it may go on once it was told to stop, or its time is over.
        start_within_s: how long it may take until its function starts, if it has a time limit.
    """

    time_s: float | None
    memory_bytes: float | None
    grace_s: float
    start_within_s: float


class Death(NamedTuple):
    """A child ended before its run did.

    Attributes:
        code: its exit code, or minus the number of a signal; None if that is not known.
        killed_for: what it was killed for; None if it was not killed by this worker.
        used_s: how long the run took, from the start of its function, as far as that is known, until it was killed.
        peak_bytes: the most memory that it was seen to hold.
        problem: what else there is to say.
        stack: where it was when its time was over, if it could tell.
        begun: whether it may have begun to run the job: not if it could not be started, or set up.
    """

    code: int | None
    killed_for: KillReason | None
    used_s: float
    peak_bytes: int
    problem: str | None
    stack: str
    begun: bool = True


# Called once, on the loop, with what a run came to. Never raises.
HowEnded: TypeAlias = Callable[[Report | Death], None]


# Called once at most, on the loop, with whether a job that was sent ahead begins now, or has been taken back.
Moved: TypeAlias = Callable[[bool], None]


class AwaitedRun:
    """A run that somebody waits for.

    Args:
        number: names it in the line to its child.
        job: what is run.
        terms: what it may use.
        watch: on it.
        ended: called with what it came to.
        moved: of one that is sent ahead: called when it begins, or has been taken back.
    """

    def __init__(
        self, number: int, job: QueuedJob, terms: Terms, watch: Watch, ended: HowEnded, moved: Moved | None = None
    ) -> None:
        self.number = number
        self.job = job
        self.terms = terms
        self.watch = watch
        self.began_at = time.monotonic()
        self.stack = ""
        self.ended = ended
        self.moved = moved


class Runs:
    """The run that goes on in a child, and those that were sent ahead.

    Attributes:
        going: the run that goes on.
        ahead: those that follow it.
        tokens: what decides whether these are begun; None: nothing can be sent ahead.
    """

    def __init__(self) -> None:
        self.going: AwaitedRun | None = None
        self.ahead: deque[AwaitedRun] = deque()
        self.tokens: Tokens | None = None
        # The last one that was taken back. While the child may not have come to it, it would take another one's token
        # for that one's: until a later run has ended, nothing is sent ahead.
        self._taken_back = 0
        # How long its runs have taken lately.
        self._take_s = SHORT_S

    def has_room(self) -> bool:
        """Whether another may be sent ahead."""
        return (
            self.tokens is not None
            and self.going is not None
            and not self._taken_back
            and (not self.ahead or len(self.ahead) < min(AHEAD_MAX, SHORT_S / self._take_s))
            and not self.goes_on()
        )

    def goes_on(self) -> bool:
        """Whether the run that goes on is no short one."""
        return self.going is not None and time.monotonic() - self.going.began_at > SHORT_S

    def follow(self, run: AwaitedRun) -> None:
        """One more is about to be sent ahead."""
        assert self.tokens is not None  # noqa: S101 -- `has_room` was asked
        self.tokens.lay()
        self.ahead.append(run)

    def ended(self) -> AwaitedRun | None:
        """The run that went on is over; the one that goes on now."""
        assert self.going is not None  # noqa: S101 -- the caller has looked
        if self.going.number > self._taken_back:
            self._taken_back = 0
        now = time.monotonic()
        self._take_s += (now - self.going.began_at - self._take_s) * WEIGHT
        self.going = self.ahead.popleft() if self.ahead else None
        if self.going is not None:
            self.going.began_at = now
        return self.going

    def take_back(self) -> list[AwaitedRun]:
        """Take back what has not begun, and never will now. The others have begun, whatever has been heard of them."""
        line = [*self.ahead]
        if self.going is not None and self.going.moved is not None:
            # It was sent ahead itself, and the child has told of the end of the one before it, no more.
            line.insert(0, self.going)
        left = 0
        while line and self.tokens is not None and left < len(line) and self.tokens.take():
            left += 1
        back = line[len(line) - left :]
        for run in back:
            if run is self.going:
                self.going = None
            else:
                self.ahead.remove(run)
            self._taken_back = run.number
        return back
