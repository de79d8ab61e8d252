"""Look at jobs, wait for them, cancel them, and bring them back."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Iterable
from typing import Final, TypeAlias

from chancy_core.app.opened import Opened
from chancy_core.app.reference import Reference, missing
from chancy_core.app.waiting import wait_sync
from chancy_core.errors import InvalidJob
from chancy_core.store.jobs import cancel_jobs, get_jobs, retry_jobs
from chancy_core.values.fields import check_text
from chancy_core.values.queuedjob import Cancellation, QueuedJob

Ref: TypeAlias = Reference | uuid.UUID | str

# A reason is read in a list of jobs.
REASON_MAX: Final = 500


class Jobs(Opened):
    """What can be done with jobs that are there."""

    def reference(self, text: str | uuid.UUID) -> Reference:
        """The reference to a job, from its text. Raises InvalidJob if that is no id."""
        return Reference(text, self)

    async def get_job(self, ref: Ref) -> QueuedJob | None:
        """A job as it stands, live or finished; None if there is no such job."""
        return (await self.get_jobs([ref]))[0]

    async def get_jobs(self, refs: Iterable[Ref]) -> list[QueuedJob | None]:
        """Jobs as they stand, in the order of `refs`; None where there is no such job."""
        ids = [_identifier(ref) for ref in refs]
        found = await self._run(lambda: get_jobs(self.store, ids))
        return [found.get(id_) for id_ in ids]

    def sync_get_job(self, ref: Ref) -> QueuedJob | None:
        """As `get_job`, for code without asyncio."""
        return self.sync_get_jobs([ref])[0]

    def sync_get_jobs(self, refs: Iterable[Ref]) -> list[QueuedJob | None]:
        """As `get_jobs`, for code without asyncio."""
        ids = [_identifier(ref) for ref in refs]
        found = self._run_sync(lambda: get_jobs(self.store, ids))
        return [found.get(id_) for id_ in ids]

    async def wait_for_job(
        self,
        ref: Ref,
        *,
        timeout: float | None = None,
    ) -> QueuedJob:
        """The finished job. As `Reference.wait`."""
        self.check_schema()
        return await self._waiter.wait(_identifier(ref), timeout)

    async def wait_for_jobs(
        self,
        refs: Iterable[Ref],
        *,
        timeout: float | None = None,
    ) -> list[QueuedJob]:
        """The finished jobs, in the order of `refs`, once all have finished. As `wait_for_job`."""
        waits = [asyncio.ensure_future(self.wait_for_job(ref, timeout=timeout)) for ref in refs]
        try:
            return list(await asyncio.gather(*waits))
        finally:
            for wait in waits:
                wait.cancel()

    def sync_wait_for_job(self, ref: Ref, *, timeout: float | None = None) -> QueuedJob:
        """As `wait_for_job`, for code without asyncio."""
        self.check_schema()
        return wait_sync(self.store, self.sync_pool, _identifier(ref), timeout)

    async def cancel_job(self, ref: Ref, *, reason: str | None = None) -> Cancellation:
        """Cancel a job: at once if it does not run; if it runs, its worker is told to stop it.

        A coroutine is cancelled, a child process told and then killed; a function in a thread stops at its next
        `checkpoint()`, if it has any, and is `running` until then.

        Args:
            ref: the job.
            reason: a few words, kept as its note.

        Returns:
            Which of that happened.

        Raises:
            JobNotFound: there is no such job.
        """
        return _one(ref, await self._write(cancel_jobs(self.store, [_identifier(ref)], _reason(reason))))

    async def cancel_jobs(self, refs: Iterable[Ref], *, reason: str | None = None) -> list[Cancellation | None]:
        """As `cancel_job`, for many: what came of each, in their order; None for one that does not exist."""
        ids = [_identifier(ref) for ref in refs]
        found = await self._write(cancel_jobs(self.store, ids, _reason(reason)))
        return [found.get(id_) for id_ in ids]

    async def retry_jobs(self, refs: Iterable[Ref]) -> list[Reference]:
        """Bring finished jobs back, whatever their outcome was: they run again, and keep their errors so far.

        Their attempts count from the beginning again, and their expiry is forgotten. One that was cancelled before it
        was ever started still waits for its `scheduled_at`. One whose queue was deleted waits for that to be declared.

        Returns:
            Those that came back. The others do not exist, have not finished, or have a unique key that another job
            holds by now.
        """
        ids = [_identifier(ref) for ref in refs]
        return [self.reference(id_) for id_ in await self._write(retry_jobs(self.store, ids))]

    def sync_cancel_job(self, ref: Ref, *, reason: str | None = None) -> Cancellation:
        """As `cancel_job`, for code without asyncio."""
        return _one(ref, self._write_sync(cancel_jobs(self.store, [_identifier(ref)], _reason(reason))))

    def sync_cancel_jobs(self, refs: Iterable[Ref], *, reason: str | None = None) -> list[Cancellation | None]:
        """As `cancel_jobs`, for code without asyncio."""
        ids = [_identifier(ref) for ref in refs]
        found = self._write_sync(cancel_jobs(self.store, ids, _reason(reason)))
        return [found.get(id_) for id_ in ids]

    def sync_retry_jobs(self, refs: Iterable[Ref]) -> list[Reference]:
        """As `retry_jobs`, for code without asyncio."""
        ids = [_identifier(ref) for ref in refs]
        return [self.reference(id_) for id_ in self._write_sync(retry_jobs(self.store, ids))]


def _one(ref: Ref, found: dict[uuid.UUID, Cancellation]) -> Cancellation:
    identifier = _identifier(ref)
    if identifier not in found:
        raise missing(identifier)
    return found[identifier]


def _reason(reason: str | None) -> str:
    if reason is None:
        return "Cancelled on request."
    if not isinstance(reason, str):
        raise InvalidJob(f"reason is {reason!r:.60}: give a few words, or None.")
    reason = reason[:REASON_MAX]
    check_text("reason", reason)
    return reason


def _identifier(ref: Ref) -> uuid.UUID:
    return ref.identifier if isinstance(ref, Reference) else Reference(ref).identifier
