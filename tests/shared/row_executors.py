"""Executors that break their promises, for the tests of what becomes of it."""

import asyncio
from typing import Any

from msgspec.structs import replace

from chancy_core.executors import Executor, ExecutorSettings, Report
from chancy_core.executors.asyncio import AsyncExecutor
from chancy_core.values.queuedjob import Outcome, QueuedJob, State
from chancy_core.values.raised import Raised
from chancy_core.values.verdicts import Snooze

NESTED = b"[" * 3000 + b"]" * 3000
ERROR = Raised(type="T", message="m", traceback="t")
SNOOZE = Raised.of(Snooze(1))
# What `Returning` gives instead of a good report, by name.
FIELDS: dict[str, dict[str, Any]] = {
    "result_text": {"result": '"text"'},
    "result_no_json": {"result": b"{"},
    "result_not_utf8": {"result": b'"\xff"'},
    "result_nested": {"result": NESTED},
    "result_surrogate": {"result": b'"\\ud800"'},
    "delay_nan": {"error": replace(SNOOZE, delay_s=float("nan"))},
    "delay_negative": {"error": replace(SNOOZE, delay_s=-1.0)},
    "delay_infinite": {"error": replace(SNOOZE, delay_s=float("inf"))},
    "delay_text": {"error": replace(SNOOZE, delay_s="1")},
    "delay_none": {"error": replace(SNOOZE, delay_s=None)},
    "delay_huge": {"error": replace(SNOOZE, delay_s=1e300)},
    "wish_unknown": {"error": replace(SNOOZE, wish="sleep")},
    "run_s_nan": {"run_s": float("nan")},
    "run_s_huge": {"run_s": 1e300},
    "run_s_none": {"run_s": None},
    "peak_negative": {"peak_bytes": -1},
    "peak_huge": {"peak_bytes": 2**63},
    "peak_float": {"peak_bytes": 1.5},
    "begun_none": {"begun": None},
    "begun_without_error": {"begun": False},
    "note_bytes": {"note": b"note"},
    "error_text": {"error": "it failed"},
    "error_exception": {"error": ValueError("it failed")},
    "error_kinds": {"error": replace(ERROR, kinds=("a", 1))},
    "error_none": {"error": replace(ERROR, message=None)},
    "error_object": {"error": replace(ERROR, exception="an exception")},
    "meta_list": {"meta": b"[]"},
    "meta_text": {"meta": "{}"},
    "meta_nul": {"meta": b'{"a": "\\u0000"}'},
}
# What can be mended without losing the run.
MENDED: dict[str, dict[str, Any]] = {
    "note_nul": {"note": "a\x00b\ud800"},
    "error_nul": {"error": replace(ERROR, type="a\x00", message="b\x00\ud800", traceback="c\x00")},
    "result_long": {"result": b'"' + b"x" * 2_000_000 + b'"'},
}


class Returning(Executor):
    """Returns what the job's `what` names."""

    async def run(self, job: QueuedJob) -> Any:
        what = job.kwargs.get("what")
        if what == "raises":
            raise SystemExit(3)
        if what in ("none", "text", "another"):
            return {"none": None, "text": "done", "another": object()}[what]
        if what == "outcome":
            return Outcome(job=job, state=State.SUCCEEDED)
        return Report(**{**FIELDS, **MENDED}.get(what, {}))


class Raising(AsyncExecutor):
    """Its every other method raises."""

    def forget(self, job: QueuedJob) -> None:
        raise SystemExit("forget")

    def stop(self, job: QueuedJob, task: Any, reason: Any) -> None:
        raise ZeroDivisionError("stop")

    async def close(self) -> None:
        raise SystemExit("close")


class Slow(AsyncExecutor):
    """Takes for ever to start, and to close."""

    may_start = asyncio.Event()

    async def start(self) -> None:
        await self.may_start.wait()

    async def close(self) -> None:
        while True:
            try:
                await asyncio.sleep(3600)
            except asyncio.CancelledError:
                continue


class SlowToClose(AsyncExecutor):
    """Takes for ever to close."""

    async def close(self) -> None:
        await asyncio.sleep(3600)


class Exits(AsyncExecutor):
    """Ends the process when it is made, if it could."""

    def __init__(self, settings: ExecutorSettings) -> None:
        raise SystemExit(7)


class ExitsAtStart(AsyncExecutor):
    """Ends the process when it is started, if it could."""

    async def start(self) -> None:
        raise SystemExit(7)


class SlowToStart(AsyncExecutor):
    """Starts when it may."""

    async def start(self) -> None:
        await Slow.may_start.wait()


class Gated(Returning):
    """Is closed once somebody opens the gate."""

    closing = asyncio.Event()
    gate = asyncio.Event()
    closed = 0

    @classmethod
    def reset(cls) -> None:
        """As in the beginning, for the loop of this test."""
        cls.closing, cls.gate, cls.closed = asyncio.Event(), asyncio.Event(), 0

    async def close(self) -> None:
        """Wait for it."""
        self.closing.set()
        await self.gate.wait()
        type(self).closed += 1
