"""The handle of a pushed job."""

from __future__ import annotations

import uuid
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol, overload

from chancy_core.app.handed import OWN
from chancy_core.errors import InvalidJob, JobNotFound, NotOpen
from chancy_core.store.keys import Holder
from chancy_core.values.queuedjob import Cancellation, QueuedJob


class Keeper(Protocol):
    """What a reference asks about its job: a `Chancy`."""

    async def wait_for_job(self, ref: Reference, *, timeout: float | None = None) -> QueuedJob:
        """The finished job."""
        ...

    async def get_job(self, ref: Reference) -> QueuedJob | None:
        """The job as it stands."""
        ...

    async def cancel_job(self, ref: Reference, *, reason: str | None = None, connection: Any = OWN) -> Cancellation:
        """What came of cancelling the job."""
        ...

    def sync_cancel_job(self, ref: Reference, *, reason: str | None = None, connection: Any = OWN) -> Cancellation:
        """What came of cancelling the job."""
        ...

    def sync_wait_for_job(self, ref: Reference, *, timeout: float | None = None) -> QueuedJob:
        """The finished job."""
        ...

    def sync_get_job(self, ref: Reference) -> QueuedJob | None:
        """The job as it stands."""
        ...


class Reference:
    """The handle of a pushed job. Equal to any other reference to the same job, to its id, and to the id's text.

    In a set, or as the key of a dict, it is found by other references and by the `UUID`, but not by the text, for which
    Python computes another hash: use `str(reference)` there.

    `str(reference)` is its id; `chancy.reference(text)` makes it again, in any process.

    Attributes:
        identifier: the job's id, a UUIDv7.
        created: False if the job existed already, because its unique key was taken.
        replaced: True if that job was replaced: it has the arguments of this push now.
    """

    __slots__ = ("_keeper", "created", "identifier", "replaced")

    def __init__(
        self,
        identifier: uuid.UUID | str,
        keeper: Keeper | None = None,
        *,
        created: bool = True,
        replaced: bool = False,
    ) -> None:
        if not isinstance(identifier, uuid.UUID):
            try:
                identifier = uuid.UUID(str(identifier))
            except ValueError:
                raise InvalidJob(
                    f"{identifier!r:.80} is not the id of a job: give a UUID, or the text of a UUID."
                ) from None
        self.identifier = identifier
        self.created = created
        self.replaced = replaced
        self._keeper = keeper

    async def wait(self, *, timeout: float | None = None) -> QueuedJob:
        """The finished job, as soon as it has succeeded, failed or been cancelled.

        Args:
            timeout: seconds to wait at most; None: as long as it takes.

        Raises:
            WaitTimeout: it has not finished by then. It goes on.
            JobNotFound: there is no such job.
        """
        return await self._bound().wait_for_job(self, timeout=timeout)

    async def get(self) -> QueuedJob:
        """The job as it stands. Raises JobNotFound."""
        return self._found(await self._bound().get_job(self))

    async def cancel(self, *, reason: str | None = None, connection: Any = OWN) -> Cancellation:
        """Cancel the job, or tell its worker to; which of these, the answer says. See `Chancy.cancel_job`."""
        return await self._bound().cancel_job(self, reason=reason, connection=connection)

    def sync_cancel(self, *, reason: str | None = None, connection: Any = OWN) -> Cancellation:
        """As `cancel`, for code without asyncio."""
        return self._bound().sync_cancel_job(self, reason=reason, connection=connection)

    def sync_wait(self, *, timeout: float | None = None) -> QueuedJob:
        """As `wait`, for code without asyncio."""
        return self._bound().sync_wait_for_job(self, timeout=timeout)

    def sync_get(self) -> QueuedJob:
        """As `get`, for code without asyncio."""
        return self._found(self._bound().sync_get_job(self))

    def _bound(self) -> Keeper:
        if self._keeper is None:
            raise NotOpen(f"{self!r} belongs to no Chancy: make it with chancy.reference({str(self)!r}).")
        return self._keeper

    def _found(self, job: QueuedJob | None) -> QueuedJob:
        if job is None:
            raise missing(self.identifier)
        return job

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Reference):
            return other.identifier == self.identifier
        if isinstance(other, uuid.UUID):
            return other == self.identifier
        if isinstance(other, str):
            try:
                return uuid.UUID(other) == self.identifier
            except ValueError:
                return False
        return NotImplemented

    def __hash__(self) -> int:
        return hash(self.identifier)

    def __str__(self) -> str:
        return str(self.identifier)

    def __repr__(self) -> str:
        return f"Reference({str(self)!r})"


class References(Sequence[Reference]):
    """The references of a bulk push, in its order. They are made when they are looked at."""

    def __init__(self, keeper: Keeper, runs: Iterable[tuple[int, int]], taken: Mapping[str, Holder]) -> None:
        """Make the references.

        Args:
            keeper: whom they ask about their jobs.
            runs: the ids, as numbers: the first of some that follow each other, and how many they are.
            taken: by the id of a job that was not stored, the one that holds its unique key.
        """
        self._keeper = keeper
        self._length = 0
        self._firsts: list[int] = []
        # Where in the sequence these stand.
        self._starts: list[int] = []
        self._taken = {uuid.UUID(id_): holder for id_, holder in taken.items()}
        for first, count in runs:
            self._firsts.append(first)
            self._starts.append(self._length)
            self._length += count

    def __len__(self) -> int:
        return self._length

    @overload
    def __getitem__(self, index: int) -> Reference: ...
    @overload
    def __getitem__(self, index: slice) -> list[Reference]: ...
    def __getitem__(self, index: int | slice) -> Reference | list[Reference]:
        if isinstance(index, slice):
            return [self._at(i) for i in range(*index.indices(len(self)))]
        position = index + len(self) if index < 0 else index
        if not 0 <= position < len(self):
            raise IndexError(f"reference {index} of {len(self)}")
        return self._at(position)

    def __iter__(self) -> Iterator[Reference]:
        return map(self._at, range(len(self)))

    def _at(self, position: int) -> Reference:
        run = bisect_right(self._starts, position) - 1
        id_ = uuid.UUID(int=self._firsts[run] + position - self._starts[run])
        holder = self._taken.get(id_)
        if holder is None:
            return Reference(id_, self._keeper)
        return Reference(holder.id, self._keeper, created=False, replaced=holder.replaced)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<References of {len(self)} jobs>"


def missing(identifier: uuid.UUID) -> JobNotFound:
    """The error for a job that is nowhere."""
    return JobNotFound(
        f"There is no job {identifier}: its push was never committed, it is in another schema, or its record "
        "has been pruned."
    )
