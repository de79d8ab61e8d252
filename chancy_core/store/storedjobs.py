"""Rows to jobs, whoever wrote them; and what is written of a run as JSON."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec

from chancy_core.store.options import Options, decode_options
from chancy_core.values.job import Limit
from chancy_core.values.jsonvalue import MAX_DEPTH, UNREADABLE, decode, encode_checked, is_shallow
from chancy_core.values.queuedjob import JobError, Progress, QueuedJob, State

# Looking a member up by calling the enum takes ten times as long.
_STATES: Final = {state.value: state for state in State}

_NO_OPTIONS: Final = Options()
_encode: Final = msgspec.json.Encoder().encode
_decode_errors: Final = msgspec.json.Decoder(list[JobError] | None).decode
_decode_progress: Final = msgspec.json.Decoder(Progress).decode
_decode_limits: Final = msgspec.json.Decoder(list[Limit] | None).decode
_decode_dict: Final = msgspec.json.Decoder(dict[str, Any] | None).decode
# A text that is shorter than this is not nested too deeply.
_SHALLOW: Final = 2 * MAX_DEPTH
_STATE_PLACE: Final = 11


def claimed_job(row: Sequence[Any]) -> QueuedJob:
    """The job in a row of `claim_jobs`."""
    (
        func,
        queue,
        kwargs,
        priority,
        max_attempts,
        scheduled_at,
        limits,
        unique_key,
        meta,
        options,
    ) = row[:10]
    (id_, _, attempts, claims, created_at, started_at, errors, worker, note, expires_at) = row[10:20]
    more = (decode_options(options) if options else None) or _NO_OPTIONS
    return QueuedJob(
        func,
        queue,
        decode_dict(kwargs) if kwargs else {},
        priority,
        max_attempts,
        scheduled_at,
        (_decode_limits(limits) if limits else None) or [],
        unique_key,
        decode_meta(meta) if meta else {},
        more.backoff,
        more.keep_result,
        expires_at,
        more.retry_on,
        more.give_up_on,
        more.unique_while,
        more.on_conflict,
        more.json,
        id=id_,
        state=_STATES[row[_STATE_PLACE]],
        attempts=attempts,
        claims=claims,
        created_at=created_at,
        started_at=started_at,
        errors=(_decode_errors(errors) if errors else None) or [],
        worker=worker,
        note=note,
        unrunnable_since=more.unrunnable_since,
        exact=more.exact,
    )


def decode_dict(text: str) -> dict[str, Any]:
    """The object in a JSON text; null is as good as an empty one.

    Raises:
        ValueError: it is none, or nested more deeply than what may be pushed.
        RecursionError: it is nested very deeply.
    """
    found: dict[str, Any] = _decode_dict(text) or {}
    # They may stand beside each other, or in strings: look.
    if len(text) > _SHALLOW and text.count("[") + text.count("{") > MAX_DEPTH and not is_shallow(found):
        # It says where.
        encode_checked(found, "it")
    return found


def decode_meta(text: str) -> dict[str, Any]:
    """As `decode_dict`, for what is written back after a run, if that has changed it."""
    found = decode_dict(text)
    if "\\u0000" in text:
        encode_checked(found, "it")
    return found


# Where `claim_jobs` and `get_jobs` have JSON, and what is told of it.
_JSON_PLACES: Final[dict[int, tuple[str, Callable[[str], Any]]]] = {
    2: ("kwargs", decode_dict),
    6: ("limits", _decode_limits),
    8: ("meta", decode_meta),
    9: ("options", decode_options),
    16: ("errors", _decode_errors),
}


def readable_job(row: Sequence[Any]) -> tuple[QueuedJob, str | None]:
    """As `claimed_job`, for a row that somebody else may have written: what cannot be read is left out, and told.

    Returns:
        The job, and what of it could not be read, if anything.
    """
    try:
        return claimed_job(row), None
    except UNREADABLE:
        bare = list(row)
        problems = []
        for place, (column, decoder) in _JSON_PLACES.items():
            _, problem = _read(row[place], decoder)
            if problem is not None:
                bare[place] = None
                problems.append(f"{column}: {problem}")
        return claimed_job(bare), f"Its row cannot be read. {'; '.join(problems)}."


def _read(text: str | None, decoder: Callable[[str], Any]) -> tuple[Any, str | None]:
    """The value of a text, or None and why it cannot be read. Once: a megabyte of JSON takes some milliseconds."""
    try:
        return (None if text is None else decoder(text)), None
    except RecursionError:
        return None, f"it is nested deeper than {MAX_DEPTH} levels"
    except ValueError as error:
        return None, str(error).rstrip(".")


def stored_job(row: Sequence[Any]) -> QueuedJob:
    """The job in a row of `get_jobs`. What cannot be read is left out, and the job's note tells of it."""
    completed_at, result, progress, run_s, peak_bytes, cancel_requested = row[20:26]
    job, problem = readable_job(row)
    unread = [problem] if problem else []
    found: dict[str, Any] = {}
    for column, text, decoder in (("result", result, decode), ("progress", progress, _decode_progress)):
        found[column], unreadable = _read(text, decoder)
        if unreadable is not None:
            unread.append(f"Its {column} cannot be read: {unreadable}.")
    if job.state is State.SUCCEEDED:
        # What it said last may have been said long before its end, or been lost on the way.
        found["progress"] = Progress(1.0, found["progress"].note if found["progress"] else None)
    return msgspec.structs.replace(
        job,
        completed_at=completed_at,
        run_s=run_s,
        peak_bytes=peak_bytes,
        cancel_requested=cancel_requested,
        note=" ".join([job.note, *unread] if job.note else unread) if unread else job.note,
        **found,
    )


def encode_progress(progress: Progress) -> str:
    """The JSON of a run's progress."""
    return _encode(progress).decode()


def encode_errors(errors: list[JobError]) -> str | None:
    """The JSON of a job's errors, or None when there are none."""
    return _encode(errors).decode() if errors else None
