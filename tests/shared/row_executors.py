"""Executors that break their promises, for the tests of what becomes of it."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import msgspec

from chancy_core.executors import Executor, ExecutorSettings
from chancy_core.executors.asyncio import AsyncExecutor
from chancy_core.values.queuedjob import JobError, Outcome, QueuedJob, State

NESTED = b"[" * 3000 + b"]" * 3000
ERROR = JobError(attempt=1, type="T", message="m", traceback="t", at=datetime.now(UTC), worker="w")
# What `returned` gives instead of a good outcome, by name.
FIELDS: dict[str, dict[str, Any]] = {
    "result_text": {"result": '"text"'},
    "result_no_json": {"result": b"{"},
    "result_not_utf8": {"result": b'"\xff"'},
    "result_nested": {"result": NESTED},
    "result_surrogate": {"result": b'"\\ud800"'},
    "retry_without_attempts": {"state": State.RETRYING, "delay_s": 0.0},
    "back_without_attempts": {"state": State.PENDING},
    "delay_nan": {"state": State.RETRYING, "delay_s": float("nan"), "attempt_spent": False},
    "delay_negative": {"state": State.RETRYING, "delay_s": -1.0, "attempt_spent": False},
    "delay_infinite": {"state": State.RETRYING, "delay_s": float("inf"), "attempt_spent": False},
    "delay_text": {"state": State.RETRYING, "delay_s": "1", "attempt_spent": False},
    "delay_huge": {"state": State.RETRYING, "delay_s": 1e300, "attempt_spent": False},
    "run_s_nan": {"run_s": float("nan")},
    "run_s_huge": {"run_s": 1e300},
    "run_s_none": {"run_s": None},
    "peak_negative": {"peak_bytes": -1},
    "peak_huge": {"peak_bytes": 2**63},
    "peak_float": {"peak_bytes": 1.5},
    "state_text": {"state": "succeeded"},
    "state_running": {"state": State.RUNNING},
    "state_scheduled": {"state": State.SCHEDULED},
    "state_none": {"state": None},
    "spent_none": {"attempt_spent": None},
    "note_bytes": {"note": b"note"},
    "error_text": {"state": State.FAILED, "error": "it failed"},
    "error_fields": {"state": State.FAILED, "error": msgspec.structs.replace(ERROR, attempt="one")},
    "error_none": {"state": State.FAILED, "error": msgspec.structs.replace(ERROR, message=None)},
    "error_time": {"state": State.FAILED, "error": msgspec.structs.replace(ERROR, at="yesterday")},
    "meta_list": {"meta": b"[]"},
    "meta_text": {"meta": "{}"},
    "meta_nul": {"meta": b'{"a": "\\u0000"}'},
    "job_none": {"job": None},
}
# What can be mended without losing the run.
MENDED: dict[str, dict[str, Any]] = {
    "note_nul": {"note": "a\x00b\ud800"},
    "error_nul": {
        "state": State.FAILED,
        "error": msgspec.structs.replace(ERROR, type="a\x00", message="b\x00\ud800", traceback="c\x00"),
    },
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
        fields = {**FIELDS, **MENDED}.get(what, {})
        return Outcome(**{"job": job, "state": State.SUCCEEDED, **fields})


class Raising(AsyncExecutor):
    """Its every other method raises."""

    def forget(self, job: QueuedJob) -> None:
        raise SystemExit("forget")

    def stopped(self, job: QueuedJob) -> Any:
        raise ZeroDivisionError("stopped")

    def failed(self, job: QueuedJob, error: BaseException, run_s: float) -> Any:
        raise ZeroDivisionError("failed")

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
