"""A span round a run, where it runs."""

from __future__ import annotations

import asyncio
from contextlib import AbstractContextManager, suppress
from types import TracebackType
from typing import Any, Final

from opentelemetry import context as contexts
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import INVALID_SPAN, Link, Span, SpanKind, Status, StatusCode

from chancy import Cancel, JobStopped, QueuedJob, Retry, Snooze
from chancy_otel.attributes import ERROR_TYPE, VERDICT, run_attributes, span_name, type_name
from chancy_otel.carrier import extracted
from chancy_otel.tracer import TRACER, silent

VERDICTS: Final = {Snooze: "snooze", Retry: "retry", Cancel: "cancel"}
DESCRIPTION_MAX: Final = 500


def running(
    job: QueuedJob, *, propagate: bool, parent: bool, kwargs: tuple[str, ...]
) -> AbstractContextManager[Any] | None:
    """What is to be entered round a run of `job`; None if there is nothing to record and nothing to pass on."""
    carried = extracted(job.meta) if propagate else None
    if silent():
        return _passing_on(carried)
    # Never the current context: the worker's own is whatever it was started in, and no cause of this run.
    around = Context() if carried is None else carried
    pushed = trace.get_current_span(around).get_span_context()
    attributes = run_attributes(job, kwargs)
    span = TRACER.start_span(
        span_name(attributes),
        # What else came along, such as baggage, is the run's own in either case.
        around if parent else trace.set_span_in_context(INVALID_SPAN, around),
        SpanKind.CONSUMER,
        attributes,
        [Link(pushed)] if pushed.is_valid else None,
    )
    if span.get_span_context().is_valid:
        return Run(span, trace.set_span_in_context(span, around))
    return _passing_on(carried)


def _passing_on(carried: Context | None) -> AbstractContextManager[Any] | None:
    """Where nothing is recorded, what came along goes on all the same, to whatever the job pushes or calls."""
    return None if carried is None else Run(INVALID_SPAN, carried)


class Run:
    """A span that is current while the job runs, and tells how it ended.

    Not a generator: a run that is thrown away with its event loop closes those wherever the garbage collector happens
    to be.
    """

    __slots__ = ("_context", "_span", "_token")

    def __init__(self, span: Span, context: Context) -> None:
        self._span = span
        self._context = context
        self._token: Any = None

    def __enter__(self) -> None:
        self._token = contexts.attach(self._context)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            if error is not None and self._span.is_recording():
                _record(self._span, error)
        finally:
            # A run that was thrown away is left in another context than it was entered in; its own is gone.
            if not isinstance(error, GeneratorExit):
                contexts.detach(self._token)
            self._span.end()


def _record(span: Span, error: BaseException) -> None:
    verdict = _verdict(error)
    if verdict is not None:
        span.set_attribute(VERDICT, verdict)
        return
    span.set_attribute(ERROR_TYPE, type_name(error))
    span.set_status(Status(StatusCode.ERROR, _described(error)))
    # It asks the exception for its text, and some raise at that; the rest is told all the same.
    with suppress(Exception):
        span.record_exception(error)


def _verdict(error: BaseException) -> str | None:
    """How a run ended that neither succeeded nor failed; None if it failed."""
    for kind, verdict in VERDICTS.items():
        if isinstance(error, kind):
            return verdict
    if isinstance(error, JobStopped | GeneratorExit) or (isinstance(error, asyncio.CancelledError) and _asked()):
        return "stopped"
    return None


def _asked() -> bool:
    """Whether somebody else cancelled this task; a job may raise CancelledError of its own, which is an error."""
    try:
        task = asyncio.current_task()
    except RuntimeError:
        return False
    return task is not None and task.cancelling() > 0


def _described(error: BaseException) -> str:
    name = type(error).__name__
    try:
        return f"{name}: {error}"[:DESCRIPTION_MAX]
    except Exception:  # noqa: BLE001 -- an exception whose text raises is still recorded
        return name
