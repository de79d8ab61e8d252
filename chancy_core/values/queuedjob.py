"""Jobs as the database holds them, and what becomes of them: states, errors, progress, outcomes."""

from __future__ import annotations

import uuid
from collections.abc import ItemsView, Iterator, KeysView, Mapping, ValuesView
from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar, Final, TypeAlias

import msgspec
from msgspec.structs import asdict

from chancy_core.errors import InvalidJob
from chancy_core.values.declared import Declared
from chancy_core.values.fields import shown
from chancy_core.values.job import Job
from chancy_core.values.plainly import as_dict
from chancy_core.values.typed import made_of


class State(StrEnum):
    """Where a job is in its life. The last three are final."""

    SCHEDULED = "scheduled"
    PENDING = "pending"
    RUNNING = "running"
    RETRYING = "retrying"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def finished(self) -> bool:
        """Whether a job in this state will never run again by itself."""
        return self in _FINISHED


_State: TypeAlias = State
_FINISHED: Final = frozenset({State.SUCCEEDED, State.FAILED, State.CANCELLED})


class Cancellation(StrEnum):
    """What came of asking for a job's cancellation."""

    CANCELLED = "cancelled"
    """It had not been started, or waited for a retry: it is cancelled, and will not run."""
    STOPPING = "stopping"
    """It runs: its worker has been told. `wait()` tells how it ended, which may be by succeeding just then."""
    FINISHED = "finished"
    """It had finished already: nothing was changed."""


class JobError(msgspec.Struct, frozen=True, kw_only=True):
    """What went wrong in one attempt.

    Attributes:
        attempt: which attempt, counted from one.
        type: the exception's class name.
        message: its text, at most 2,000 characters.
        traceback: its traceback, at most 8,000 characters: the end, where the cause is.
        at: when, by the worker's clock.
        worker: which worker.
    """

    attempt: int
    type: str
    message: str
    traceback: str
    at: datetime
    worker: str

    # It reads as a mapping, too, as errors do elsewhere.

    def __getitem__(self, field: str) -> Any:
        """The field by name, as in `error["traceback"]`."""
        if field not in self.__struct_fields__:
            raise KeyError(field)
        return getattr(self, field)

    def __iter__(self) -> Iterator[str]:
        """The names of the fields."""
        return iter(self.__struct_fields__)

    def __len__(self) -> int:
        """How many fields there are."""
        return len(self.__struct_fields__)

    def __contains__(self, field: object) -> bool:
        """Whether there is a field of that name."""
        return field in self.__struct_fields__

    def get(self, field: str, default: Any = None) -> Any:
        """The field by name, or `default` if there is none of that name."""
        return getattr(self, field) if field in self.__struct_fields__ else default

    def keys(self) -> KeysView[str]:
        """The names of the fields."""
        return asdict(self).keys()

    def values(self) -> ValuesView[Any]:
        """What the fields hold."""
        return asdict(self).values()

    def items(self) -> ItemsView[str, Any]:
        """The names of the fields, with what they hold."""
        return asdict(self).items()

    def to_dict(self) -> dict[str, Any]:
        """Every field by its name, as what JSON has."""
        return as_dict(self)


# For `isinstance`, and for those who ask before they read.
Mapping.register(JobError)


class Progress(msgspec.Struct, frozen=True):
    """How far a running job is, as it said last.

    Attributes:
        fraction: from 0 to 1.
        note: a few words, or None.
    """

    fraction: float
    note: str | None = None


class QueuedJob(Job, frozen=True, kw_only=True, gc=False):
    """A job as the database holds it: `Job` and what has happened to it so far.

    Attributes:
        id: its identity, a UUIDv7 (RFC 9562).
        state: a `State`, which is also its text: `job.state == "succeeded"`.
        attempts: how many attempts were started.
        claims: raised by every claim, and when it is brought back, and never lowered; with `id` it names one run.
        created_at: when it was pushed, by the database's clock.
        started_at: when its latest attempt was claimed.
        completed_at: when it finished.
        errors: one entry for each failed attempt, the oldest first; each reads as an object and as a mapping.
        result: what the function returned, if it was kept.
        worker: the worker of the latest attempt.
        note: what there is to say about the outcome, such as why a result was not kept.
        progress: how far the run is, or was, as the job said last. A job that has succeeded is complete, whatever it
            had said, and is so without having said anything.
        run_s: how long the latest run took, in seconds, once the job has finished.
        peak_bytes: the most memory that run held, where its executor can tell.
        cancel_requested: whether it runs although somebody asked for its cancellation.
        unrunnable_since: since when the workers that claimed it could not run it, through no fault of its own; None if
            the last of them could, or none has tried.
        exact: whether it says less than `@job` does of its function, and was meant so when it was pushed.
    """

    State: ClassVar[type[_State]] = State

    id: uuid.UUID
    state: _State
    attempts: int = 0
    claims: int = 0
    created_at: datetime | None = None
    started_at: datetime | None = None
    completed_at: datetime | None = None
    errors: list[JobError] = []  # noqa: RUF012 -- msgspec copies it
    result: Any = None
    worker: str | None = None
    note: str | None = None
    progress: Progress | None = None
    run_s: float | None = None
    peak_bytes: int | None = None
    cancel_requested: bool = False
    unrunnable_since: datetime | None = None
    exact: bool = False

    def __post_init__(self) -> None:
        """Nothing: the database's constraints have checked what comes from it."""

    def result_as(self, type_: Any) -> Any:
        """The result as an instance of a type, such as `Order` or `list[Decimal]`, made of its JSON as msgspec does.

        Raises:
            InvalidJob: the result is none of that type: where it is not, or why nothing can be made one.
        """
        try:
            return made_of(self.result, type_)
        except (ValueError, TypeError, NotImplementedError) as error:
            named = getattr(type_, "__qualname__", type_)
            raise InvalidJob(f"The result of job {self.id} is {shown(self.result)}, no {named}: {error}") from error

    def __hash__(self) -> int:
        return hash((self.id, self.claims, self.state))


class Outcome(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """How one run of a job ended, as its worker decided and records it.

    Attributes:
        job: the run's job, as it was claimed.
        state: SUCCEEDED, FAILED or CANCELLED end the job; RETRYING waits out `delay_s`;
            PENDING hands it back at once.
        result: the JSON of what the function returned, or None.
        error: what went wrong in this attempt, or None.
        delay_s: for RETRYING, seconds until the job is due again.
        attempt_spent: False gives the attempt back (a shutdown, a snooze).
        note: what there is to say about the outcome.
        run_s: how long the function ran, in seconds.
        peak_bytes: the most memory that the run held, where its executor can tell.
        meta: the JSON of the job's meta, if the run changed it.
        unrunnable: whether the function was not called, because its worker could not run it.
        declared: what `@job` says of the function, if the job's row lacked some of it; `job` has it.
    """

    job: QueuedJob
    state: State
    result: bytes | None = None
    error: JobError | None = None
    delay_s: float | None = None
    attempt_spent: bool = True
    note: str | None = None
    run_s: float = 0.0
    peak_bytes: int | None = None
    meta: bytes | None = None
    unrunnable: bool = False
    declared: Declared | None = None
