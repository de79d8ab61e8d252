"""Deciding: what becomes of a job, from what its executor reports of the run. Here, once, and nowhere else."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Final, NamedTuple

from msgspec.structs import replace

from chancy_core.errors import CannotRun
from chancy_core.executors import Report, StopReason
from chancy_core.values.backoff import DEFAULT_BACKOFF
from chancy_core.values.queuedjob import JobError, Outcome, QueuedJob, State
from chancy_core.values.raised import NO_ADVICE, Advice, Raised, Wish, advice_of
from chancy_core.values.storable import noted

NOT_DECIDED: Final = "It could not be decided what its last run meant: see the error."
NO_RETRY_HELPS: Final = "Not retried: no retry could help."


def _unheard(outcome: Outcome, raised: Raised) -> None:
    """Nobody listens."""


class Policy(NamedTuple):
    """What has to be known to decide, apart from the job and its run.

    Attributes:
        worker: the worker's name, for the record of an error.
        unrunnable_for_s: for so many seconds a job that workers cannot run goes back to be tried by others.
        advise: asked of a run that failed, unless the job itself has said what is to become of it: the plugins' say.
        tell: called with each outcome that records an error, and with what was raised, once it is decided. The
            exception itself is let go then: with it goes whatever the frames of its traceback hold.
    """

    worker: str
    unrunnable_for_s: float = 86_400.0
    advise: Callable[[QueuedJob, Raised], Advice] = lambda _job, _raised: NO_ADVICE
    tell: Callable[[Outcome, Raised], None] = _unheard


def decide(job: QueuedJob, report: Report, stopped: StopReason | None, policy: Policy) -> Outcome:
    """What a run of `job` comes to.

    Args:
        job: as it was claimed.
        report: what its executor says of the run.
        stopped: why this worker told the run to stop; None: it did not. A run that returned all the same, has returned.
        policy: what else counts.
    """
    declared = report.declared
    if declared is not None:
        # Whoever pushed the job did not know what its function says of itself.
        outcome = decide(declared.filled(job), replace(report, declared=None), stopped, policy)
        return replace(outcome, declared=declared)
    raised = report.error
    if raised is None:
        return Outcome(
            job=job,
            state=State.SUCCEEDED,
            result=report.result if job.keep_result else None,
            note=report.note,
            run_s=report.run_s,
            peak_bytes=report.peak_bytes,
            meta=report.meta,
        )
    if stopped is not None:
        return _kept(stopped_outcome(job, stopped), report)
    outcome = _of_raised(job, raised, report, policy)
    if outcome.error is not None:
        # Whoever listens to the log may raise; what was decided stands.
        with suppress(BaseException):
            policy.tell(outcome, raised)
    return outcome


def undecided(job: QueuedJob, error: BaseException, policy: Policy) -> Outcome:
    """The outcome where deciding itself went wrong, of a row perhaps that nobody would write: it must not be lost."""
    return Outcome(job=job, state=State.FAILED, error=_recorded(job, Raised.of(error), policy), note=NOT_DECIDED)


def stopped_outcome(job: QueuedJob, reason: StopReason) -> Outcome:
    """The outcome of a run that this worker stopped."""
    if reason is StopReason.CANCELLED:
        return cancelled(job, reason.value)
    return handed_back(job, reason.value)


def handed_back(job: QueuedJob, note: str) -> Outcome:
    """The outcome of a run that the worker gave up: the job is runnable at once, no attempt spent."""
    return Outcome(job=job, state=State.PENDING, attempt_spent=False, note=noted(note))


def cancelled(job: QueuedJob, note: str) -> Outcome:
    """The outcome of a run that was cancelled on request."""
    return Outcome(job=job, state=State.CANCELLED, note=noted(note))


def _of_raised(job: QueuedJob, raised: Raised, report: Report, policy: Policy) -> Outcome:
    hopeless = raised.is_a(CannotRun)
    if not report.begun and not hopeless:
        return _unrunnable(job, raised, report, policy)
    advice = advice_of(raised) if raised.wish is not None or hopeless else policy.advise(job, raised)
    if advice.wish is Wish.SNOOZE:
        return _ended(job, report, State.RETRYING, delay_s=advice.delay_s, spent=False, note=advice.reason)
    if raised.wish is Wish.CANCEL:
        return _ended(job, report, State.CANCELLED, note=advice.reason)
    error = _recorded(job, raised, policy)
    if advice.wish is Wish.CANCEL:
        return _ended(job, report, State.CANCELLED, error=error, note=advice.reason)
    problem = NO_RETRY_HELPS if hopeless else _why_no_retry(job, raised, advice)
    if problem is not None:
        return _ended(job, report, State.FAILED, error=error, note=problem)
    delay_s = advice.delay_s
    if delay_s is None:
        delay_s = (job.backoff or DEFAULT_BACKOFF).delay_s(job.attempts)
    return _ended(job, report, State.RETRYING, error=error, delay_s=delay_s)


def _why_no_retry(job: QueuedJob, raised: Raised, advice: Advice) -> str | None:
    """Why no other attempt follows, which may need no words; None: one does."""
    if job.attempts >= job.max_attempts:
        return ""
    if advice.wish is not Wish.RETRY and not job.retries(raised):
        return f"Not retried: the job gives up on {raised.type}."
    return None


def _unrunnable(job: QueuedJob, raised: Raised, report: Report, policy: Policy) -> Outcome:
    """The outcome of a run that this worker could not begin, through no fault of the job."""
    since = job.unrunnable_since or job.started_at
    # Both moments are of the database's clock.
    tried_s = (job.started_at - since).total_seconds() if job.started_at is not None and since is not None else 0.0
    if tried_s < policy.unrunnable_for_s:
        note = f"Its worker could not run it, and left it to others, no attempt spent: {raised.message}"
        return _ended(job, report, State.PENDING, spent=False, note=note, unrunnable=True)
    note = f"No worker that claimed it within {tried_s:,.0f} s could run it."
    return _ended(job, report, State.FAILED, error=_recorded(job, raised, policy), note=note, unrunnable=True)


def _recorded(job: QueuedJob, raised: Raised, policy: Policy) -> JobError:
    return JobError(
        attempt=job.attempts,
        type=raised.type,
        message=raised.message,
        traceback=raised.traceback,
        at=datetime.now(UTC),
        worker=policy.worker,
    )


def _ended(
    job: QueuedJob,
    report: Report,
    state: State,
    *,
    error: JobError | None = None,
    delay_s: float | None = None,
    spent: bool = True,
    note: str | None = None,
    unrunnable: bool = False,
) -> Outcome:
    note = note or report.note
    return Outcome(
        job=job,
        state=state,
        error=error,
        delay_s=delay_s,
        attempt_spent=spent,
        note=None if note is None else noted(note),
        run_s=report.run_s,
        peak_bytes=report.peak_bytes,
        meta=report.meta,
        unrunnable=unrunnable,
    )


def _kept(outcome: Outcome, report: Report) -> Outcome:
    """The outcome with what there is to keep of a run that was stopped."""
    if report.meta is None and report.peak_bytes is None:
        return outcome
    return Outcome(
        job=outcome.job,
        state=outcome.state,
        attempt_spent=outcome.attempt_spent,
        note=outcome.note,
        peak_bytes=report.peak_bytes,
        meta=report.meta,
    )
