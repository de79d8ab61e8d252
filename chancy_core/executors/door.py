"""The door of the lane: an executor may be anybody's code, and what it returns is looked at before it is recorded."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from msgspec.structs import replace

from chancy_core.errors import InvalidOutcome
from chancy_core.executors.base import Executor
from chancy_core.executors.outcomes import TRACEBACK_MAX, clean, noted, too_large
from chancy_core.store.storedjobs import decode_meta
from chancy_core.values.jsonvalue import decode
from chancy_core.values.queuedjob import JobError, Outcome, QueuedJob, State
from chancy_core.values.ranges import DELAY_S, PEAK_BYTES, RUN_S

OURS: Final = "chancy_core.executors."
_ENDS: Final = (State.SUCCEEDED, State.FAILED, State.CANCELLED)
_BACK: Final = (State.RETRYING, State.PENDING)
_encode: Final = msgspec.json.Encoder().encode
_decode_error: Final = msgspec.json.Decoder(JobError).decode


def is_ours(executor: Executor) -> bool:
    """Whether an executor is one of those that come with Chancy, whose successes need no second look."""
    return type(executor).__module__.startswith(OURS)


def checked(job: QueuedJob, outcome: object, executor: Executor) -> Outcome:
    """The outcome of a run as it can be recorded: texts are made storable, and numbers plain.

    Raises:
        InvalidOutcome: it is none, or one of its fields cannot be recorded; names the executor.
    """
    who = f"The executor {type(executor).__module__}.{type(executor).__qualname__}"
    if not isinstance(outcome, Outcome):
        raise InvalidOutcome(f"{who} returned a {type(outcome).__name__} for {job.func}: it has to return an Outcome.")
    problem = _problem_of(job, outcome)
    if problem is not None:
        raise InvalidOutcome(f"{who} returned an outcome for {job.func} that cannot be recorded: its {problem}")
    outcome = replace(
        outcome,
        job=job,
        run_s=float(outcome.run_s),
        delay_s=None if outcome.delay_s is None else float(outcome.delay_s),
        note=None if outcome.note is None else noted(outcome.note),
        error=None if outcome.error is None else _storable(outcome.error),
    )
    limit = executor.settings.result_limit_bytes
    if outcome.result is not None and len(outcome.result) > limit:
        return replace(outcome, result=None, note=too_large(len(outcome.result), limit))
    return outcome


def _problem_of(job: QueuedJob, outcome: Outcome) -> str | None:
    """What keeps an outcome from being recorded, as the end of a sentence; None: nothing."""
    given = outcome.job
    if not isinstance(given, QueuedJob) or (given.id, given.claims) != (job.id, job.claims):
        return "job is another one: give the very job that `run` was called with."
    return _problem_of_state(job, outcome) or _problem_of_numbers(outcome) or _problem_of_texts(outcome)


def _problem_of_state(job: QueuedJob, outcome: Outcome) -> str | None:
    state: object = outcome.state
    if not isinstance(state, State) or state not in (*_ENDS, *_BACK):
        return f"state is {_shown(state)}: give a State, one of {', '.join((*_ENDS, *_BACK))}."
    if not isinstance(outcome.attempt_spent, bool):
        return f"attempt_spent is {_shown(outcome.attempt_spent)}: give True or False."
    if state in _BACK and outcome.attempt_spent and job.attempts >= job.max_attempts:
        return (
            f"state is {state}, and the job has no attempt left ({job.attempts} of {job.max_attempts} are spent): "
            "end it with FAILED, or give the attempt back with attempt_spent=False."
        )
    return None


def _problem_of_numbers(outcome: Outcome) -> str | None:
    if outcome.delay_s is not None and not DELAY_S.holds(outcome.delay_s):
        return f"delay_s is {_shown(outcome.delay_s)}: give seconds from 0 to {DELAY_S.high:,}, or None."
    if not RUN_S.holds(outcome.run_s):
        return f"run_s is {_shown(outcome.run_s)}: give seconds, from 0 to {RUN_S.high:,.0f}."
    if outcome.peak_bytes is not None and not PEAK_BYTES.holds(outcome.peak_bytes):
        return f"peak_bytes is {_shown(outcome.peak_bytes)}: give a whole number of bytes, or None."
    return None


def _problem_of_texts(outcome: Outcome) -> str | None:
    if outcome.note is not None and not isinstance(outcome.note, str):
        return f"note is {_shown(outcome.note)}: give a text, or None."
    if outcome.error is not None and not _is_error(outcome.error):
        return f"error is {_shown(outcome.error)}: give a JobError whose fields are of their types, or None."
    for name, decoder in (("result", decode), ("meta", decode_meta)):
        value = getattr(outcome, name)
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


def _is_error(error: object) -> bool:
    if not isinstance(error, JobError):
        return False
    try:
        _decode_error(_encode(_storable(error)))
    except Exception:  # noqa: BLE001 -- fields may be of any type
        return False
    return True


def _storable(error: JobError) -> JobError:
    return replace(
        error,
        type=noted(error.type),
        message=noted(error.message),
        traceback=clean(error.traceback, TRACEBACK_MAX, keep_end=True),
        worker=noted(error.worker),
    )


def _shown(value: Any) -> str:
    """A value in an error, whatever it says of itself."""
    try:
        return f"{value!r:.80}"
    except Exception:  # noqa: BLE001
        return f"a {type(value).__name__}"
