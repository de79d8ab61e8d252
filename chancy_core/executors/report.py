"""What an executor says of a run: what it returned or raised, no more. What that means, the worker decides."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from msgspec.structs import replace

from chancy_core.errors import InvalidJob
from chancy_core.values.declared import Declared
from chancy_core.values.jsonvalue import encode_checked
from chancy_core.values.raised import Raised
from chancy_core.values.storable import noted
from chancy_core.values.turns import LARGE, STEP_BYTES, Turns
from chancy_core.values.typed import Json, encode_typed

# As large as a result may be, unless that is set otherwise.
RESULT_LIMIT_BYTES: Final = 262_144
# As much as a push takes, unless that is.
META_LIMIT_BYTES: Final = 1_048_576


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What one run came to, as its executor saw it. It decides nothing: see `chancy_core.worker.deciding`.

    Make one with `Report.returned`, `Report.raised` or `Report.not_begun`.

    Attributes:
        result: the JSON of what the function returned, if it is to be kept.
        error: what it raised, or what kept it from being begun; None: it returned.
        begun: whether the function was called. What goes wrong before is the fault of the worker, and costs the job no
            attempt, unless it is a `CannotRun`: the job's own.
        run_s: how long the function ran, in seconds.
        peak_bytes: the most memory that the run held, where its executor can tell.
        meta: the JSON of the job's meta, if the run changed it.
        note: what there is to say about it, such as why a result was not kept.
        declared: what `@job` says of the function, if the job's row lacks some of it: it holds for this run, and for
            what becomes of the job.
    """

    result: bytes | None = None
    error: Raised | None = None
    begun: bool = True
    run_s: float = 0.0
    peak_bytes: int | None = None
    meta: bytes | None = None
    note: str | None = None
    declared: Declared | None = None

    @staticmethod
    def returned(
        value: Any,
        *,
        run_s: float = 0.0,
        keep: bool = True,
        limit_bytes: int = RESULT_LIMIT_BYTES,
        json: Json = "plain",
    ) -> Report:
        """The function returned `value`. A value that is no JSON, or too large, is left out, and the note says so.

        Args:
            value: what it returned.
            run_s: how long it ran, in seconds.
            keep: the job's `keep_result`.
            limit_bytes: the largest result that is kept; an executor's `settings` have it.
            json: the job's `json`: "typed" takes values of more types than JSON has.
        """
        return reported(value, run_s=run_s, keep=keep, limit_bytes=limit_bytes, json=json)

    @staticmethod
    def raised(error: BaseException | Raised, *, run_s: float = 0.0) -> Report:
        """The function raised `error`, or the run ended so: over its limit, its process killed, cancelled."""
        return Report(error=error if isinstance(error, Raised) else Raised.of(error), run_s=run_s)

    @staticmethod
    def not_begun(error: BaseException | Raised) -> Report:
        """The function was not called, because of `error`. See `begun` for whose fault that is."""
        return Report(error=error if isinstance(error, Raised) else Raised.of(error), begun=False)


def reported(
    value: Any, *, run_s: float, keep: bool, limit_bytes: int, json: Json = "plain", turns: Turns | None = None
) -> Report:
    """As `Report.returned`. `turns` count what was made of the value, whether or not it is kept."""
    if value is None or not keep:
        return Report(run_s=run_s)
    try:
        result = (encode_checked if json == "plain" else encode_typed)(value, "the result")
    except Exception as error:  # noqa: BLE001 -- a job that is done must not fail for its result's repr
        if turns is not None:
            # Nobody knows how large it would have been.
            turns.encoded(STEP_BYTES)
        problem = str(error) if isinstance(error, InvalidJob) else f"{type(error).__name__}."
        return Report(run_s=run_s, note=noted(f"The result was not kept: {problem}"))
    if turns is not None and len(result) > LARGE:
        turns.encoded(len(result))
    if len(result) > limit_bytes:
        return Report(run_s=run_s, note=too_large(len(result), limit_bytes))
    return Report(result=result, run_s=run_s)


def too_large(size: int, limit_bytes: int) -> str:
    """The note of a result that was too large to be kept."""
    return f"The result was not kept: it takes {size:,} bytes as JSON, and the limit is {limit_bytes:,}."


def meta_too_large(size: int, limit_bytes: int) -> str:
    """The note of a meta that a run made too large to be kept."""
    return (
        f"What the run put into the job's meta was not kept: it takes {size:,} bytes as JSON, and the limit is "
        f"{limit_bytes:,}."
    )


def with_declared(report: Report, declared: Declared | None) -> Report:
    """The report of a run for which this was added to what the job's row says."""
    return report if declared is None else replace(report, declared=declared)


def begins_anew(report: Report) -> bool:
    """Whether the job has a limit that its row lacks, and that another side has to enforce: it is begun once more."""
    return report.declared is not None and not report.begun


def portable(report: Report) -> Report:
    """The report as it may leave the process: without the exception itself."""
    if report.error is None or report.error.exception is None:
        return report
    return replace(report, error=replace(report.error, exception=None))
