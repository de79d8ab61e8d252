"""One run on a cluster, as the worker of Chancy that sent it sees it."""

from __future__ import annotations

import asyncio
from typing import Any

from msgspec.structs import replace

from chancy import QueuedJob
from chancy.errors import CannotRunHere, MemoryLimitExceeded, TimeLimitExceeded
from chancy.executors import Control, Report
from chancy_dask.errors import DaskConnectionLost, DaskWorkerDied
from chancy_dask.messages import Answer, Order

MIB = 1024 * 1024


class Run:
    """A run that was sent to a cluster. It ends once, whoever says so first.

    Attributes:
        order: what was sent.
        ended: resolved with its report.
        future: the Dask future.
        worker: the address of the Dask worker that began it; None: it has not begun.
        began: when its function was called, by the loop's clock; None: not yet, or it has no time limit.
        stopped: why it was told to stop.
        over: what the Dask worker said when the run exceeded its limit, or did not stop.
    """

    def __init__(self, job: QueuedJob, order: Order, control: Control) -> None:
        self.job = job
        self.order = order
        self.control = control
        self.ended: asyncio.Future[Report] = asyncio.get_running_loop().create_future()
        self.future: Any = None
        self.worker: str | None = None
        self.host = ""
        self.began: float | None = None
        self.stopped: str | None = None
        self.over: dict[str, Any] | None = None

    def end(self, report: Report) -> None:
        """It came to this."""
        if not self.ended.done():
            self.ended.set_result(report)

    def may_begin(self, worker: str, host: str) -> bool:
        """Whether this Dask worker may begin it: only the first one that asks, while it is wanted."""
        if self.ended.done() or self.stopped is not None or self.worker is not None:
            return False
        self.worker, self.host = worker, host
        return True

    def lost(self, why: str) -> None:
        """The cluster is gone: what has not begun goes back, and nobody will learn how the others end."""
        if self.worker is None:
            self.end(Report.not_begun(CannotRunHere(why)))
        else:
            self.end(
                Report.raised(
                    DaskConnectionLost(
                        f"{self.job.func} ran on the Dask worker {self.where} when {why[0].lower()}{why[1:]} How it "
                        "ended there is not known; it was told to stop."
                    )
                )
            )

    def died(self) -> None:
        """The Dask worker that ran it is gone."""
        error: Exception
        match (self.over or {}).get("what"):
            case "time":
                error = TimeLimitExceeded(
                    f"{self.job.func} ran for {self._over('used_s', 0.0):.3f} s: its time limit is "
                    f"{self.order.time_s or 0:g} s. It went on for {self.order.grace_s:g} s more, and its Dask worker "
                    f"{self.where} was restarted."
                )
                if where := self._over("where", ""):
                    error.add_note(f"Where it was when its time was over:\n{where}")
            case "memory":
                error = MemoryLimitExceeded(
                    f"{self.job.func} let its Dask worker hold {mib(self._over('peak_bytes', 0))}: its memory limit is "
                    f"{mib(self.order.memory_bytes or 0)}. The Dask worker {self.where} was restarted."
                )
            case "stopped":
                error = DaskWorkerDied(
                    f"{self.job.func} did not stop, and its Dask worker {self.where} was restarted: {self.stopped}"
                )
            case _:
                error = DaskWorkerDied(
                    f"{self.job.func} did not end: the Dask worker {self.where} that ran it is gone. It may have been "
                    "killed, by a person, by its nanny or by the system when memory was short, or cut off."
                )
        report = Report.raised(error, run_s=max(float(self._over("used_s", 0.0)), 0.0))
        self.end(replace(report, peak_bytes=self._over("peak_bytes", None)))

    @property
    def where(self) -> str:
        """The Dask worker that began it."""
        return f"{self.worker} ({self.host})"

    def _over(self, name: str, default: Any) -> Any:
        return (self.over or {}).get(name) or default

    def answered(self, answer: Answer) -> None:
        """The Dask task has returned."""
        if answer.progress is not None:
            self.control.progress(*answer.progress)
        if answer.report is not None:
            self.end(answer.report)
        elif self.worker is None:
            self.end(Report.not_begun(CannotRunHere(f"The Dask worker {answer.worker} had no word to begin it.")))
        else:
            # It was begun a second time by Dask, which is what it does when a Dask worker dies.
            self.died()


def mib(size: float) -> str:
    """A size, as errors show it."""
    return f"{size / MIB:,.1f} MiB"
