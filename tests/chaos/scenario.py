"""What a scenario is, and what came of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from chaos.harness import Arena

# How long a worker may take until it works again, by what had happened; measured from the fault where it stays, else
# from its end.
HUNG_S = 15.0
OUTAGE_S = 5.0
FAIL_OVER_S = 10.0
KILLED_S = 20.0
SECOND_SIGNAL_S = 1.0


@dataclass(frozen=True)
class Scenario:
    """One fault.

    Attributes:
        name: how it is called on the command line.
        sentence: what happens in it.
        family: which file it is in.
        act: does it; returns how long it took until work went on, in seconds, or None where that says nothing.
        within_s: how long that may be.
        lease_s: of the workers.
        short: whether a short form belongs to the tests.
    """

    name: str
    sentence: str
    family: str
    act: Callable[[Arena], Awaitable[float | None]]
    within_s: float | None
    lease_s: float
    short: bool


SCENARIOS: dict[str, Scenario] = {}


def scenario(
    *, within_s: float | None = None, lease_s: float = 15.0, short: bool = False
) -> Callable[[Callable[[Arena], Awaitable[float | None]]], Callable[[Arena], Awaitable[float | None]]]:
    """Register a function as a scenario; its name and the first line of its docstring are the scenario's."""

    def register(act: Callable[[Arena], Awaitable[float | None]]) -> Callable[[Arena], Awaitable[float | None]]:
        name = act.__name__.replace("_", "-")
        sentence = (act.__doc__ or "").strip().splitlines()[0]
        family = act.__module__.rpartition(".")[2]
        SCENARIOS[name] = Scenario(name, sentence, family, act, within_s, lease_s, short)
        return act

    return register


@dataclass
class Result:
    """What is left of a scenario.

    Attributes:
        jobs: how many pushes were told that their job is stored.
        lost: of those, how many jobs have not come to an end.
        twice: jobs with two outcomes, and pushes that are two jobs.
        good_lost: runs of living workers that came to their end and are recorded as lost.
        failed: other jobs that failed, although their worker lived.
        again: jobs that came to their end more than once; allowed, where a run was handed back or rescued.
        back_s: how long it took until work went on.
        within_s: how long that may be.
        wrong: what a scenario itself found wrong.
        skipped: why it did not run.
        said: what the workers logged.
    """

    jobs: int = 0
    lost: int = 0
    twice: int = 0
    good_lost: int = 0
    failed: int = 0
    again: int = 0
    back_s: float | None = None
    within_s: float | None = None
    wrong: list[str] = field(default_factory=list)
    skipped: str | None = None
    said: str = ""

    def complaints(self, *, timed: bool = True) -> list[str]:
        """What is not as it should be; without times where the machine may be busy with other things."""
        found = list(self.wrong)
        for number, what in (
            (self.lost, "jobs are lost"),
            (self.twice, "were recorded twice"),
            (self.good_lost, "good runs are recorded as lost"),
            (self.failed, "jobs failed whose worker lived"),
        ):
            if number:
                found.append(f"{number} {what}")
        if timed and self.within_s is not None and self.back_s is not None and self.back_s > self.within_s:
            found.append(f"work went on after {self.back_s:.1f} s, not within {self.within_s:g} s")
        return found
