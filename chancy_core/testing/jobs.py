"""The jobs of one test: looked at, run where the test runs, and gone with its transaction."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import datetime, timedelta
from typing import Any, Final, Self

from chancy_core.app import Chancy
from chancy_core.app.given import Ref, identifier_of
from chancy_core.app.handed import OWN
from chancy_core.app.reading import Pushable
from chancy_core.errors import ChancyError
from chancy_core.executors import Report
from chancy_core.testing import modes
from chancy_core.testing.bench import Bench
from chancy_core.testing.draining import AT_MOST, Await, Drain, Drained, RunJob, Steps
from chancy_core.testing.looking import Wanted, all_jobs, check_count, fitting, missed, unexpected
from chancy_core.testing.performing import job_to_perform, perform_steps
from chancy_core.testing.runs import Runs, through_asgiref
from chancy_core.testing.sides import Sides, here, sync_side
from chancy_core.testing.sole import SoleConnection
from chancy_core.testing.transactions import own_connection, spared
from chancy_core.values.queuedjob import QueuedJob

# How often it is looked whether another process has pushed something by now.
LOOK_EVERY_S: Final = 0.02


class Jobs:
    """The jobs of a test without asyncio.

    ```python
    with Jobs(chancy) as jobs:
        sign_up("ada@example.org")  # pushes a job
        jobs.assert_pushed(send_welcome, kwargs={"to": "ada@example.org"})
        jobs.drain()
    ```

    Inside the block, whatever this Chancy asks of the database goes to one connection, whoever asks, in whichever
    thread or event loop; so do the statements that claim jobs and record how they ended, and the hooks of its plugins.
    Nothing is run but what the test runs. On a connection in a transaction, nothing is left of all that once that is
    rolled back.

    Args:
        chancy: the Chancy of the application.
        connection: a connection of the test's own, on which all of it happens: of psycopg, an SQLAlchemy Session or
            Connection on psycopg, or Django's `connection`. By default one that is opened for the block, in a
            transaction that is rolled back at its end.
    """

    def __init__(self, chancy: Chancy, connection: Any = OWN) -> None:
        self.chancy: Final = chancy
        self._given = connection
        self._stack = ExitStack()
        self._sole: SoleConnection
        self._runs: Runs
        self._loop: asyncio.AbstractEventLoop | None = None
        self._busy = False

    def __enter__(self) -> Self:
        chancy = self.chancy
        # So that the schema is there, and plugins know that it is open.
        chancy.opening.ready_sync(makes=True)
        with ExitStack() as stack:
            given = stack.enter_context(own_connection(chancy)) if self._given is OWN else self._given
            self._sole = SoleConnection(given)
            self._runs = Runs(chancy)
            stack.enter_context(
                chancy.connections.lent(Sides(chancy, self._sole, self._waited), sync_side(chancy, self._sole))
            )
            stack.enter_context(modes.waiting(chancy, self._wait))
            stack.callback(self._end_loop)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *exception: object) -> None:
        self._stack.close()

    # -- looking ---------------------------------------------------------------------------

    def pushed(
        self,
        func: Any = None,
        *,
        kwargs: Mapping[str, Any] | None = None,
        meta: Mapping[str, Any] | None = None,
        **fields: Any,
    ) -> list[QueuedJob]:
        """The jobs that were pushed, live and finished, the oldest first.

        Args:
            func: the function, or its importable name; None: any.
            kwargs: what its arguments have, at least; dicts in it likewise. A value may be a function that says whether
                what is there fits: `kwargs={"amount": lambda amount: amount > 10}`.
            meta: what its meta has, at least.
            fields: other fields of the job: `queue`, `priority`, `max_attempts`, `unique_key`, `state`, `scheduled_at`,
                `expires_at`.

        Raises:
            InvalidJob: there is no such field, or it never has such a value.
        """
        return fitting(self._all(), Wanted(func, kwargs=kwargs, meta=meta, **fields))

    def assert_pushed(
        self,
        func: Any = None,
        *,
        kwargs: Mapping[str, Any] | None = None,
        meta: Mapping[str, Any] | None = None,
        count: int | None = None,
        within_s: float = 0.0,
        **fields: Any,
    ) -> QueuedJob:
        """Assert that such a job was pushed, as `pushed` has it. Returns the first one.

        Args:
            func: as for `pushed`.
            kwargs: as for `pushed`.
            meta: as for `pushed`.
            count: how many there are to be; None: at least one.
            within_s: for so many seconds another thread or process has time to push it.
            fields: as for `pushed`.

        Raises:
            InvalidJob: count is not a number from 1 on, or there is no such field, or it never has such a value.
            AssertionError: there is none, or another number; shows the jobs that came nearest, and what of each is
                another than is wanted.
        """
        __tracebackhide__ = True
        check_count(count)
        wanted = Wanted(func, kwargs=kwargs, meta=meta, **fields)
        until = time.monotonic() + within_s
        while True:
            jobs = self._all()
            found = fitting(jobs, wanted)
            if found and count in (None, len(found)):
                return found[0]
            if time.monotonic() >= until:
                raise AssertionError(missed(jobs, wanted, count, len(found)))
            time.sleep(LOOK_EVERY_S)

    def refute_pushed(
        self,
        func: Any = None,
        *,
        kwargs: Mapping[str, Any] | None = None,
        meta: Mapping[str, Any] | None = None,
        within_s: float = 0.0,
        **fields: Any,
    ) -> None:
        """Assert that no such job was pushed, as `pushed` has it; nor is, for so many seconds.

        Raises:
            AssertionError: there is one; shows it.
        """
        __tracebackhide__ = True
        wanted = Wanted(func, kwargs=kwargs, meta=meta, **fields)
        until = time.monotonic() + within_s
        while True:
            found = fitting(self._all(), wanted)
            if found:
                raise AssertionError(unexpected(found, wanted))
            if time.monotonic() >= until:
                return
            time.sleep(LOOK_EVERY_S)

    def _all(self) -> list[QueuedJob]:
        return self._sole.ask_sync(lambda: all_jobs(self.chancy))

    # -- running ---------------------------------------------------------------------------

    def drain(
        self,
        queue: str | None = None,
        *,
        until: datetime | timedelta | None = None,
        recursive: bool = True,
        raise_: bool = True,
        at_most: int = AT_MOST,
    ) -> Drained:
        """Run the jobs that wait, one after the other, until none waits any more.

        Plain functions run in the thread that calls this, coroutine functions on an event loop that it runs meanwhile.

        Args:
            queue: only of this queue.
            until: a moment, or how long from now: what is due by then is run as well, each when its time has come by
                the clock that the jobs see: retries, schedules, jobs that snooze. None: what is due now.
            recursive: False: not the jobs that are pushed by the jobs that are run.
            raise_: False: what a job raises stays in its `errors`, and what a plugin's hook raises in the log.
                Otherwise it is raised at the end of the drain, unless the job was tried again meanwhile, and succeeded.
            at_most: so many runs are enough: a job that pushes itself would go on for ever.

        Returns:
            How each run ended.

        Raises:
            UnknownQueue: nobody has declared that queue.
            Exception: what a job has raised. Its notes say which job that was.
            PluginError: a hook of a plugin failed.
        """
        drained: Drained = self._go(
            lambda bench: Drain(
                bench, queue=queue, until=until, recursive=recursive, raise_=raise_, at_most=at_most
            ).steps()
        )
        return drained

    def perform(
        self,
        job: Pushable | Callable[..., Any],
        *,
        kwargs: Mapping[str, Any] | None = None,
        queue: str | None = None,
        raise_: bool = True,
    ) -> QueuedJob:
        """Push one job and run it at once, whatever else waits: as a worker does, with what plugins put round it.

        Args:
            job: a job, or a function.
            kwargs: its arguments.
            queue: instead of its own.
            raise_: False: what it raises stays in its `errors`.

        Returns:
            The job as it is stored, with what became of its arguments and its result as JSON.

        Raises:
            Exception: what the job has raised.
        """
        reference = modes.only_push_sync(self.chancy, job_to_perform(job, kwargs, queue))
        error = self._go(lambda bench: perform_steps(self.chancy, bench, reference.identifier))
        if error is not None and raise_:
            raise error
        return reference.sync_get()

    def finish(self, job: Ref, result: Any = None, *, error: BaseException | None = None) -> QueuedJob:
        """End a job that waits, as if its function had run and returned `result`, or raised `error`; it is not called.

        What that means for the job is decided, recorded and told to plugins as ever: one with attempts left is retried.

        Args:
            job: the job: its reference, or its id.
            result: what the function is taken to have returned.
            error: what it is taken to have raised, instead.

        Returns:
            The job as it is stored then.
        """
        report = Report.returned(result) if error is None else Report.raised(error)
        identifier = identifier_of(job)
        self._go(lambda bench: perform_steps(self.chancy, bench, identifier, report))
        return self.chancy.reference(identifier).sync_get()

    @contextmanager
    def inline(self, *, raise_: bool = True) -> Iterator[None]:
        """For the length of the block, each push runs the job before it returns, and the jobs which that one pushes.

        Args:
            raise_: False: what a job raises stays in its `errors`. Otherwise the push raises it.
        """
        with modes.inline(self.chancy, lambda: self._drain_now(raise_=raise_), self._drain_soon):
            yield

    @contextmanager
    def manual(self) -> Iterator[None]:
        """For the length of the block, inside of `inline`, a push only pushes, as it does outside."""
        with modes.manual(self.chancy):
            yield

    def _drain_now(self, *, raise_: bool = True) -> None:
        # A job that is run just now has pushed it: it is the next.
        if not self._busy:
            self.drain(raise_=raise_)

    async def _drain_soon(self, now: Callable[[], None]) -> None:
        """Drain while an event loop runs in this thread: elsewhere."""
        if self._busy:
            return
        if through_asgiref(self._given) is not None:
            from asgiref.sync import sync_to_async  # noqa: PLC0415 -- it comes with Django

            await sync_to_async(now)()
        else:
            await asyncio.to_thread(now)

    def _wait(self, identifier: Any) -> QueuedJob:
        self._drain_now(raise_=False)
        return modes.ended(self.chancy.sync_get_job(identifier), identifier)

    async def _waited(self, identifier: Any) -> QueuedJob:
        await self._drain_soon(lambda: self._drain_now(raise_=False))
        return modes.ended(await self.chancy.get_job(identifier), identifier)

    # -- steps -----------------------------------------------------------------------------

    def _go(self, begin: Callable[[Bench], Steps]) -> Any:
        if here() is not None:
            raise ChancyError(
                "Jobs runs coroutine functions on an event loop of its own, and this thread runs one: use AsyncJobs "
                "with an async connection, or await asyncio.to_thread(jobs.drain)."
            )
        modes.check_not(busy=self._busy)
        # Which may refuse what it was asked.
        steps = begin(Bench(self.chancy, self._sole))
        self._busy = True
        try:
            step = next(steps)
            while True:
                try:
                    answer = self._awaited(step.call()) if isinstance(step, Await) else self._run(step)
                except BaseException as error:  # noqa: BLE001 -- the steps decide what it means
                    step = steps.throw(error)
                else:
                    step = steps.send(answer)
        except StopIteration as end:
            return end.value
        finally:
            self._busy = False

    def _awaited(self, call: Any) -> Any:
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
        return self._loop.run_until_complete(call)

    def _end_loop(self) -> None:
        loop, self._loop = self._loop, None
        if loop is not None:
            if here() is None:
                loop.run_until_complete(loop.shutdown_asyncgens())
            loop.close()

    def _run(self, step: RunJob) -> Report:
        awaiting: Callable[[Coroutine[Any, Any, Any]], Any] = through_asgiref(self._given) or self._awaited
        with self._sole.sync_connection() as connection, spared(connection, step.job, self._given):
            report = self._runs.run_here(step.job, step.queue, awaiting)
        if report.error is not None and isinstance(report.error.exception, KeyboardInterrupt):
            raise report.error.exception
        return report
