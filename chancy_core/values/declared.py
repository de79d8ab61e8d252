"""What `@job` says of a function's runs."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final, TypeVar

import msgspec
from msgspec.structs import replace

from chancy_core.values.backoff import Backoff
from chancy_core.values.job import Job, Limit
from chancy_core.values.typed import Json

J = TypeVar("J", bound=Job)


class Declared(msgspec.Struct, frozen=True, omit_defaults=True):
    """What `@job` says of a function's runs: what a worker can still see to when it has the job, if its row lacks it.

    Attributes:
        limits, max_attempts, backoff, keep_result, retry_on, give_up_on, json: as the fields of `Job`.
    """

    limits: tuple[Limit, ...] = ()
    max_attempts: int = 1
    backoff: Backoff | None = None
    keep_result: bool = True
    retry_on: tuple[str, ...] = ()
    give_up_on: tuple[str, ...] = ()
    json: Json = "plain"

    def filled(self, job: J) -> J:
        """The job with what it lacks; the very job, if that is nothing, or meant so."""
        lacking = self._lacking(job)
        # One that is stored may say that it is meant so.
        return replace(job, **lacking) if lacking and not getattr(job, "exact", False) else job

    def lacks(self, job: Job) -> bool:
        """Whether a job says less than this."""
        return bool(self._lacking(job))

    def _lacking(self, job: Job) -> dict[str, Any]:
        found: dict[str, Any] = {}
        if self.limits and (limits := more_limits(job.limits, self.limits)):
            found["limits"] = limits
        if self.max_attempts > job.max_attempts == 1:
            found["max_attempts"] = self.max_attempts
        if self.backoff is not None and job.backoff is None:
            found["backoff"] = self.backoff
        if not self.keep_result and job.keep_result:
            found["keep_result"] = False
        if self.retry_on and not job.retry_on:
            found["retry_on"] = self.retry_on
        if self.give_up_on and not job.give_up_on:
            found["give_up_on"] = self.give_up_on
        if self.json != job.json == "plain":
            found["json"] = self.json
        return found


_NOTHING: Final = Declared()


def declared_by(job: Job | None) -> Declared | None:
    """What the job of a function says of its runs; None if that is nothing."""
    if job is None:
        return None
    declared = Declared(
        tuple(job.limits), job.max_attempts, job.backoff, job.keep_result, job.retry_on, job.give_up_on, job.json
    )
    return None if declared == _NOTHING else declared


def more_limits(own: Collection[Limit], declared: Collection[Limit]) -> list[Limit] | None:
    """A job's own limits and those that are declared, if there is one of a type that the job has none of."""
    types = {limit.type_ for limit in own}
    more = [limit for limit in declared if limit.type_ not in types]
    return [*own, *more] if more else None
