"""Sparing: an outcome that the database refuses as it is is stored in a lesser form, without what it holds."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from typing import Final

import msgspec

from chancy_core.store.weather import is_weather, text_of
from chancy_core.values.queuedjob import JobError, Outcome
from chancy_core.worker.record import Recorded, Recorder, RunKey

# SQLSTATEs that may be somebody else's fault than the outcome's: constraints, triggers, sizes, internal errors. Only
# if the same comes again a moment later, something is left out. (22, what is wrong with a value, stays wrong.)
NEEDS_A_SECOND_LOOK: Final = ("09", "20", "21", "23", "27", "2F", "38", "39", "40", "44", "53", "54", "P0", "XX")
REASON_MAX: Final = 300


async def write_lesser(
    recorder: Recorder, outcome: Outcome, error: Exception, *, doubtful: Collection[RunKey], bare: bool
) -> Recorded:
    """Write an outcome in the first lesser form that the database takes. Raises what it says to the last.

    Args:
        recorder: writes it.
        outcome: what is to be written.
        error: what the database said to it as it is.
        doubtful: runs that were sent without an answer.
        bare: whether an outcome that ends its job is at last stored without the job's arguments, even if these are not
            too large.
    """
    for lesser in lesser_forms(outcome, error):
        try:
            return await recorder.write([lesser], doubtful=doubtful, skip_locked=True)
        except Exception as refused:
            if is_weather(refused):
                raise
            error = refused
    if not outcome.state.finished or not (bare or size_matters(error)):
        raise error
    try:
        return await recorder.write_bare(without_arguments(outcome, error))
    except Exception as refused:
        if is_weather(refused):
            raise
    return await recorder.write_bare(without_arguments(lesser, error))


def state_of(error: BaseException) -> str:
    """The SQLSTATE, or what kind of error it is where there is none."""
    return getattr(error, "sqlstate", None) or type(error).__name__


def needs_a_second_look(error: BaseException) -> bool:
    """Whether it may be somebody else's fault than the outcome's that it was refused."""
    return state_of(error).startswith(NEEDS_A_SECOND_LOOK)


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
