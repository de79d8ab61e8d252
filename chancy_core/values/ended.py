"""The end of a job, as plugins hear of it."""

from __future__ import annotations

import uuid
from datetime import datetime
from enum import StrEnum
from typing import Any

import msgspec

from chancy_core.values.queuedjob import State


class Ending(StrEnum):
    """What ended a job, or brought it back."""

    RUN = "run"
    """Its last run: it succeeded, failed for good, or was cancelled while it ran."""
    CANCEL = "cancel"
    """Somebody cancelled it while it did not run."""
    EXPIRY = "expiry"
    """It was not started before its `expires_at`."""
    RESCUE = "rescue"
    """Its worker was lost, and no attempt was left."""
    PURGE = "purge"
    """Its queue was deleted, and its jobs with it."""
    USED_UP = "used_up"
    """It was due without an attempt left, which only somebody else can have written."""
    RETRY = "retry"
    """No end: `retry_jobs` brought the finished job back, to run again."""


class Ended(msgspec.Struct, frozen=True, gc=False):
    """The end of a job, however it came about; or that an end was taken back.

    Attributes:
        id: the job.
        claims: with `id` it names one end: no two ends of a job have the same, and a later one has a greater.
        queue: its queue.
        func: the importable name of its function.
        state: SUCCEEDED, FAILED or CANCELLED; PENDING or SCHEDULED if the job was brought back.
        how: what ended it.
        attempts: how many attempts were started.
        unique_key: its unique key, or None.
        note: what there is to say about it, such as why it was cancelled.
        meta: the job's meta, as the last run left it.
        at: when, by the database's clock.
    """

    id: uuid.UUID
    claims: int
    queue: str
    func: str
    state: State
    how: Ending
    attempts: int
    unique_key: str | None
    note: str | None
    meta: dict[str, Any]
    at: datetime

    @property
    def revived(self) -> bool:
        """Whether this is no end: the finished job was brought back, and is going to end once more."""
        return self.how is Ending.RETRY
