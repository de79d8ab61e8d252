"""`AsyncJobs`: the jobs of a test with asyncio. `Jobs` has what is to be said of each method."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AsyncExitStack, contextmanager
from datetime import datetime, timedelta
from typing import Any, Final, Self

from chancy_core.app import Chancy
from chancy_core.app.given import Ref, identifier_of
from chancy_core.app.handed import OWN
from chancy_core.app.reading import Pushable
from chancy_core.executors import Report
from chancy_core.testing import modes
from chancy_core.testing.bench import Bench
from chancy_core.testing.draining import AT_MOST, Await, Drain, Drained, RunJob, Steps
from chancy_core.testing.jobs import LOOK_EVERY_S
from chancy_core.testing.looking import Wanted, all_jobs, check_count, fitting, missed, unexpected
from chancy_core.testing.performing import job_to_perform, perform_steps
from chancy_core.testing.runs import Runs
from chancy_core.testing.sides import Sides, sync_side
from chancy_core.testing.sole import SoleAsyncConnection
from chancy_core.testing.transactions import async_spared, own_async_connection
from chancy_core.values.queuedjob import QueuedJob


class AsyncJobs:
    """The jobs of a test with asyncio.

    ```python
    async with AsyncJobs(chancy) as jobs:
        await sign_up("ada@example.org")  # pushes a job
        await jobs.assert_pushed(send_welcome, kwargs={"to": "ada@example.org"})
        await jobs.drain()
    ```

    As `Jobs`, for a connection with asyncio. Coroutine functions run on the event loop of the test, plain functions in
    a thread while the test waits.

    Args:
        chancy: the Chancy of the application.
        connection: a connection of the test's own: an `AsyncConnection` of psycopg, an `AsyncSession` or
            `AsyncConnection` of SQLAlchemy on psycopg. By default one that is opened for the block, in a transaction
            that is rolled back at its end.
    """

    def __init__(self, chancy: Chancy, connection: Any = OWN) -> None:
        self.chancy: Final = chancy
        self._given = connection
        self._stack = AsyncExitStack()
        self._sole: SoleAsyncConnection
        self._runs: Runs
        self._busy = False

    async def __aenter__(self) -> Self:
        chancy = self.chancy
        await chancy.opening.ready(makes=True)
        async with AsyncExitStack() as stack:
            given = await stack.enter_async_context(own_async_connection(chancy)) if self._given is OWN else self._given
            self._sole = SoleAsyncConnection(given)
            self._runs = Runs(chancy)
            stack.enter_context(
                chancy.connections.lent(Sides(chancy, self._sole, self._waited), sync_side(chancy, self._sole))
            )
            stack.enter_context(modes.waiting(chancy, self._wait))
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self._stack.aclose()

    # -- looking ---------------------------------------------------------------------------

    async def pushed(
        self,
        func: Any = None,
        *,
        kwargs: Mapping[str, Any] | None = None,
        meta: Mapping[str, Any] | None = None,
        **fields: Any,
    ) -> list[QueuedJob]:
        """As `Jobs.pushed`."""
        return fitting(await self._all(), Wanted(func, kwargs=kwargs, meta=meta, **fields))

    async def assert_pushed(
        self,
        func: Any = None,
        *,
        kwargs: Mapping[str, Any] | None = None,
        meta: Mapping[str, Any] | None = None,
        count: int | None = None,
        within_s: float = 0.0,
        **fields: Any,
    ) -> QueuedJob:
        """As `Jobs.assert_pushed`."""
        __tracebackhide__ = True
        check_count(count)
        wanted = Wanted(func, kwargs=kwargs, meta=meta, **fields)
        until = time.monotonic() + within_s
        while True:
            jobs = await self._all()
            found = fitting(jobs, wanted)
            if found and count in (None, len(found)):
                return found[0]
            if time.monotonic() >= until:
                raise AssertionError(missed(jobs, wanted, count, len(found)))
            await asyncio.sleep(LOOK_EVERY_S)

    async def refute_pushed(
        self,
        func: Any = None,
        *,
        kwargs: Mapping[str, Any] | None = None,
        meta: Mapping[str, Any] | None = None,
        within_s: float = 0.0,
        **fields: Any,
    ) -> None:
        """As `Jobs.refute_pushed`."""
        __tracebackhide__ = True
        wanted = Wanted(func, kwargs=kwargs, meta=meta, **fields)
        until = time.monotonic() + within_s
        while True:
            found = fitting(await self._all(), wanted)
            if found:
                raise AssertionError(unexpected(found, wanted))
            if time.monotonic() >= until:
                return
            await asyncio.sleep(LOOK_EVERY_S)

    async def _all(self) -> list[QueuedJob]:
        return await self._sole.ask(lambda: all_jobs(self.chancy))

    # -- running ---------------------------------------------------------------------------

    async def drain(
        self,
        queue: str | None = None,
        *,
        until: datetime | timedelta | None = None,
        recursive: bool = True,
        raise_: bool = True,
        at_most: int = AT_MOST,
    ) -> Drained:
        """As `Jobs.drain`."""
        drained: Drained = await self._go(
            lambda bench: Drain(
                bench, queue=queue, until=until, recursive=recursive, raise_=raise_, at_most=at_most
            ).steps()
        )
        return drained

    async def perform(
        self,
        job: Pushable | Callable[..., Any],
        *,
        kwargs: Mapping[str, Any] | None = None,
        queue: str | None = None,
        raise_: bool = True,
    ) -> QueuedJob:
        """As `Jobs.perform`."""
        reference = await modes.only_push(self.chancy, job_to_perform(job, kwargs, queue))
        error = await self._go(lambda bench: perform_steps(self.chancy, bench, reference.identifier))
        if error is not None and raise_:
            raise error
        return await reference.get()

    async def finish(self, job: Ref, result: Any = None, *, error: BaseException | None = None) -> QueuedJob:
        """As `Jobs.finish`."""
        report = Report.returned(result) if error is None else Report.raised(error)
        identifier = identifier_of(job)
        await self._go(lambda bench: perform_steps(self.chancy, bench, identifier, report))
        return await self.chancy.reference(identifier).get()

    @contextmanager
    def inline(self, *, raise_: bool = True) -> Iterator[None]:
        """As `Jobs.inline`. Pushes without asyncio, in threads, run their jobs as well."""
        with modes.inline(
            self.chancy,
            lambda: self._drain_elsewhere(raise_=raise_),
            lambda _: self._drain_now(raise_=raise_),
        ):
            yield

    @contextmanager
    def manual(self) -> Iterator[None]:
        """As `Jobs.manual`."""
        with modes.manual(self.chancy):
            yield

    async def _drain_now(self, *, raise_: bool = True) -> None:
        # A job that is run just now has pushed it: it is the next.
        if not self._busy:
            await self.drain(raise_=raise_)

    def _drain_elsewhere(self, *, raise_: bool) -> None:
        if not self._busy:
            self._sole.wait_for(lambda: self._drain_now(raise_=raise_))

    def _wait(self, identifier: Any) -> QueuedJob:
        self._drain_elsewhere(raise_=False)
        return modes.ended(self.chancy.sync_get_job(identifier), identifier)

    async def _waited(self, identifier: Any) -> QueuedJob:
        await self._drain_now(raise_=False)
        return modes.ended(await self.chancy.get_job(identifier), identifier)

    # -- steps -----------------------------------------------------------------------------

    async def _go(self, begin: Callable[[Bench], Steps]) -> Any:
        modes.check_not(busy=self._busy)
        # Which may refuse what it was asked.
        steps = begin(Bench(self.chancy, self._sole))
        self._busy = True
        try:
            step = next(steps)
            while True:
                try:
                    answer = await (step.call() if isinstance(step, Await) else self._run(step))
                except BaseException as error:  # noqa: BLE001 -- the steps decide what it means
                    step = steps.throw(error)
                else:
                    step = steps.send(answer)
        except StopIteration as end:
            return end.value
        finally:
            self._busy = False

    async def _run(self, step: RunJob) -> Report:
        async with self._sole.connection() as connection, async_spared(connection, step.job):
            return await self._runs.run_on_loop(step.job, step.queue)
