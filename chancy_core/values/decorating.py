"""Functions that carry a job: the decorator `@job`."""

from __future__ import annotations

from collections.abc import Callable
from types import FunctionType, MethodType
from typing import Any, Final, Generic, ParamSpec, Protocol, TypeVar, cast, overload
from weakref import WeakSet

from msgspec.structs import replace

from chancy_core.errors import InvalidJob
from chancy_core.values.fields import shown
from chancy_core.values.job import ExactJob, Job, job_with
from chancy_core.values.naming import check_leads_back, importable_name, name_of

P = ParamSpec("P")
R_co = TypeVar("R_co", covariant=True)


class JobFunction(Protocol, Generic[P, R_co]):
    """A function decorated with `@job`: called as before, pushed through its `.job`."""

    job: Job

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R_co:
        """Call the function itself."""
        ...


@overload
def job(func: Callable[P, R_co], /) -> JobFunction[P, R_co]: ...


@overload
def job(**fields: Any) -> Callable[[Callable[P, R_co]], JobFunction[P, R_co]]: ...


def job(func: Callable[..., Any] | None = None, /, **fields: Any) -> Any:
    """Give a function a `.job`, with these fields of `Job`; the function itself stays as it is.

    Without fields the parentheses may be left out: `@job`.

    ```python
    @job(queue="mail", max_attempts=5)
    async def send(*, to: str) -> None: ...

    await chancy.push(send.job.with_kwargs(to="alice@example.org"))
    ```

    Raises:
        InvalidJob: as `Job.from_func`.
    """

    def decorate(func: Callable[P, R_co], stacklevel: int = 3) -> JobFunction[P, R_co]:
        decorated = cast("JobFunction[P, R_co]", func)
        decorated.job = job_with(importable_name(func, stacklevel), fields, ExactJob)
        return decorated

    # Without parentheses there is one frame more between a warning and the line that it is about.
    return decorate if func is None else decorate(func, 4)


# Functions whose names have been looked at: once each, because any of them may be pushed a million times.
_led_back: Final[WeakSet[FunctionType]] = WeakSet()


def _check_leads_back(func: FunctionType) -> None:
    """Raise InvalidJob if a worker would find another object under the name of a decorated function.

    When it was decorated, it had not got its name yet, which another one may have taken since.
    """
    if func not in _led_back:
        check_leads_back(func)
        _led_back.add(func)


def as_job(value: Any) -> Job:
    """The `Job` in `value`: a Job itself, or a function decorated with `@job`.

    Raises:
        InvalidJob: it is neither, or a method bound to an object.
    """
    if isinstance(value, Job):
        return value
    found = getattr(value, "job", None)
    if isinstance(found, Job):
        if isinstance(value, FunctionType) and found.func == f"{value.__module__}.{value.__qualname__}":
            _check_leads_back(value)
        # A class method has the job of its function, which knows nothing of the class that it is called on.
        return found if not isinstance(value, MethodType) else replace(found, func=name_of(value))
    hint = (
        " Decorate the function with @job(), or push Job.from_func(function)."
        if callable(value)
        else " Push a Job, or a function decorated with @job()."
    )
    raise InvalidJob(f"{shown(value)} is not a job.{hint}")
