"""Sparing: the lesser forms in which an outcome may be stored that the database refuses as it is."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Final

import msgspec

from chancy_core.store.weather import text_of
from chancy_core.values.queuedjob import JobError, Outcome

# SQLSTATEs that may be somebody else's fault than the outcome's: constraints, triggers, sizes, internal errors. Only
# if the same comes again a moment later, something is left out. (22, what is wrong with a value, stays wrong.)
NEEDS_A_SECOND_LOOK: Final = ("09", "20", "21", "23", "27", "2F", "38", "39", "40", "44", "53", "54", "P0", "XX")
REASON_MAX: Final = 300


def lesser_forms(outcome: Outcome, error: BaseException) -> Iterator[Outcome]:
    """The outcome without more and more of what it holds; what is left out is told in its note.

    Its state, its error's kind and its attempt are in all of them.
    """
    reason = ascii_only(text_of(error))[:REASON_MAX]
    without_result = _without(outcome, reason, "result")
    if outcome.result is not None:
        yield without_result
    if outcome.meta is not None:
        yield _without(outcome, reason, "meta")
        without_result = _without(without_result, reason, "meta")
        yield without_result
    slimmed = msgspec.structs.replace(
        without_result,
        error=_ascii_error(outcome.error),
        note=None if without_result.note is None else ascii_only(without_result.note),
    )
    yield slimmed
    if outcome.job.errors:
        # What the row itself held of earlier attempts may be the fault.
        yield _noted(
            msgspec.structs.replace(slimmed, job=msgspec.structs.replace(outcome.job, errors=[])),
            f"The errors of earlier attempts were not kept: the database refused them: {reason}",
        )


def without_arguments(outcome: Outcome, error: BaseException) -> Outcome:
    """The outcome with a note that its job's arguments were not kept."""
    reason = ascii_only(text_of(error))[:REASON_MAX]
    return _noted(outcome, f"The job's arguments were not kept: the database refused them: {reason}")


def size_matters(error: BaseException) -> bool:
    """Whether something is too large for a limit of the server, such as an entry of an index: it stays so."""
    return str(getattr(error, "sqlstate", None) or "").startswith("54")


def ascii_only(text: str) -> str:
    """The text with everything else than printable ASCII as escapes, which every database takes."""
    return json.dumps(text)[1:-1]


def _without(outcome: Outcome, reason: str, field: str) -> Outcome:
    if getattr(outcome, field) is None:
        return outcome
    told = f"The {field} was not kept: the database refused it: {reason}"
    return _noted(msgspec.structs.replace(outcome, **{field: None}), told)


def _noted(outcome: Outcome, told: str) -> Outcome:
    return msgspec.structs.replace(outcome, note=told if outcome.note is None else f"{outcome.note} {told}")


def _ascii_error(error: JobError | None) -> JobError | None:
    if error is None:
        return None
    return msgspec.structs.replace(
        error,
        type=ascii_only(error.type),
        message=ascii_only(error.message),
        traceback=ascii_only(error.traceback),
    )
