"""The column `options` of a job."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Final

import msgspec

from chancy_core.values.backoff import Backoff
from chancy_core.values.fields import OnConflict, UniqueWhile
from chancy_core.values.queuedjob import QueuedJob
from chancy_core.values.typed import Json


class Options(msgspec.Struct, frozen=True, omit_defaults=True):
    """The fields of a job that few jobs set, in one column that most rows leave empty."""

    backoff: Backoff | None = None
    keep_result: bool = True
    retry_on: tuple[str, ...] = ()
    give_up_on: tuple[str, ...] = ()
    # retry_jobs reads this one in its text.
    unique_while: UniqueWhile = "live"
    on_conflict: OnConflict = "existing"
    json: Json = "plain"
    # What `@job` says of the function beyond this is not to be added: see `chancy_core.values.known`.
    exact: bool = False
    # With a zone: whoever reads it compares it with moments of the database.
    unrunnable_since: Annotated[datetime, msgspec.Meta(tz=True)] | None = None


decode_options: Final = msgspec.json.Decoder(Options | None).decode


_encode: Final = msgspec.json.Encoder().encode


def encode_options(job: QueuedJob, unrunnable_since: datetime | None) -> str:
    """The options of a claimed job, with another moment since which it cannot be run."""
    options = Options(
        job.backoff,
        job.keep_result,
        job.retry_on,
        job.give_up_on,
        job.unique_while,
        job.on_conflict,
        job.json,
        job.exact,
        unrunnable_since,
    )
    return _encode(options).decode()
