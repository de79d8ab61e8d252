"""Refuse jobs that are too large, before anything is stored."""

from __future__ import annotations

from typing import ClassVar, Final

import msgspec
from chancy import Job
from chancy.plugin import Plugin, check_whole, hookimpl

LIMIT_MAX_BYTES: Final = 1_000_000_000


class SizeLimit(Plugin):
    """Refuses a push with a job whose `kwargs` are larger than a limit.

    Attributes:
        limit_bytes: the largest `kwargs`, in bytes of JSON.
    """

    name: ClassVar[str] = "size_limit"

    limit_bytes: int = 10_000

    def __post_init__(self) -> None:
        check_whole("limit_bytes", self.limit_bytes, 1, LIMIT_MAX_BYTES)

    @hookimpl
    def on_push(self, jobs: list[Job]) -> None:
        """Raise for the first job that is too large; with that, none of this push is stored."""
        for job in jobs:
            size = _size(job)
            if size > self.limit_bytes:
                raise ValueError(
                    f"the kwargs of {job.func} take {size:,} bytes as JSON, and at most {self.limit_bytes:,} are "
                    "allowed. Store what is large elsewhere, and pass its name."
                )


def _size(job: Job) -> int:
    try:
        return len(msgspec.json.encode(job.kwargs, enc_hook=str))
    except (TypeError, ValueError, RecursionError):
        # Chancy refuses what is not JSON itself, and says where it is.
        return 0
