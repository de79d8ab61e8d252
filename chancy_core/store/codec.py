"""Jobs to rows, and rows to jobs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple, TypeVar

import msgspec

from chancy_core.errors import InvalidJob, InvalidQueue
from chancy_core.values.backoff import Backoff
from chancy_core.values.job import Job, JobError, Limit, Progress, QueuedJob, State
from chancy_core.values.jsonvalue import MAX_DEPTH, decode, encode_checked
from chancy_core.values.queue import Queue, QueueState, UnreadableQueue
from chancy_core.values.workerinfo import WorkerInfo, WorkerStatus, aged

T = TypeVar("T")

COPY_NULL: Final = "\\N"
# Looking a member up by calling the enum takes ten times as long.
_STATES: Final = {state.value: state for state in State}

_encode: Final = msgspec.json.Encoder().encode
_decode_errors: Final = msgspec.json.Decoder(list[JobError] | None).decode


class _Options(msgspec.Struct, frozen=True, omit_defaults=True):
    """The fields of a job that few jobs set, in one column that most rows leave empty."""

    backoff: Backoff | None = None
    keep_result: bool = True
    retry_on: tuple[str, ...] = ()
    give_up_on: tuple[str, ...] = ()


_decode_status: Final = msgspec.json.Decoder(WorkerStatus).decode
_decode_options: Final = msgspec.json.Decoder(_Options | None).decode
_decode_progress: Final = msgspec.json.Decoder(Progress).decode
_decode_limits: Final = msgspec.json.Decoder(list[Limit] | None).decode
_decode_dict: Final = msgspec.json.Decoder(dict[str, Any] | None).decode
# A text that is shorter than this is not nested too deeply.
_SHALLOW: Final = 2 * MAX_DEPTH
# What reading JSON may raise that somebody else has written.
_UNREADABLE: Final = (ValueError, RecursionError)
_STATE_PLACE: Final = 11


class JobRow(NamedTuple):
    """A job as its columns, JSON as text, ready to be stored."""

    id: str
    queue: str
    func: str
    priority: int
    max_attempts: int
    scheduled_at: datetime | None
    unique_key: str | None
    kwargs: str | None
    meta: str | None
    limits: str | None
    options: str | None
    expires_at: datetime | None


def job_row(job: Job, queue: str, id_: str, payload_limit_bytes: int) -> JobRow:
    """The row of a job to be pushed to `queue`.

    Raises:
        InvalidJob: `kwargs` or `meta` are not JSON, or larger than `payload_limit_bytes` together.
    """
    kwargs = encode_checked(job.kwargs, "kwargs") if job.kwargs else b""
    meta = encode_checked(job.meta, "meta") if job.meta else b""
    check_size(job.func, len(kwargs) + len(meta), payload_limit_bytes)
    limits = _encode(job.limits).decode() if job.limits else None
    options = None
    if job.backoff is not None or not job.keep_result or job.retry_on or job.give_up_on:
        options = _encode(_Options(job.backoff, job.keep_result, job.retry_on, job.give_up_on)).decode()
    return JobRow(
        id_,
        queue,
        job.func,
        job.priority,
        job.max_attempts,
        _in_utc(job.scheduled_at),
        job.unique_key,
        kwargs.decode() or None,
        meta.decode() or None,
        limits,
        options,
        _in_utc(job.expires_at),
    )


def check_size(func: str, size: int, payload_limit_bytes: int) -> None:
    """Raise InvalidJob if the arguments of a job are too large."""
    if size > payload_limit_bytes:
        raise InvalidJob(
            f"The kwargs and meta of {func} take {size:,} bytes as JSON: the limit is "
            f"{payload_limit_bytes:,}. Store what is large elsewhere and pass its name, or raise "
            "payload_limit_bytes."
        )


def _in_utc(moment: datetime | None) -> datetime | None:
    # Python has offsets that PostgreSQL does not read.
    return None if moment is None else moment.astimezone(UTC)


# What one statement stores: more of it saves little, and holds up the loop while it is sent.
BATCH_BYTES_MAX: Final = 4 << 20

_NO_OTHERS: Final[list[Any]] = [None] * 4


def weight(row: JobRow) -> int:
    """About how large a row is; for those that are large."""
    return len(row.kwargs or "") + len(row.meta or "")


def batches(rows: Sequence[JobRow]) -> Iterator[Sequence[JobRow]]:
    """The rows as one statement after another is to store them."""
    start = size = 0
    for number, row in enumerate(rows):
        size += weight(row)
        if number > start and size > BATCH_BYTES_MAX:
            yield rows[start:number]
            start, size = number, weight(row)
    if rows:
        yield rows[start:]


def insert_params(rows: Sequence[JobRow]) -> dict[str, Any]:
    """The rows as one array a column, for `insert_jobs`."""
    columns = dict(zip(JobRow._fields, map(list, zip(*rows, strict=True)), strict=True))
    params: dict[str, Any] = {name: sparse_array(values) for name, values in columns.items()}
    for name in ("id", "priority", "max_attempts"):
        params[name] = plain_array(columns[name])
    params["queues"] = list(set(columns["queue"]))
    return params


def plain_params(row: JobRow) -> dict[str, Any] | None:
    """The row for `insert_plain_job`; None if it has more than that stores."""
    id_, queue, func, priority, max_attempts, scheduled_at, unique_key, kwargs, *others = row
    if scheduled_at is not None or unique_key is not None or others != _NO_OTHERS:
        return None
    return {
        "id": id_,
        "queue": queue,
        "func": func,
        "priority": str(priority),
        "max_attempts": str(max_attempts),
        "kwargs": kwargs,
    }


def insert_one_params(row: JobRow) -> dict[str, Any]:
    """The row for `insert_job`: numbers as text, because psycopg gives them a type each by their size."""
    params = row._asdict()
    params["priority"] = str(row.priority)
    params["max_attempts"] = str(row.max_attempts)
    return params


def copy_line(row: JobRow) -> str:
    """The row in the text format of `copy_jobs`.

    Backslashes are doubled, and nothing else needs escaping (PostgreSQL manual, COPY, "Text
    Format"): names hold no control characters, and JSON writes those as escapes.
    """
    if row.scheduled_at is None:
        state, due = "pending", COPY_NULL
    else:
        # Whether its time has come is for the database's clock to say: promotion asks it.
        state, due = "scheduled", row.scheduled_at.isoformat()
    return (
        f"{row.id}\t{row.queue}\t{row.func}\t{row.priority}\t{row.max_attempts}\t{state}\t{due}\t"
        f"{_field(row.kwargs)}\t{_field(row.meta)}\t{_field(row.limits)}\t{_field(row.options)}\t"
        f"{COPY_NULL if row.expires_at is None else row.expires_at.isoformat()}\n"
    )


def _field(text: str | None) -> str:
    return COPY_NULL if text is None else text.replace("\\", "\\\\")


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
    more = (_decode_options(options) if options else None) or _DEFAULT_OPTIONS
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
        id=id_,
        state=_STATES[row[_STATE_PLACE]],
        attempts=attempts,
        claims=claims,
        created_at=created_at,
        started_at=started_at,
        errors=(_decode_errors(errors) if errors else None) or [],
        worker=worker,
        note=note,
    )


def decode_dict(text: str) -> dict[str, Any]:
    """The object in a JSON text; null is as good as an empty one.

    Raises:
        ValueError: it is none, or nested more deeply than what may be pushed.
        RecursionError: it is nested very deeply.
    """
    found: dict[str, Any] = _decode_dict(text) or {}
    if len(text) > _SHALLOW and text.count("[") + text.count("{") > MAX_DEPTH:
        # They may stand beside each other, or in strings: look.
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
    9: ("options", _decode_options),
    16: ("errors", _decode_errors),
}


def readable_job(row: Sequence[Any]) -> tuple[QueuedJob, str | None]:
    """As `claimed_job`, for a row that somebody else may have written: what cannot be read is left out, and told.

    Returns:
        The job, and what of it could not be read, if anything.
    """
    try:
        return claimed_job(row), None
    except _UNREADABLE:
        bare = list(row)
        problems = []
        for place, (column, decoder) in _JSON_PLACES.items():
            problem = _problem_of(row[place], decoder)
            if problem is not None:
                bare[place] = None
                problems.append(f"{column}: {problem}")
        return claimed_job(bare), f"Its row cannot be read. {'; '.join(problems)}."


def _problem_of(text: str | None, decoder: Callable[[str], Any]) -> str | None:
    try:
        if text is not None:
            decoder(text)
    except RecursionError:
        return f"it is nested deeper than {MAX_DEPTH} levels"
    except ValueError as error:
        return str(error).rstrip(".")
    return None


def stored_job(row: Sequence[Any]) -> QueuedJob:
    """The job in a row of `get_jobs`. What cannot be read is left out, and the job's note tells of it."""
    completed_at, result, progress, run_s, peak_bytes, cancel_requested = row[20:26]
    job, problem = readable_job(row)
    unread = [problem] if problem else []
    found: dict[str, Any] = {}
    for column, text, decoder in (("result", result, decode), ("progress", progress, _decode_progress)):
        unreadable = _problem_of(text, decoder)
        found[column] = decoder(text) if text and unreadable is None else None
        if unreadable is not None:
            unread.append(f"Its {column} cannot be read: {unreadable}.")
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


def plain_array(values: Iterable[object]) -> str:
    """An array of values whose text needs no quotes, such as ids and numbers: ten times as fast as psycopg's own."""
    return f"{{{','.join(map(str, values))}}}"


def sparse_array(values: list[T | None]) -> list[T | None] | None:
    """An array, or None if there is nothing in it: to `unnest` beside longer ones, that is as many NULLs."""
    return values if any(value is not None for value in values) else None


def queue_of(row: Sequence[Any]) -> Queue:
    """The queue in a row of `get_queues` or `declare_queue`.

    Raises:
        InvalidQueue: it cannot be read; somebody else has written it.
    """
    name, concurrency, tags, executor, options, polling_interval, state, resume_at, *limits = row
    try:
        return Queue(
            name,
            concurrency,
            list(tags),
            executor,
            _decode_dict(options) or {},
            polling_interval,
            QueueState(state),
            resume_at,
            *limits,
        )
    except InvalidQueue:
        raise
    except (*_UNREADABLE, TypeError) as error:
        raise InvalidQueue(f"Queue {name!r}: its row cannot be read: {error}.") from error


def queues_of(rows: Iterable[Sequence[Any]]) -> tuple[list[Queue], list[UnreadableQueue]]:
    """The queues in rows of `get_queues`: those that can be read, and those that cannot."""
    queues, unreadable = [], []
    for row in rows:
        try:
            queues.append(queue_of(row))
        except InvalidQueue as error:
            advice = f"Declare it again to mend it: declare(Queue({row[0]!r}, …), upsert=True)."
            unreadable.append(UnreadableQueue(row[0], f"{error} {advice}"))
    return queues, unreadable


def status_text(status: WorkerStatus) -> str:
    """What a worker says of itself, as JSON."""
    return _encode(status).decode()


def worker_info(row: Sequence[Any]) -> WorkerInfo:
    """The worker in a row of `get_workers`."""
    name, tags, started_at, seen_s_ago, alive, said, said_s_ago = row
    return WorkerInfo(
        name=name,
        tags=list(tags),
        started_at=started_at,
        seen_s_ago=seen_s_ago,
        alive=alive,
        status=None if said is None else _status(said, said_s_ago or 0.0),
    )


def _status(said: str, age_s: float) -> WorkerStatus | None:
    try:
        return aged(_decode_status(said), age_s)
    except _UNREADABLE:
        # Of another version, or written by hand; it is only for looking at.
        return None


_DEFAULT_OPTIONS: Final = _Options()
