"""Refused: jobs that the database will not let be claimed, because of somebody's trigger mostly, are left alone."""

from __future__ import annotations

import time
import uuid
from typing import Final

from chancy_core.log import log
from chancy_core.store.weather import text_of
from chancy_core.worker.telling import Reports

# How long such a job is left alone before it is tried again, and how often it is reported.
AGAIN_S: Final = 30.0
REPORT_EVERY_S: Final = 600.0


class Refused:
    """The refused jobs of one queue."""

    def __init__(self) -> None:
        # Until when each is left alone.
        self._until: dict[uuid.UUID, float] = {}
        self._reports = Reports()

    def ids(self) -> list[uuid.UUID]:
        """Those that are to be left alone now."""
        if not self._until:
            return []
        now = time.monotonic()
        self._until = {id_: until for id_, until in self._until.items() if until > now}
        return list(self._until)

    def add(self, id_: uuid.UUID, queue: str, error: BaseException) -> None:
        """Leave a job alone for a while, and say so once in a while."""
        self._until[id_] = time.monotonic() + AGAIN_S
        if self._reports.is_due(id_, REPORT_EVERY_S):
            log.error(
                "claim_refused",
                job=str(id_),
                queue=queue,
                error=text_of(error),
                hint="The job waits, and is tried again, until the database lets it be claimed; look for a trigger.",
            )
