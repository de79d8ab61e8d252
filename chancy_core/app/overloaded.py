"""The methods of a `Chancy` whose result depends on what they are given: their types, which nothing has at run time."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal, overload

from chancy_core.app.given import Ref
from chancy_core.app.handed import OWN
from chancy_core.app.reference import Reference
from chancy_core.values.acted import Acted, Heard
from chancy_core.values.found import Count, Hit
from chancy_core.values.jobfilter import JobFilter
from chancy_core.values.queuedjob import Cancellation


class _Counts:
    """Counting them."""

    @overload
    async def count_jobs(self, *, within_s: float = 2.0) -> dict[str, dict[str, int]]: ...
    @overload
    async def count_jobs(self, filter: JobFilter | str, *, within_s: float = 2.0) -> Count: ...
    async def count_jobs(self, filter: Any = None, *, within_s: float = 2.0) -> Any:  # noqa: A002
        """See `operations.finding.count_jobs`."""

    @overload
    def sync_count_jobs(self, *, within_s: float = 2.0) -> dict[str, dict[str, int]]: ...
    @overload
    def sync_count_jobs(self, filter: JobFilter | str, *, within_s: float = 2.0) -> Count: ...
    def sync_count_jobs(self, filter: Any = None, *, within_s: float = 2.0) -> Any:  # noqa: A002
        """See `operations.finding.count_jobs`."""


class _Cancels:
    """Cancelling them."""

    @overload
    async def cancel_jobs(
        self, refs: Iterable[Ref], *, reason: str | None = None, connection: Any = OWN
    ) -> list[Cancellation | None]: ...
    @overload
    async def cancel_jobs(
        self, refs: JobFilter, *, reason: str | None = None, dry_run: bool = False, progress: Heard | None = None
    ) -> Acted: ...
    @overload
    async def cancel_jobs(
        self, refs: Iterable[Ref], *, reason: str | None = None, dry_run: Literal[True], progress: Heard | None = None
    ) -> Acted: ...
    @overload
    async def cancel_jobs(self, refs: Iterable[Ref], *, reason: str | None = None, progress: Heard) -> Acted: ...
    @overload
    async def cancel_jobs(
        self,
        refs: Iterable[Hit],
        *,
        reason: str | None = None,
        dry_run: bool = False,
        progress: Heard | None = None,
        connection: Any = OWN,
    ) -> Acted: ...
    async def cancel_jobs(self, refs: Any, **more: Any) -> Any:
        """See `operations.acting.cancel_jobs`."""

    @overload
    def sync_cancel_jobs(
        self, refs: Iterable[Ref], *, reason: str | None = None, connection: Any = OWN
    ) -> list[Cancellation | None]: ...
    @overload
    def sync_cancel_jobs(
        self, refs: JobFilter, *, reason: str | None = None, dry_run: bool = False, progress: Heard | None = None
    ) -> Acted: ...
    @overload
    def sync_cancel_jobs(
        self, refs: Iterable[Ref], *, reason: str | None = None, dry_run: Literal[True], progress: Heard | None = None
    ) -> Acted: ...
    @overload
    def sync_cancel_jobs(self, refs: Iterable[Ref], *, reason: str | None = None, progress: Heard) -> Acted: ...
    @overload
    def sync_cancel_jobs(
        self,
        refs: Iterable[Hit],
        *,
        reason: str | None = None,
        dry_run: bool = False,
        progress: Heard | None = None,
        connection: Any = OWN,
    ) -> Acted: ...
    def sync_cancel_jobs(self, refs: Any, **more: Any) -> Any:
        """See `operations.acting.cancel_jobs`."""


class _Retries:
    """Running them again."""

    @overload
    async def retry_jobs(self, refs: Iterable[Ref], *, connection: Any = OWN) -> list[Reference]: ...
    @overload
    async def retry_jobs(self, refs: JobFilter, *, dry_run: bool = False, progress: Heard | None = None) -> Acted: ...
    @overload
    async def retry_jobs(
        self, refs: Iterable[Ref], *, dry_run: Literal[True], progress: Heard | None = None
    ) -> Acted: ...
    @overload
    async def retry_jobs(self, refs: Iterable[Ref], *, progress: Heard) -> Acted: ...
    @overload
    async def retry_jobs(
        self,
        refs: Iterable[Hit],
        *,
        dry_run: bool = False,
        progress: Heard | None = None,
        connection: Any = OWN,
    ) -> Acted: ...
    async def retry_jobs(self, refs: Any, **more: Any) -> Any:
        """See `operations.acting.retry_jobs`."""

    @overload
    def sync_retry_jobs(self, refs: Iterable[Ref], *, connection: Any = OWN) -> list[Reference]: ...
    @overload
    def sync_retry_jobs(self, refs: JobFilter, *, dry_run: bool = False, progress: Heard | None = None) -> Acted: ...
    @overload
    def sync_retry_jobs(
        self, refs: Iterable[Ref], *, dry_run: Literal[True], progress: Heard | None = None
    ) -> Acted: ...
    @overload
    def sync_retry_jobs(self, refs: Iterable[Ref], *, progress: Heard) -> Acted: ...
    @overload
    def sync_retry_jobs(
        self,
        refs: Iterable[Hit],
        *,
        dry_run: bool = False,
        progress: Heard | None = None,
        connection: Any = OWN,
    ) -> Acted: ...
    def sync_retry_jobs(self, refs: Any, **more: Any) -> Any:
        """See `operations.acting.retry_jobs`."""


class Overloaded(_Counts, _Cancels, _Retries):
    """What `Chancy` has of `operations.finding` and `operations.acting`, where one signature does not say it all."""
