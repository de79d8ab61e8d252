"""What a job may know about its own run."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar, overload

from msgspec import UNSET
from msgspec.structs import asdict

from chancy_core.errors import NotOpen
from chancy_core.executors.application import NOBODY_S
from chancy_core.executors.control import Control
from chancy_core.executors.keeping import steps_of
from chancy_core.values.fields import OnConflict
from chancy_core.values.queuedjob import Progress, QueuedJob
from chancy_core.values.ranges import LATEST

if TYPE_CHECKING:
    from chancy_core.app import Chancy
    from chancy_core.app.reading import Pushable, PushesItself
    from chancy_core.app.reference import Reference

T = TypeVar("T")
R = TypeVar("R")


class Reporter(Progress, frozen=True, kw_only=True):
    """How far the job was when it was claimed; called, it tells how far it is now: `progress(0.4, "parsed")`."""

    control: Control

    def __call__(self, fraction: float, note: str | None = None) -> None:
        """Tell how far the run is; seen in the `progress` of its job. Cheap: stored at most twice a second.

        Args:
            fraction: from 0 to 1.
            note: a few words, at most 500 characters.

        Raises:
            InvalidJob: `fraction` is out of range.
        """
        self.control.progress(fraction, note)


class JobContext(QueuedJob, frozen=True, kw_only=True):
    """The job that runs, as its function receives it: a `QueuedJob`, and the line to its worker.

    A function gets it by a keyword-only parameter annotated `JobContext` (or `QueuedJob`):

    ```python
    def encode(*, path: str, context: JobContext) -> None:
        for n, frame in enumerate(frames := read(path)):
            context.checkpoint()
            context.progress(n / len(frames), "encoding")
    ```

    What the function puts into `meta` is kept with the job, however the function ends: by returning, raising, or being
    stopped; not if it is killed, or given up by its worker. It must be JSON, and no larger than `payload_limit_bytes`.

    `await context.push(job)`, or `context.sync_push(job)` in plain functions, pushes another job, and
    `context.chancy` is for whatever else a job asks. With `chancy-workflow`, `await context.step("charge", charge,
    order)` is done once, however often the job is tried.

    Attributes:
        progress: call it to tell how far the run is: `context.progress(0.4, "parsed")`. See `Reporter`.
    """

    progress: Reporter

    @property
    def attempt(self) -> int:
        """Which attempt this is, counted from one."""
        return self.attempts

    @property
    def deadline(self) -> datetime | None:
        """When the run's time limit is over, by this machine's clock; None without one."""
        remaining_s = self.remaining_s
        if remaining_s is None:
            return None
        # A limit may end after the last moment there is.
        most_s = (LATEST - datetime.now(UTC)).total_seconds()
        return datetime.now(UTC) + timedelta(seconds=min(remaining_s, most_s))

    @property
    def remaining_s(self) -> float | None:
        """Seconds until the time limit is over, never below zero; None without one."""
        control = self.progress.control
        return None if control.limit_s is None else max(control.limit_s - control.used_s, 0.0)

    def checkpoint(self) -> None:
        """A place where the job may be stopped: raises if it was cancelled, or is over its time limit.

        Plain functions in threads cannot be stopped anywhere else.

        Raises:
            JobStopped: it was cancelled, or its worker stops. Not an `Exception`, so that `except Exception` in
                the job does not swallow it; clean up with `finally`.
            TimeLimitExceeded: its time limit is over.
        """
        self.progress.control.checkpoint()

    @property
    def chancy(self) -> Chancy:
        """The Chancy of the worker, for whatever a job asks of it; it opens itself where it is not open.

        A job in a child process has one of its own, with the same settings and plugins, which is made when the first
        job asks for it, and closed when the child ends.

        Raises:
            NotOpen: whoever runs this job has none.
            PluginError: a plugin that was given to the worker's by hand cannot be sent to a child process.
        """
        application = self.progress.control.application
        if application is None:
            raise NotOpen(NOBODY_S)
        found: Chancy = application()
        return found

    @overload
    async def push(
        self,
        queue: str | Pushable | None = None,
        job: Pushable | None = None,
        *,
        connection: Any = UNSET,
        on_conflict: OnConflict | None = None,
    ) -> Reference: ...
    @overload
    async def push(self, queue: PushesItself[R], *, connection: Any = UNSET) -> R: ...
    async def push(
        self,
        queue: Any = None,
        job: Pushable | None = None,
        *,
        connection: Any = UNSET,
        on_conflict: OnConflict | None = None,
    ) -> Any:
        """Push another job, as `Chancy.push` does: `await context.push(job)`, `await context.push("mail", job)`."""
        return await self.chancy.push(queue, job, connection=connection, on_conflict=on_conflict)

    @overload
    def sync_push(
        self,
        queue: str | Pushable | None = None,
        job: Pushable | None = None,
        *,
        connection: Any = UNSET,
        on_conflict: OnConflict | None = None,
    ) -> Reference: ...
    @overload
    def sync_push(self, queue: PushesItself[R], *, connection: Any = UNSET) -> R: ...
    def sync_push(
        self,
        queue: Any = None,
        job: Pushable | None = None,
        *,
        connection: Any = UNSET,
        on_conflict: OnConflict | None = None,
    ) -> Any:
        """As `push`, for plain functions."""
        return self.chancy.sync_push(queue, job, connection=connection, on_conflict=on_conflict)

    async def step(
        self,
        name: str,
        function: Callable[..., Awaitable[Any] | Any],
        *args: Any,
        connection: Any = UNSET,
        **kwargs: Any,
    ) -> Any:
        """What `function(*args, **kwargs)` returned in the first attempt in which it did; else call it, and keep that.

        So an attempt that comes after one which has failed does not do again what that one did: it needs a plugin
        that keeps it, such as `chancy-workflow`.

        Args:
            name: unique in the job.
            function: a coroutine function, or a plain one that does not block.
            args: its arguments.
            connection: a connection of your own, as for `push`: the value is kept if and only if its transaction
                commits, together with what the function has written there.
            kwargs: its arguments by name.

        Returns:
            The value as JSON gives it back, in the first attempt too.

        Raises:
            PluginError: no plugin keeps anything here.
        """
        return await steps_of(self).step(name, function, *args, connection=connection, **kwargs)

    def sync_step(
        self, name: str, function: Callable[..., Any], *args: Any, connection: Any = UNSET, **kwargs: Any
    ) -> Any:
        """As `step`, for plain functions."""
        return steps_of(self).sync_step(name, function, *args, connection=connection, **kwargs)

    def each(self, name: str, items: Iterable[T]) -> AsyncIterator[T]:
        """The items that no attempt has been through yet: `async for page in context.each("pages", pages)`.

        How far the loop is, is kept whenever it asks for the next item.

        Args:
            name: unique in the job.
            items: the same ones in each attempt, in the same order; more may have come behind them.

        Raises:
            PluginError: no plugin keeps anything here.
        """
        return steps_of(self).each(name, items)

    def sync_each(self, name: str, items: Iterable[T]) -> Iterator[T]:
        """As `each`, for plain functions: `for page in context.sync_each("pages", pages)`."""
        return steps_of(self).sync_each(name, items)

    @property
    def log(self) -> Any:
        """A structlog logger with the job's id, function, queue and attempt bound to it."""
        import structlog  # noqa: PLC0415 -- few jobs write to it, and it brings much along: see chancy_core.log

        return structlog.get_logger("chancy.job").bind(
            job=str(self.id), func=self.func, queue=self.queue, attempt=self.attempts
        )


def context_of(job: QueuedJob, control: Control) -> JobContext:
    """The context of a run of `job`; its `meta` is a copy."""
    known = job.progress or Progress(0.0)
    fields = asdict(job)
    fields["meta"] = dict(job.meta)
    fields["progress"] = Reporter(known.fraction, known.note, control=control)
    return JobContext(**fields)
