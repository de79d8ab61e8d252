"""Ahead: jobs that an executor has where they will run, behind others, while they wait for a slot."""

from __future__ import annotations

import contextvars
from collections import deque
from typing import Final, TypeAlias

from chancy_core.executors.taking import Ended, Moved, TakesAhead
from chancy_core.values.queuedjob import QueuedJob
from chancy_core.worker.misbehaving import complain

# A job that was claimed ahead, and until when it may wait for a slot.
Waiting: TypeAlias = tuple[QueuedJob, float]


class Ahead:
    """The jobs of one lane that wait for a slot where they will run.

    They wait like all others: each has the time that it had, and whoever wants one of them has them taken back first.

    Args:
        executor: has them; None: one that takes none.
        ended: told how they ended.
        moved: told that one begins, or has come back.

    Attributes:
        serves: whether there is an executor that takes any.
    """

    def __init__(self, executor: TakesAhead | None, ended: Ended, moved: Moved) -> None:
        self._executor: Final = executor
        self.serves: Final = executor is not None
        self._ended: Final = ended
        self._moved: Final = moved
        # By the job's identity in memory.
        self._waiting: dict[int, Waiting] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def jobs(self) -> list[QueuedJob]:
        """These jobs."""
        return [job for job, _ in self._waiting.values()]

    def fill(self, waiting: deque[Waiting], context: contextvars.Context) -> bool:
        """Hand over the first of those that wait for a slot, as long as there is a place; whether any was."""
        filled = False
        while waiting and self._executor is not None:
            job = waiting[0][0]
            try:
                if not self._executor.take_ahead(job, context.copy(), self._ended, self._moved):
                    break
            except BaseException as error:  # noqa: BLE001 -- it waits for a slot, then
                complain(self._executor, job, error)
                break
            self._waiting[id(job)] = waiting.popleft()
            filled = True
        return filled

    def begins(self, job: QueuedJob) -> bool:
        """A job has a slot from now on; whether it was one of these."""
        return self._waiting.pop(id(job), None) is not None

    def comes_back(self, job: QueuedJob) -> float | None:
        """A job is here no more; until when it may wait, if it was one of these."""
        waiting = self._waiting.pop(id(job), None)
        return None if waiting is None else waiting[1]

    def take_back(self) -> list[QueuedJob]:
        """The jobs that come back. What is left here has begun."""
        return self._executor.take_back() if self._waiting and self._executor is not None else []
