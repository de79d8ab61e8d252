"""Jobs to rows: what is checked and encoded when a job is pushed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Final, NamedTuple

import msgspec

from chancy_core.errors import InvalidJob
from chancy_core.store.options import Options
from chancy_core.values.fields import OnConflict, UniqueWhile
from chancy_core.values.job import Job
from chancy_core.values.jsonvalue import encode_checked
from chancy_core.values.known import is_exact
from chancy_core.values.typed import encode_typed

_encode: Final = msgspec.json.Encoder().encode
_NOT_UNIQUE: Final[tuple[UniqueWhile, OnConflict]] = ("live", "existing")


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
    unique_while: UniqueWhile = "live"
    on_conflict: OnConflict = "existing"

    @property
    def waits(self) -> bool:
        """Whether it has a unique key that is held by jobs that wait only."""
        return self.unique_while == "waiting" and self.unique_key is not None


def job_row(job: Job, queue: str, id_: str, payload_limit_bytes: int, *, exact: bool | None = None) -> JobRow:
    """The row of a job to be pushed to `queue`.

    Args:
        job: the job.
        queue: where it goes to.
        id_: its id.
        payload_limit_bytes: what its arguments and its meta may take together.
        exact: whether the row is to say that it is meant as it is, if somebody has found that out.

    Raises:
        InvalidJob: `kwargs` or `meta` are not JSON, or larger than `payload_limit_bytes` together.
    """
    typed = job.json != "plain"
    kwargs = (encode_typed if typed else encode_checked)(job.kwargs, "kwargs") if job.kwargs else b""
    meta = encode_checked(job.meta, "meta") if job.meta else b""
    if len(kwargs) + len(meta) > payload_limit_bytes:
        check_size(job.func, len(kwargs) + len(meta), payload_limit_bytes)
    limits = _encode(job.limits).decode() if job.limits else None
    # Without a key they say nothing.
    unique = _NOT_UNIQUE if job.unique_key is None else (job.unique_while, job.on_conflict)
    options = None
    odd = typed or unique != _NOT_UNIQUE
    if exact is None:
        exact = is_exact(job)
    if exact or odd or job.backoff is not None or not job.keep_result or job.retry_on or job.give_up_on:
        options = _encode(
            Options(job.backoff, job.keep_result, job.retry_on, job.give_up_on, *unique, job.json, exact)
        ).decode()
    # Moments in UTC: Python has offsets that PostgreSQL does not read.
    return JobRow(
        id_,
        queue,
        job.func,
        job.priority,
        job.max_attempts,
        None if job.scheduled_at is None else job.scheduled_at.astimezone(UTC),
        job.unique_key,
        kwargs.decode() or None,
        meta.decode() or None,
        limits,
        options,
        None if job.expires_at is None else job.expires_at.astimezone(UTC),
        *unique,
    )


def check_size(func: str, size: int, payload_limit_bytes: int) -> None:
    """Raise InvalidJob if the arguments of a job are too large."""
    if size > payload_limit_bytes:
        raise InvalidJob(
            f"The kwargs and meta of {func} take {size:,} bytes as JSON: the limit is "
            f"{payload_limit_bytes:,}. Store what is large elsewhere and pass its name, or raise "
            "payload_limit_bytes."
        )


# What one statement stores: more of it saves little, and holds up the loop while it is sent.
BATCH_BYTES_MAX: Final = 4 << 20
# And so many rows.
BATCH_ROWS_MAX: Final = 5000


def weight(row: JobRow) -> int:
    """About how large a row is; for those that are large."""
    return len(row.kwargs or "") + len(row.meta or "")


def batches(rows: Sequence[JobRow]) -> Iterator[Sequence[JobRow]]:
    """The rows as one statement after another is to store them."""
    start = size = 0
    for number, row in enumerate(rows):
        size += weight(row)
        if number > start and (size > BATCH_BYTES_MAX or number - start >= BATCH_ROWS_MAX):
            yield rows[start:number]
            start, size = number, weight(row)
    if rows:
        yield rows[start:]
