"""Declare queues, pause them, and delete them; and see who serves them."""

from __future__ import annotations

from datetime import datetime

from chancy_core.app.opened import Opened
from chancy_core.errors import InvalidQueue
from chancy_core.plugins import check_limits
from chancy_core.store.jobs import count_live
from chancy_core.store.queues import (
    declare_queue,
    delete_queue,
    get_queue,
    get_queues,
    get_unreadable_queues,
    set_queue_state,
)
from chancy_core.store.workers import get_workers
from chancy_core.values.queue import NOT_BUILT, Executor, Queue, UnreadableQueue, check_resume_at
from chancy_core.values.workerinfo import WorkerInfo


class Queues(Opened):
    """What can be done with queues, and what is known of the workers that serve them."""

    async def declare(self, queue: Queue, *, upsert: bool = False) -> Queue:
        """Declare a queue, so that it can be pushed to.

        Running workers see it within seconds.

        Args:
            queue: its name, and how its jobs are run.
            upsert: change an existing queue to this declaration; otherwise it is left as it is.

        Returns:
            The queue as it now stands.

        Raises:
            InvalidQueue: it has a limit that no plugin here enforces, and what to install; or an executor that is not
                there yet.
        """
        self._check_queue(queue)
        return await self._write(declare_queue(self.store, queue, upsert=upsert))

    async def get_queue(self, name: str) -> Queue:
        """A declared queue. Raises UnknownQueue; InvalidQueue if somebody wrote its row so that it cannot be read."""
        return await self._run(lambda: get_queue(self.store, name))

    async def get_all_queues(self) -> list[Queue]:
        """Every declared queue that can be read, by name; `get_unreadable_queues` has the others."""
        return await self._run(lambda: get_queues(self.store))

    async def get_unreadable_queues(self) -> list[UnreadableQueue]:
        """The queues whose rows somebody wrote so that they cannot be read, and why: no worker serves them."""
        return await self._run(lambda: get_unreadable_queues(self.store))

    async def pause_queue(self, name: str, *, resume_at: datetime | None = None) -> None:
        """Stop claiming from a queue, everywhere. Pushes go on; running jobs end.

        Args:
            name: the queue.
            resume_at: when it resumes by itself, with a time zone; None: when somebody resumes it.

        Raises:
            UnknownQueue: nobody declared it.
            InvalidQueue: `resume_at` has no time zone.
        """
        if resume_at is not None:
            check_resume_at(name, resume_at)
        await self._write(set_queue_state(self.store, name, Queue.State.PAUSED, resume_at))

    async def resume_queue(self, name: str) -> None:
        """Claim from a paused queue again. Raises UnknownQueue."""
        await self._write(set_queue_state(self.store, name, Queue.State.ACTIVE, None))

    async def delete_queue(self, name: str, *, purge_jobs: bool = True) -> int:
        """Forget a queue, and cancel those of its jobs that are not running.

        Args:
            name: the queue; not `default`.
            purge_jobs: False leaves the jobs stored; they run once the queue is declared again.

        Returns:
            How many jobs were cancelled, or were left behind.

        Raises:
            UnknownQueue: nobody declared it.
            InvalidQueue: it is the default queue.
        """
        return await self._write(delete_queue(self.store, name, purge_jobs=purge_jobs))

    async def count_jobs(self) -> dict[str, dict[str, int]]:
        """How many live jobs each queue has, by state: `{"default": {"pending": 3}}`. Reads all of them."""
        return await self._run(lambda: count_live(self.store))

    def sync_count_jobs(self) -> dict[str, dict[str, int]]:
        """As `count_jobs`, for code without asyncio."""
        return self._run_sync(lambda: count_live(self.store))

    async def get_workers(self) -> list[WorkerInfo]:
        """The workers of this schema by name, lost ones until they are forgotten; with how their plugins do."""
        return await self._run(lambda: get_workers(self.store))

    def sync_get_workers(self) -> list[WorkerInfo]:
        """As `get_workers`, for code without asyncio."""
        return self._run_sync(lambda: get_workers(self.store))

    def sync_declare(self, queue: Queue, *, upsert: bool = False) -> Queue:
        """As `declare`, for code without asyncio."""
        self._check_queue(queue)
        return self._write_sync(declare_queue(self.store, queue, upsert=upsert))

    def sync_get_queue(self, name: str) -> Queue:
        """As `get_queue`, for code without asyncio."""
        return self._run_sync(lambda: get_queue(self.store, name))

    def sync_get_all_queues(self) -> list[Queue]:
        """As `get_all_queues`, for code without asyncio."""
        return self._run_sync(lambda: get_queues(self.store))

    def sync_get_unreadable_queues(self) -> list[UnreadableQueue]:
        """As `get_unreadable_queues`, for code without asyncio."""
        return self._run_sync(lambda: get_unreadable_queues(self.store))

    def sync_pause_queue(self, name: str, *, resume_at: datetime | None = None) -> None:
        """As `pause_queue`, for code without asyncio."""
        if resume_at is not None:
            check_resume_at(name, resume_at)
        self._write_sync(set_queue_state(self.store, name, Queue.State.PAUSED, resume_at))

    def sync_resume_queue(self, name: str) -> None:
        """As `resume_queue`, for code without asyncio."""
        self._write_sync(set_queue_state(self.store, name, Queue.State.ACTIVE, None))

    def sync_delete_queue(self, name: str, *, purge_jobs: bool = True) -> int:
        """As `delete_queue`, for code without asyncio."""
        return self._write_sync(delete_queue(self.store, name, purge_jobs=purge_jobs))

    def _check_queue(self, queue: object) -> None:
        if not isinstance(queue, Queue):
            raise InvalidQueue(f"declare({queue!r}): give a Queue, as in declare(Queue('mail')).")
        if queue.executor == Executor.SubInterpreter:
            raise InvalidQueue(f"Queue {queue.name!r}: {NOT_BUILT}")
        check_limits(queue, self.plugins.enforced)
