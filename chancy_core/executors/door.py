"""The door of the lane: an executor may be anybody's code, and what it reports is looked at before it counts."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from msgspec.structs import asdict, replace

from chancy_core.errors import InvalidJob, InvalidReport
from chancy_core.executors.base import Executor
from chancy_core.executors.report import Report, meta_too_large, portable, too_large
from chancy_core.store.storedjobs import decode_meta
from chancy_core.values.declared import Declared
from chancy_core.values.job import Job
from chancy_core.values.jsonvalue import decode
from chancy_core.values.queuedjob import Outcome
from chancy_core.values.raised import Raised, Wish
from chancy_core.values.ranges import DELAY_S, PEAK_BYTES, RUN_S
from chancy_core.values.storable import TRACEBACK_MAX, clean, noted

OURS: Final = "chancy_core.executors."
INSTEAD: Final = "return Report.returned(value), Report.raised(error) or Report.not_begun(error)."
_encode: Final = msgspec.json.Encoder().encode
_decode_report: Final = msgspec.json.Decoder(Report).decode


def is_ours(executor: Executor) -> bool:
    """Whether an executor is one of those that come with Chancy, whose reports need no second look."""
    return type(executor).__module__.startswith(OURS)


def checked(func: str, report: object, executor: Executor) -> Report:
    """The report of a run as it can be recorded: texts are made storable, and numbers plain.

    Args:
        func: the job's function, for the error.
        report: what the executor returned.
        executor: the executor.

    Raises:
        InvalidReport: it is none, or one of its fields cannot be recorded; names the executor.
    """
    who = f"The executor {type(executor).__module__}.{type(executor).__qualname__}"
    if isinstance(report, Outcome):
        raise InvalidReport(
            f"{who} returned an Outcome for {func}, and what becomes of a job is decided by the worker: {INSTEAD}"
        )
    if not isinstance(report, Report):
        raise InvalidReport(f"{who} returned a {type(report).__name__} for {func}, which is no Report: {INSTEAD}")
    problem = _problem_of(report)
    if problem is not None:
        raise InvalidReport(f"{who} returned a Report for {func} that cannot be recorded: its {problem}")
    report = replace(
        report,
        run_s=float(report.run_s),
        note=None if report.note is None else noted(report.note),
        error=None if report.error is None else _storable(report.error),
    )
    settings = executor.settings
    if report.meta is not None and len(report.meta) > settings.meta_limit_bytes:
        report = replace(report, meta=None, note=meta_too_large(len(report.meta), settings.meta_limit_bytes))
    if report.result is not None and len(report.result) > settings.result_limit_bytes:
        return replace(report, result=None, note=too_large(len(report.result), settings.result_limit_bytes))
    return report


def _problem_of(report: Report) -> str | None:
    """What keeps a report from being recorded, as the end of a sentence; None: nothing."""
    if not isinstance(report.begun, bool):
        return f"begun is {_shown(report.begun)}: give True or False."
    if not report.begun and report.error is None:
        return "begun is False, and there is no error to say why: use Report.not_begun(error)."
    return (
        _problem_of_declared(report.declared)
        or _problem_of_error(report.error)
        or _problem_of_numbers(report)
        or _problem_of_texts(report)
    )


def _problem_of_declared(declared: object) -> str | None:
    if declared is None:
        return None
    if not isinstance(declared, Declared):
        return f"declared is {_shown(declared)}: leave it None."
    try:
        # As each of them is checked in a job.
        Job("a.b", **{**asdict(declared), "limits": list(declared.limits)})
    except (InvalidJob, TypeError) as error:
        return f"declared is none that a function can have: {error}"
    return None


def _problem_of_error(error: object) -> str | None:
    if error is None:
        return None
    if not isinstance(error, Raised) or not _is_sound(error):
        return f"error is {_shown(error)}: give Raised.of(the exception), or None."
    if error.wish is None:
        return None
    if error.delay_s is None and error.wish is not Wish.SNOOZE:
        return None
    if not DELAY_S.holds(error.delay_s):
        return f"error's delay_s is {_shown(error.delay_s)}: give seconds from 0 to {DELAY_S.high:,}."
    return None


def _problem_of_numbers(report: Report) -> str | None:
    if not RUN_S.holds(report.run_s):
        return f"run_s is {_shown(report.run_s)}: give seconds, from 0 to {RUN_S.high:,.0f}."
    if report.peak_bytes is not None and not PEAK_BYTES.holds(report.peak_bytes):
        return f"peak_bytes is {_shown(report.peak_bytes)}: give a whole number of bytes, or None."
    return None


def _problem_of_texts(report: Report) -> str | None:
    if report.note is not None and not isinstance(report.note, str):
        return f"note is {_shown(report.note)}: give a text, or None."
    for name, decoder in (("result", decode), ("meta", decode_meta)):
        value = getattr(report, name)
        if value is None:
            continue
        if not isinstance(value, bytes):
            return f"{name} is {_shown(value)}: give the bytes of its JSON, or None."
        try:
            decoder(value.decode())
        except RecursionError:
            return f"{name} is nested too deeply."
        except ValueError as error:
            return f"{name} is not the JSON of what may be kept: {error}."
    return None


def _is_sound(error: Raised) -> bool:
    try:
        _decode_report(_encode(portable(Report(error=_storable(error)))))
    except Exception:  # noqa: BLE001 -- fields may be of any type
        return False
    return error.exception is None or isinstance(error.exception, BaseException)


def _storable(error: Raised) -> Raised:
    return replace(
        error,
        type=noted(error.type),
        message=noted(error.message),
        traceback=clean(error.traceback, TRACEBACK_MAX, keep_end=True),
    )


def _shown(value: Any) -> str:
    """A value in an error, whatever it says of itself."""
    try:
        return f"{value!r:.80}"
    except Exception:  # noqa: BLE001
        return f"a {type(value).__name__}"
