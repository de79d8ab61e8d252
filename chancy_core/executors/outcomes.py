"""How a run ended, in the words that are kept."""

from __future__ import annotations

import traceback
from datetime import UTC, datetime
from typing import Any, Final

from chancy_core.errors import CannotRun, InvalidJob
from chancy_core.values.backoff import DEFAULT_BACKOFF
from chancy_core.values.jsonvalue import encode_checked
from chancy_core.values.queuedjob import JobError, Outcome, QueuedJob, State
from chancy_core.values.verdicts import Cancel, Retry, Snooze

MESSAGE_MAX: Final = 2000
TRACEBACK_MAX: Final = 8000


def succeeded(job: QueuedJob, value: Any, *, limit_bytes: int, run_s: float) -> Outcome:
    """The outcome of a run that returned `value`, which is kept if it can be."""
    if value is None or not job.keep_result:
        return Outcome(job=job, state=State.SUCCEEDED, run_s=run_s)
    note = None
    result = None
    try:
        result = encode_checked(value, "the result")
    except InvalidJob as error:
        note = f"The result was not kept: {error}"
    except Exception as error:  # noqa: BLE001 -- a job that is done must not fail for its result's repr
        note = f"The result was not kept: {type(error).__name__}."
    if result is not None and len(result) > limit_bytes:
        note = too_large(len(result), limit_bytes)
        result = None
    if note is not None:
        note = noted(note)
    return Outcome(job=job, state=State.SUCCEEDED, result=result, note=note, run_s=run_s)


def too_large(size: int, limit_bytes: int) -> str:
    """The note of a result that was too large to be kept."""
    return f"The result was not kept: it takes {size:,} bytes as JSON, and the limit is {limit_bytes:,}."


def failed(job: QueuedJob, error: BaseException, *, worker: str, run_s: float) -> Outcome:
    """The outcome of an attempt that raised: a retry after its backoff, or the job's end."""
    if isinstance(error, Snooze):
        return Outcome(
            job=job,
            state=State.RETRYING,
            delay_s=error.delay_s,
            attempt_spent=False,
            note=noted(_message(error)),
            run_s=run_s,
        )
    if isinstance(error, Cancel):
        note = noted(_message(error))
        return Outcome(job=job, state=State.CANCELLED, note=note, run_s=run_s)
    record = job_error(job, error, worker)
    if isinstance(error, CannotRun):
        return Outcome(
            job=job,
            state=State.FAILED,
            error=record,
            run_s=run_s,
            note="Not retried: no retry could help.",
        )
    if job.attempts >= job.max_attempts:
        return Outcome(job=job, state=State.FAILED, error=record, run_s=run_s)
    if not isinstance(error, Retry) and not job.retries(error):
        note = f"Not retried: the job gives up on {record.type}."
        return Outcome(job=job, state=State.FAILED, error=record, run_s=run_s, note=note)
    delay_s = error.delay_s if isinstance(error, Retry) else None
    if delay_s is None:
        delay_s = (job.backoff or DEFAULT_BACKOFF).delay_s(job.attempts)
    return Outcome(job=job, state=State.RETRYING, error=record, delay_s=delay_s, run_s=run_s)


def handed_back(job: QueuedJob, note: str) -> Outcome:
    """The outcome of a run that the worker gave up: the job is runnable at once, no attempt spent."""
    return Outcome(job=job, state=State.PENDING, attempt_spent=False, note=note)


def put_off(job: QueuedJob, note: str, delay_s: float) -> Outcome:
    """The outcome of a run that could not begin on this worker: the job comes back later, no attempt spent."""
    return Outcome(job=job, state=State.RETRYING, delay_s=delay_s, attempt_spent=False, note=noted(note))


def cancelled(job: QueuedJob, note: str) -> Outcome:
    """The outcome of a run that was cancelled on request."""
    return Outcome(job=job, state=State.CANCELLED, note=note)


def job_error(job: QueuedJob, error: BaseException, worker: str) -> JobError:
    """The record of what an attempt raised, bounded in size."""
    return JobError(
        attempt=job.attempts,
        type=noted(type(error).__name__),
        message=noted(_message(error)),
        traceback=clean(_traceback(error), TRACEBACK_MAX, keep_end=True),
        at=datetime.now(UTC),
        worker=worker,
    )


def noted(text: str) -> str:
    """A note as it can be stored, and is not too long: it may quote what a job's values say of themselves."""
    return clean(text, MESSAGE_MAX, keep_end=False)


def _message(error: BaseException) -> str:
    try:
        # Not what a subclass of str says of itself.
        return str.__str__(str(error))
    except Exception as broken:  # noqa: BLE001 -- an exception whose text raises is still recorded
        return f"(its message could not be made: {type(broken).__name__})"


def _traceback(error: BaseException) -> str:
    try:
        return "".join(traceback.format_exception(error))
    except Exception as broken:  # noqa: BLE001
        return f"(its traceback could not be made: {type(broken).__name__})"


def clean(text: str, limit: int, *, keep_end: bool) -> str:
    """A text as it can be stored, and is not longer than `limit`: its beginning, or its end."""
    if len(text) > limit:
        text = f"… {text[-limit + 2 :]}" if keep_end else f"{text[: limit - 2]} …"
    # What PostgreSQL cannot store is written as an escape, so that the record is kept all the same.
    return text.replace("\x00", "\\x00").encode("utf-8", "backslashreplace").decode()
