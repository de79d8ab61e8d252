"""What spans are called and what they say, as the semantic conventions 1.44.0 for messaging have it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from chancy import Job, QueuedJob

SCHEMA_URL: Final = "https://opentelemetry.io/schemas/1.44.0"

SYSTEM: Final = "messaging.system"
OPERATION_NAME: Final = "messaging.operation.name"
OPERATION_TYPE: Final = "messaging.operation.type"
DESTINATION: Final = "messaging.destination.name"
BATCH_COUNT: Final = "messaging.batch.message_count"
MESSAGE_ID: Final = "messaging.message.id"
CLIENT_ID: Final = "messaging.client.id"
FUNCTION_NAME: Final = "code.function.name"
ERROR_TYPE: Final = "error.type"
EXCEPTION_TYPE: Final = "exception.type"
# The conventions want what only one system has below its own name.
FUNC: Final = "messaging.chancy.func"
ATTEMPT: Final = "messaging.chancy.attempt"
MAX_ATTEMPTS: Final = "messaging.chancy.max_attempts"
VERDICT: Final = "messaging.chancy.verdict"
KWARGS: Final = "messaging.chancy.kwargs."

PUSH: Final = "push"
RUN: Final = "run"
# OpenTelemetry's integers have 64 bits; exporters refuse larger ones.
INT_MAX: Final = 2**63 - 1

Attributes = dict[str, str | bool | int | float]


def push_attributes(jobs: Sequence[Job]) -> Attributes:
    """What a span says of a push of these jobs: what holds for all of them."""
    first = jobs[0]
    attributes: Attributes = {SYSTEM: "chancy", OPERATION_NAME: PUSH, OPERATION_TYPE: "send"}
    if len(jobs) > 1:
        attributes[BATCH_COUNT] = len(jobs)
    if all(job.queue == first.queue for job in jobs):
        attributes[DESTINATION] = first.queue
    if all(job.func == first.func for job in jobs):
        attributes[FUNC] = first.func
    return attributes


def run_attributes(job: QueuedJob, kwargs: Sequence[str]) -> Attributes:
    """What a span says of a run, with those of the job's kwargs that are named."""
    attributes: Attributes = {
        SYSTEM: "chancy",
        OPERATION_NAME: RUN,
        OPERATION_TYPE: "process",
        DESTINATION: job.queue,
        MESSAGE_ID: str(job.id),
        FUNCTION_NAME: job.func,
        FUNC: job.func,
        ATTEMPT: job.attempts,
        MAX_ATTEMPTS: job.max_attempts,
    }
    if job.worker is not None:
        attributes[CLIENT_ID] = job.worker
    for name in kwargs:
        value = job.kwargs.get(name)
        if isinstance(value, str | bool | float) or (isinstance(value, int) and -INT_MAX <= value <= INT_MAX):
            attributes[KWARGS + name] = value
    return attributes


def span_name(attributes: Attributes) -> str:
    """The operation and, if there is but one, the queue."""
    queue = attributes.get(DESTINATION)
    return f"{attributes[OPERATION_NAME]} {queue}" if queue else str(attributes[OPERATION_NAME])


def type_name(error: BaseException) -> str:
    """The exception's class, with its module unless that is built in."""
    kind = type(error)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
