"""The values a job is made of: pure, frozen, without I/O."""

from __future__ import annotations

import random
import uuid
import warnings
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from types import ModuleType
from typing import Any, ClassVar, Final, Generic, ParamSpec, Protocol, Self, TypeAlias, TypeVar, cast

import msgspec
from msgspec.structs import force_setattr, replace

from chancy_core.errors import InvalidJob

# PostgreSQL's integer, which is what the column holds.
PRIORITY_MIN: Final = -(2**31)
PRIORITY_MAX: Final = 2**31 - 1
MAX_ATTEMPTS_LIMIT: Final = 2**31 - 1
# Long enough for any dotted name or key people use; short enough to be indexed (a btree entry holds about 2,700 bytes).
NAME_MAX_LENGTH: Final = 500
# Limits are read back as floats, which hold every whole number up to here. More bytes, or seconds, are a mistake.
LIMIT_VALUE_MAX: Final = 2**53
# What Python reads back from PostgreSQL whatever the session's time zone.
EARLIEST: Final = datetime.min.replace(tzinfo=UTC) + timedelta(days=1)
LATEST: Final = datetime.max.replace(tzinfo=UTC) - timedelta(days=1)

P = ParamSpec("P")
R_co = TypeVar("R_co", covariant=True)


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


class _LimitType(StrEnum):
    MEMORY = "memory"
    TIME = "time"


class Limit(msgspec.Struct, frozen=True):
    """A bound on what one attempt of a job may use.

    Attributes:
        type_: `Limit.Type.MEMORY` or `Limit.Type.TIME`.
        value: bytes for MEMORY, seconds for TIME; more than zero.

    An executor that cannot enforce a limit refuses the job instead of running it without.
    """

    Type: ClassVar[type[_LimitType]] = _LimitType

    type_: _LimitType
    value: float

    def __post_init__(self) -> None:
        if not isinstance(self.type_, _LimitType):
            raise InvalidJob(
                f"Limit type {self.type_!r} is unknown: use Limit.Type.MEMORY (bytes) or Limit.Type.TIME (seconds)."
            )
        number = isinstance(self.value, int | float) and not isinstance(self.value, bool)
        if not number or not 0 < self.value <= LIMIT_VALUE_MAX:
            unit = "bytes" if self.type_ is _LimitType.MEMORY else "seconds"
            raise InvalidJob(
                f"Limit {self.type_.value} is {self.value!r:.60}: give a number of {unit} above zero, at most 2**53."
            )


class Backoff(msgspec.Struct, frozen=True, kw_only=True):
    """How long a failed job waits before its next attempt.

    The delay before attempt `n + 1` is `base_s * factor ** (n - 1) + step_s * (n - 1)`, at most `max_s`, and then
    varied by up to `jitter` of itself, so that jobs which failed together do not return together. `Backoff.fixed`,
    `Backoff.linear` and `Backoff.exponential` name the usual ones.

    Attributes:
        base_s: seconds before the second attempt.
        factor: what each further delay is multiplied by.
        max_s: the longest delay, in seconds.
        jitter: 0 for none, 0.2 for up to a fifth more or less.
        step_s: seconds that are added with each further attempt.
    """

    base_s: float = 1.0
    factor: float = 2.0
    max_s: float = 3600.0
    jitter: float = 0.2
    step_s: float = 0.0

    def __post_init__(self) -> None:
        for name, low, high in (
            ("base_s", 0, 31_536_000),
            ("factor", 1, 1000),
            ("max_s", 0, 31_536_000),
            ("jitter", 0, 1),
            ("step_s", 0, 31_536_000),
        ):
            value = getattr(self, name)
            if not isinstance(value, int | float) or not low <= value <= high:
                raise InvalidJob(f"Backoff {name} is {value!r}: give a number from {low} to {high}.")

    @classmethod
    def fixed(cls, delay_s: float, *, jitter: float = 0.2) -> Self:
        """The same delay before every attempt."""
        return cls(base_s=delay_s, factor=1, max_s=31_536_000, jitter=jitter)

    @classmethod
    def linear(cls, base_s: float, step_s: float, *, max_s: float = 3600.0, jitter: float = 0.2) -> Self:
        """`base_s`, then `step_s` more each time."""
        return cls(base_s=base_s, factor=1, max_s=max_s, jitter=jitter, step_s=step_s)

    @classmethod
    def exponential(
        cls, base_s: float = 1.0, factor: float = 2.0, *, max_s: float = 3600.0, jitter: float = 0.2
    ) -> Self:
        """`base_s`, then `factor` times as long each time."""
        return cls(base_s=base_s, factor=factor, max_s=max_s, jitter=jitter)

    def delay_s(self, attempts: int) -> float:
        """Seconds to wait after `attempts` attempts have failed."""
        further = max(attempts - 1, 0)
        try:
            delay = self.base_s * self.factor**further + self.step_s * further
        except OverflowError:
            delay = self.max_s
        delay = min(delay, self.max_s)
        return delay * (1 + random.uniform(-self.jitter, self.jitter))  # noqa: S311


DEFAULT_BACKOFF: Final = Backoff()


class Job(msgspec.Struct, frozen=True):
    """A unit of work that can be pushed. Immutable: the `with_…` methods return a changed copy.

    Attributes:
        func: the importable name of a function, `package.module.function`.
        queue: the queue it is pushed to, unless `push` names another.
        kwargs: the keyword arguments of the function; JSON values only.
        priority: **lower runs first**; within one priority, first in, first out.
        max_attempts: how often it may be started before it counts as failed.
        scheduled_at: not to be started before this moment, by the database's clock. Needs a time
            zone. None: as soon as possible.
        limits: what one attempt may use.
        unique_key: at most one job with this key is scheduled, pending, running or retrying.
        meta: JSON values of your own that travel with the job.
        backoff: the wait between attempts. None: one second, doubling, with jitter.
        keep_result: whether the function's return value is kept with the finished job.
        expires_at: if it was not started before this moment, by the database's clock, it is cancelled instead. Needs
            a time zone. A job that has spent an attempt does not expire.
        retry_on: retry only after these exceptions and their subclasses; classes, or their names, with or without
            the module. Empty: after any.
        give_up_on: never retry after these. Goes before `retry_on`.

    Raises:
        InvalidJob: a value out of its range, with the field and what would be right. The contents
            of `kwargs` and `meta` are checked when the job is pushed.
    """

    func: str
    queue: str = "default"
    kwargs: dict[str, Any] = {}
    priority: int = 0
    max_attempts: int = 1
    scheduled_at: datetime | None = None
    limits: list[Limit] = []
    unique_key: str | None = None
    meta: dict[str, Any] = {}
    backoff: Backoff | None = None
    keep_result: bool = True
    expires_at: datetime | None = None
    retry_on: tuple[str, ...] = ()
    give_up_on: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        # Many jobs are made of few names: what was good once is.
        if type(self.func) is not str or self.func not in _good_funcs:
            _check_func(self.func)
        if type(self.queue) is not str or self.queue not in _good_queues:
            _check_text("queue", self.queue)
            _remember(_good_queues, self.queue)
        _check_int("priority", self.priority, PRIORITY_MIN, PRIORITY_MAX)
        _check_int("max_attempts", self.max_attempts, 1, MAX_ATTEMPTS_LIMIT)
        _check_moment("scheduled_at", self.scheduled_at)
        _check_moment("expires_at", self.expires_at)
        if self.unique_key is not None:
            _check_text("unique_key", self.unique_key)
        # The containers are copied, so that changing the caller's own later changes no job.
        force_setattr(self, "kwargs", _copied_dict("kwargs", self.kwargs))
        force_setattr(self, "meta", _copied_dict("meta", self.meta))
        force_setattr(self, "limits", _copied_limits(self.limits))
        if self.retry_on or self.give_up_on:
            force_setattr(self, "retry_on", _exception_names("retry_on", self.retry_on))
            force_setattr(self, "give_up_on", _exception_names("give_up_on", self.give_up_on))

    @classmethod
    def from_func(cls, func: Callable[..., Any] | str, **fields: Any) -> Job:
        """A job that calls `func`; the other fields by keyword, as for `Job(…)`.

        Raises:
            InvalidJob: `func` cannot be imported by its name: a lambda, a function defined inside
                another, a bound method or a callable object.
        """
        path = func if isinstance(func, str) else importable_name(func)
        return Job(func=path, **fields)

    def with_queue(self, queue: str) -> Self:
        """This job for another queue."""
        return replace(self, queue=queue)

    def with_kwargs(self, kwargs: Mapping[str, Any] | None = None, /, **more: Any) -> Self:
        """This job with these keyword arguments instead: a mapping, keywords, or both."""
        return replace(self, kwargs={**(kwargs or {}), **more})

    def with_priority(self, priority: int) -> Self:
        """This job with another priority; lower runs first."""
        return replace(self, priority=priority)

    def with_max_attempts(self, max_attempts: int) -> Self:
        """This job with another number of attempts, at least one."""
        return replace(self, max_attempts=max_attempts)

    def with_scheduled_at(self, scheduled_at: datetime | None) -> Self:
        """This job, not to be started before `scheduled_at` (with a time zone)."""
        return replace(self, scheduled_at=scheduled_at)

    def with_limits(self, limits: Sequence[Limit]) -> Self:
        """This job with these limits instead."""
        return replace(self, limits=list(limits))

    def with_unique_key(self, unique_key: str | None) -> Self:
        """This job with another unique key, or with none."""
        return replace(self, unique_key=unique_key)

    def with_meta(self, meta: Mapping[str, Any] | None = None, /, **more: Any) -> Self:
        """This job with this meta instead: a mapping, keywords, or both."""
        return replace(self, meta={**(meta or {}), **more})

    def with_backoff(self, backoff: Backoff | None) -> Self:
        """This job with another wait between its attempts."""
        return replace(self, backoff=backoff)

    def with_expires_at(self, expires_at: datetime | None) -> Self:
        """This job, cancelled unless it is started before `expires_at` (with a time zone)."""
        return replace(self, expires_at=expires_at)

    def with_retry_on(self, *exceptions: type[BaseException] | str) -> Self:
        """This job, retried after these exceptions only; without any, after every one."""
        return replace(self, retry_on=exceptions)

    def with_give_up_on(self, *exceptions: type[BaseException] | str) -> Self:
        """This job, never retried after these exceptions."""
        return replace(self, give_up_on=exceptions)

    def retries(self, error: BaseException) -> bool:
        """Whether an attempt that raised `error` is to be followed by another, attempts permitting."""
        if not self.retry_on and not self.give_up_on:
            return True
        names = {name for cls in type(error).__mro__ for name in (cls.__qualname__, _dotted(cls))}
        if not names.isdisjoint(self.give_up_on):
            return False
        return not self.retry_on or not names.isdisjoint(self.retry_on)


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

    def __getitem__(self, field: str) -> Any:
        """The field by name, as in `error["traceback"]`."""
        try:
            return getattr(self, field)
        except AttributeError:
            raise KeyError(field) from None


class Progress(msgspec.Struct, frozen=True):
    """How far a running job is, as it said last.

    Attributes:
        fraction: from 0 to 1.
        note: a few words, or None.
    """

    fraction: float
    note: str | None = None


class QueuedJob(Job, frozen=True, kw_only=True):
    """A job as the database holds it: `Job` and what has happened to it so far.

    Attributes:
        id: its identity, a UUIDv7 (RFC 9562).
        state: a `State`, which is also its text: `job.state == "succeeded"`.
        attempts: how many attempts were started.
        claims: raised by every claim and never lowered; with `id` it names one run.
        created_at: when it was pushed, by the database's clock.
        started_at: when its latest attempt was claimed.
        completed_at: when it finished.
        errors: one entry for each failed attempt, the oldest first.
        result: what the function returned, if it was kept.
        worker: the worker of the latest attempt.
        note: what there is to say about the outcome, such as why a result was not kept.
        progress: how far the run is, or was, as the job said last.
        run_s: how long the latest run took, in seconds, once the job has finished.
        peak_bytes: the most memory that run held, where its executor can tell.
        cancel_requested: whether it runs although somebody asked for its cancellation.
    """

    State: ClassVar[type[_State]] = State

    id: uuid.UUID
    state: _State
    attempts: int = 0
    claims: int = 0
    created_at: datetime | None = None
    started_at: datetime | None = None
    completed_at: datetime | None = None
    errors: list[JobError] = []
    result: Any = None
    worker: str | None = None
    note: str | None = None
    progress: Progress | None = None
    run_s: float | None = None
    peak_bytes: int | None = None
    cancel_requested: bool = False

    def __post_init__(self) -> None:
        """Nothing: the database's constraints have checked what comes from it."""

    def __hash__(self) -> int:
        return hash((self.id, self.claims, self.state))


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """How one run of a job ended, as the executor tells it and the worker records it.

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


class JobFunction(Protocol, Generic[P, R_co]):
    """A function decorated with `@job`: called as before, pushed through its `.job`."""

    job: Job

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R_co:
        """Call the function itself."""
        ...


def job(**fields: Any) -> Callable[[Callable[P, R_co]], JobFunction[P, R_co]]:
    """Give a function a `.job`, with these fields of `Job`; the function itself stays as it is.

    ```python
    @job(queue="mail", max_attempts=5)
    async def send(*, to: str) -> None: ...

    await chancy.push(send.job.with_kwargs(to="alice@example.org"))
    ```

    Raises:
        InvalidJob: as `Job.from_func`.
    """

    def decorate(func: Callable[P, R_co]) -> JobFunction[P, R_co]:
        decorated = cast("JobFunction[P, R_co]", func)
        decorated.job = Job(func=importable_name(func), **fields)
        return decorated

    return decorate


def as_job(value: Any) -> Job:
    """The `Job` in `value`: a Job itself, or a function decorated with `@job`.

    Raises:
        InvalidJob: it is neither.
    """
    if isinstance(value, Job):
        return value
    found = getattr(value, "job", None)
    if isinstance(found, Job):
        return found
    hint = (
        " Decorate the function with @job(), or push Job.from_func(function)."
        if callable(value)
        else " Push a Job, or a function decorated with @job()."
    )
    raise InvalidJob(f"{value!r} is not a job.{hint}")


def importable_name(func: Callable[..., Any]) -> str:
    """The dotted name under which a worker can import `func`.

    Warns:
        UserWarning: the function is in `__main__`, which is another module in another process.

    Raises:
        InvalidJob: it has no such name.
    """
    name = getattr(func, "__qualname__", None)
    module = getattr(func, "__module__", None)
    if name is None or module is None or not callable(func):
        raise InvalidJob(f"{func!r} has no importable name: give a function defined at the top of a module.")
    if "<lambda>" in name:
        raise InvalidJob(
            f"A lambda in {module} cannot be imported by a worker: give it a name with `def`, at the top of a module."
        )
    if "<locals>" in name:
        raise InvalidJob(
            f"{module}.{name} is defined inside a function, so a worker cannot import it: move it "
            "to the top of the module."
        )
    owner = getattr(func, "__self__", None)
    if owner is not None and not isinstance(owner, type | ModuleType):
        raise InvalidJob(
            f"{module}.{name} is bound to an object, which a worker does not have: give a plain "
            "function and pass what it needs in kwargs."
        )
    if module == "__main__":
        warnings.warn(
            f"{name} is defined in __main__: only a worker started by the same script can import "
            "it. Move it to a module of its own to run it elsewhere.",
            UserWarning,
            stacklevel=3,
        )
    return f"{module}.{name}"


# Names that have been checked; only so many, because anybody may make jobs of any name.
_GOOD_MAX: Final = 10_000
_good_funcs: Final[set[str]] = set()
_good_queues: Final[set[str]] = set()


def _remember(good: set[str], name: str) -> None:
    if len(good) < _GOOD_MAX:
        good.add(name)


def _check_func(func: object) -> None:
    _check_text("func", func)
    name = str(func)
    if not all(map(str.isidentifier, name.replace(":", ".").split("."))):
        raise InvalidJob(f"func is {func!r}: give the dotted name of a function, as in 'package.module.function'.")
    _remember(_good_funcs, name)


def _check_text(field: str, value: object) -> None:
    if not isinstance(value, str):
        raise InvalidJob(f"{field} is {value!r}: give a string.")
    if not value.strip():
        raise InvalidJob(f"{field} is empty: give it a name.")
    if len(value) > NAME_MAX_LENGTH:
        raise InvalidJob(f"{field} has {len(value)} characters ({value[:40]!r} …): the most is {NAME_MAX_LENGTH}.")
    if "\x00" in value:
        raise InvalidJob(f"{field} {value!r} contains a NUL character, which PostgreSQL cannot store.")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise InvalidJob(f"{field} {value!r} contains a lone surrogate, which is not valid Unicode text.") from None


def _check_int(field: str, value: object, low: int, high: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool):
        raise InvalidJob(f"{field} is {value!r}: give a whole number.")
    if not low <= value <= high:
        raise InvalidJob(f"{field} is {value}: give a whole number from {low} to {high}.")


def _check_moment(field: str, value: object) -> None:
    if value is not None:
        problem = moment_problem(value)
        if problem:
            raise InvalidJob(f"{field} {problem}")


def _dotted(cls: type) -> str:
    return f"{cls.__module__}.{cls.__qualname__}"


def _exception_names(field: str, value: object) -> tuple[str, ...]:
    given = value if isinstance(value, tuple | list | set | frozenset) else (value,)
    names = []
    for one in given:
        if isinstance(one, type) and issubclass(one, BaseException):
            # Built-in ones go by the name everybody knows.
            names.append(one.__qualname__ if one.__module__ == "builtins" else _dotted(one))
        elif isinstance(one, str) and all(map(str.isidentifier, one.split("."))):
            names.append(one)
        else:
            raise InvalidJob(f"{field} has {one!r}: give exception classes, or their names.")
    return tuple(names)


def moment_problem(value: object) -> str | None:
    """What keeps `value` from being a moment that can be stored, as the end of a sentence; None if it is one."""
    if not isinstance(value, datetime):
        return f"is {value!r}: give a datetime with a time zone."
    if value.utcoffset() is None:
        return (
            f"is {value.isoformat()}, without a time zone: say which moment is meant, as in "
            "datetime.now(timezone.utc) + timedelta(hours=1)."
        )
    if not EARLIEST <= value <= LATEST:
        return f"is {value.isoformat()}: give a moment from {EARLIEST:%Y-%m-%d} to {LATEST:%Y-%m-%d}."
    return None


def _copied_dict(field: str, value: object) -> dict[str, Any]:
    if type(value) is dict:
        return value.copy()
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise InvalidJob(f"{field} is {value!r}: give a mapping of names to JSON values.")
    return dict(value)


def _copied_limits(value: object) -> list[Limit]:
    if not value and (value is None or isinstance(value, list | tuple)):
        return []
    if not isinstance(value, list | tuple) or not all(isinstance(item, Limit) for item in value):
        raise InvalidJob(f"limits is {value!r}: give a list of Limit(Limit.Type.…, value).")
    kinds = [limit.type_ for limit in value]
    if len(kinds) != len(set(kinds)):
        raise InvalidJob(f"limits has two of the same type: {value!r}. Keep one of each.")
    return list(value)
