"""Jobs as they are described before they are pushed: pure, frozen, without I/O."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar, Final, Self

import msgspec
from msgspec.structs import asdict, astuple, force_setattr, replace

from chancy_core.errors import InvalidJob, nearest
from chancy_core.values.backoff import Backoff
from chancy_core.values.fields import (
    MAX_ATTEMPTS_MAX,
    PRIORITY_MAX,
    PRIORITY_MIN,
    OnConflict,
    UniqueWhile,
    as_builtin,
    check_func,
    check_moment,
    check_number,
    check_queue,
    check_text,
    copied_dict,
    exception_names,
    on_conflict,
    shown,
    unique_while,
)
from chancy_core.values.named import Named
from chancy_core.values.naming import name_of
from chancy_core.values.plainly import Plain
from chancy_core.values.raised import Raised, kinds_of
from chancy_core.values.ranges import LIMIT_VALUE, MAX_ATTEMPTS, PRIORITY
from chancy_core.values.typed import Json, json_word

_LIMIT_KEYS: Final = ("type", "value", "type_")


class _LimitType(StrEnum):
    MEMORY = "memory"
    TIME = "time"


class Limit(msgspec.Struct, frozen=True, metaclass=Named):
    """A bound on what one attempt of a job may use.

    Attributes:
        type_: `Limit.Type.MEMORY` or `Limit.Type.TIME`, or its word, `memory` or `time`.
        value: bytes for MEMORY, seconds for TIME; more than zero.

    An executor that cannot enforce a limit refuses the job instead of running it without.
    """

    Type: ClassVar[type[_LimitType]] = _LimitType
    refusal: ClassVar[type[InvalidJob]] = InvalidJob

    type_: _LimitType
    value: float

    def __post_init__(self) -> None:
        if not isinstance(self.type_, _LimitType):
            if self.type_ not in tuple(_LimitType):
                raise InvalidJob(
                    f"Limit type {shown(self.type_)} is unknown: use Limit.Type.MEMORY (bytes) or Limit.Type.TIME "
                    "(seconds), or their words, 'memory' and 'time'."
                )
            force_setattr(self, "type_", _LimitType(self.type_))
        if not LIMIT_VALUE.holds(self.value):
            unit = "bytes" if self.type_ is _LimitType.MEMORY else "seconds"
            raise InvalidJob(
                f"Limit {self.type_.value} is {shown(self.value)}: give a number of {unit} above zero, at most 2**53."
            )


class Job(Plain, frozen=True):
    """A unit of work that can be pushed. Immutable: the `with_…` methods return a changed copy.

    Attributes:
        func: the importable name of a function, `package.module.function`.
        queue: the queue it is pushed to, unless `push` names another.
        kwargs: the keyword arguments of the function; JSON values only.
        priority: **lower runs first**; within one priority, first in, first out.
        max_attempts: how often it may be started before it counts as failed.
        scheduled_at: not to be started before this moment, by the database's clock. Needs a time
            zone. None: as soon as possible.
        limits: what one attempt may use: `Limit` objects, or dicts such as `{"type": "memory", "value": 2**30}`.
        unique_key: at most one job with this key is scheduled, pending, running or retrying; see `unique_while`.
        meta: JSON values of your own that travel with the job.
        backoff: the wait between attempts. None: one second, doubling, with jitter.
        keep_result: whether the function's return value is kept with the finished job.
        expires_at: if it was not started before this moment, by the database's clock, it is cancelled instead. Needs
            a time zone. A job that has spent an attempt does not expire; one that snoozes, or was handed back, does.
        retry_on: retry only after these exceptions and their subclasses; classes, or their names, with or without
            the module. Empty: after any.
        give_up_on: never retry after these. Goes before `retry_on`.
        unique_while: how long a job holds its unique key. "live": until it has ended. "waiting": until it is started,
            so that one may wait while another runs. Keys of the two kinds know nothing of each other.
        on_conflict: what becomes of a push whose unique key is taken. "existing": nothing is stored, and its reference
            is that of the job that is there. "raise": `UniqueKeyTaken`. "replace": the job that is there gets the
            arguments and everything else of this one, if it waits; if it runs, `UniqueKeyTaken`.
        json: what `kwargs` and the result may be. "plain": what JSON has. "typed": dates, UUIDs, decimal numbers,
            dataclasses and the like too, written as JSON, and made again as the function annotates them.

    Raises:
        InvalidJob: a value out of its range, with the field and what would be right. The contents
            of `kwargs` and `meta` are checked when the job is pushed.
    """

    func: str
    queue: str = "default"
    kwargs: dict[str, Any] = {}  # noqa: RUF012 -- msgspec copies it
    priority: int = 0
    max_attempts: int = 1
    scheduled_at: datetime | None = None
    limits: list[Limit] = []  # noqa: RUF012
    unique_key: str | None = None
    meta: dict[str, Any] = {}  # noqa: RUF012
    backoff: Backoff | None = None
    keep_result: bool = True
    expires_at: datetime | None = None
    retry_on: tuple[str, ...] = ()
    give_up_on: tuple[str, ...] = ()
    unique_while: UniqueWhile = "live"
    on_conflict: OnConflict = "existing"
    json: Json = "plain"

    def __post_init__(self) -> None:
        if not (type(self.func) is type(self.queue) is str and type(self.priority) is type(self.max_attempts) is int):
            for field in ("func", "queue", "priority", "max_attempts"):
                force_setattr(self, field, as_builtin(getattr(self, field)))
        check_func(self.func)
        check_queue(self.queue)
        # Compared here, and checked there: nearly every number is good, and every pushed job comes by.
        if type(self.priority) is not int or not PRIORITY_MIN <= self.priority <= PRIORITY_MAX:
            check_number("priority", self.priority, PRIORITY)
        if type(self.max_attempts) is not int or not 1 <= self.max_attempts <= MAX_ATTEMPTS_MAX:
            check_number("max_attempts", self.max_attempts, MAX_ATTEMPTS)
        if self.keep_result is not True and self.keep_result is not False:
            raise InvalidJob(f"keep_result is {shown(self.keep_result)}: give True or False.")
        if self.backoff is not None and not isinstance(self.backoff, Backoff):
            raise InvalidJob(f"backoff is {shown(self.backoff)}: give a Backoff, such as Backoff.fixed(5).")
        check_moment("scheduled_at", self.scheduled_at)
        check_moment("expires_at", self.expires_at)
        if self.unique_key is not None:
            force_setattr(self, "unique_key", as_builtin(self.unique_key))
            check_text("unique_key", self.unique_key)
        if self.unique_while != "live" or self.on_conflict != "existing" or self.json != "plain":
            force_setattr(self, "unique_while", unique_while(self.unique_while))
            force_setattr(self, "on_conflict", on_conflict(self.on_conflict))
            force_setattr(self, "json", json_word(self.json))
        # The containers are copied, so that changing the caller's own later changes no job.
        force_setattr(self, "kwargs", copied_dict("kwargs", self.kwargs))
        force_setattr(self, "meta", copied_dict("meta", self.meta))
        force_setattr(self, "limits", _copied_limits(self.limits))
        if self.retry_on != () or self.give_up_on != ():
            force_setattr(self, "retry_on", exception_names("retry_on", self.retry_on))
            force_setattr(self, "give_up_on", exception_names("give_up_on", self.give_up_on))

    @classmethod
    def from_func(cls, func: Callable[..., Any] | str, **fields: Any) -> Job:
        """A job that calls `func`; the other fields by keyword, as for `Job(…)`, or else as `@job` has declared them.

        Given a name, it is `Job(func=name, …)`.

        Raises:
            InvalidJob: `func` cannot be imported by its name: a lambda, a function defined inside
                another, a method bound to an object, a partial; or its name leads to another object.
        """
        if isinstance(func, str):
            return job_with(func, fields)
        declared = getattr(func, "job", None)
        known = asdict(declared) if isinstance(declared, Job) else {}
        known.pop("func", None)
        return job_with(name_of(func), {**known, **fields}, ExactJob)

    def with_queue(self, queue: str) -> Self:
        """This job for another queue."""
        return replace(self, queue=queue)

    def with_kwargs(self, kwargs: Mapping[str, Any] | None = None, /, **more: Any) -> Self:
        """This job with these keyword arguments instead: a mapping, keywords, or both. See `with_more_kwargs`."""
        return replace(self, kwargs=_joined("kwargs", kwargs, more))

    def with_more_kwargs(self, kwargs: Mapping[str, Any] | None = None, /, **more: Any) -> Self:
        """This job with these keyword arguments beside those that it has; of one name, the new one counts."""
        return replace(self, kwargs={**self.kwargs, **_joined("kwargs", kwargs, more)})

    def with_priority(self, priority: int) -> Self:
        """This job with another priority; lower runs first."""
        return replace(self, priority=priority)

    def with_max_attempts(self, max_attempts: int) -> Self:
        """This job with another number of attempts, at least one."""
        return replace(self, max_attempts=max_attempts)

    def with_scheduled_at(self, scheduled_at: datetime | None) -> Self:
        """This job, not to be started before `scheduled_at` (with a time zone)."""
        return replace(self, scheduled_at=scheduled_at)

    def with_limits(self, limits: Sequence[Limit | Mapping[str, Any]]) -> Self:
        """This job with these limits instead."""
        return replace(self, limits=limits)

    def with_unique_key(
        self,
        unique_key: str | None,
        *,
        unique_while: UniqueWhile | None = None,
        on_conflict: OnConflict | None = None,
    ) -> Self:
        """This job with another unique key, or with none; `unique_while` and `on_conflict` stay, unless given."""
        changed: dict[str, Any] = {"unique_key": unique_key}
        if unique_while is not None:
            changed["unique_while"] = unique_while
        if on_conflict is not None:
            changed["on_conflict"] = on_conflict
        return replace(self, **changed)

    def with_on_conflict(self, on_conflict: OnConflict) -> Self:
        """This job, with this to become of its push if its unique key is taken."""
        return replace(self, on_conflict=on_conflict)

    def with_meta(self, meta: Mapping[str, Any] | None = None, /, **more: Any) -> Self:
        """This job with this meta instead: a mapping, keywords, or both. See `with_more_meta`."""
        return replace(self, meta=_joined("meta", meta, more))

    def with_more_meta(self, meta: Mapping[str, Any] | None = None, /, **more: Any) -> Self:
        """This job with this meta beside what it has; of one name, the new one counts."""
        return replace(self, meta={**self.meta, **_joined("meta", meta, more)})

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

    def as_is(self) -> Job:
        """This job, meant as it is: where it says nothing, nothing that `@job` says of its function is added.

        A job that was made from its function is meant so already. One that names it, `Job(func="app.mail.send")`, has
        what `@job` declares for each field that was left at its default.
        """
        return ExactJob(**asdict(self)) if type(self) is Job else self

    def with_json(self, json: Json) -> Self:
        """This job, its arguments and its result written so: "plain" or "typed"."""
        return replace(self, json=json)

    def retries(self, error: BaseException | Raised) -> bool:
        """Whether an attempt that raised `error` is to be followed by another, attempts permitting."""
        if not self.retry_on and not self.give_up_on:
            return True
        kinds = frozenset(error.kinds if isinstance(error, Raised) else kinds_of(type(error)))
        if not kinds.isdisjoint(self.give_up_on):
            return False
        return not self.retry_on or not kinds.isdisjoint(self.retry_on)


def job_with(func: str, fields: Mapping[str, Any], kind: type[Job] = Job) -> Job:
    """A job that calls `func`. Raises InvalidJob, also for fields that no job has."""
    try:
        return kind(func, **fields)
    except TypeError:
        for name in fields:
            if name not in Job.__struct_fields__:
                hint = nearest(name, Job.__struct_fields__)
                raise InvalidJob(
                    f"{name} is no field of a job.{hint} What the function is to be called with goes into kwargs={{…}}."
                ) from None
        raise


def _joined(field: str, given: Mapping[str, Any] | None, more: dict[str, Any]) -> dict[str, Any]:
    return {**copied_dict(field, given), **more}


class ExactJob(Job, frozen=True):
    """A job that is meant as it is: it was made from its function, and so from what `@job` says of that.

    In everything else it is a `Job`, and equal to one with the same fields.
    """

    def __eq__(self, other: object) -> bool:
        if type(other) is not Job and type(other) is not ExactJob:
            return NotImplemented
        return astuple(self) == astuple(other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = Job.__hash__


def _copied_limits(value: object) -> list[Limit]:
    if not value and (value is None or isinstance(value, list | tuple)):
        return []
    if not isinstance(value, list | tuple) or not all(isinstance(item, Limit | Mapping) for item in value):
        raise InvalidJob(
            f"limits is {shown(value)}: give a list of Limit(Limit.Type.…, value), or of "
            '{"type": "memory" or "time", "value": number}.'
        )
    value = [item if isinstance(item, Limit) else _limit(place, item) for place, item in enumerate(value)]
    kinds = [limit.type_ for limit in value]
    if len(kinds) != len(set(kinds)):
        raise InvalidJob(f"limits has two of the same type: {shown(value)}. Keep one of each.")
    return value


def _limit(place: int, given: Mapping[Any, Any]) -> Limit:
    """The limit in a dict, as configuration files and JSON have it; `type_` is the field's name in Python."""
    where = f"limits[{place}]"
    for key in given:
        if key not in _LIMIT_KEYS:
            raise InvalidJob(f"{where}.{key} is unknown.{nearest(str(key), _LIMIT_KEYS[:2])}")
    kinds = [given[key] for key in ("type", "type_") if key in given]
    if len(kinds) != 1 or "value" not in given:
        raise InvalidJob(
            f"{where} is {shown(dict(given))}: give its type, 'memory' or 'time', and its value, in bytes or seconds."
        )
    try:
        return Limit(kinds[0], given["value"])
    except InvalidJob as error:
        raise InvalidJob(f"{where}: {error}") from None
