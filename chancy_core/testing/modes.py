"""What a push and a wait do in a test. A Chancy has these as attributes of its own for that long."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Final

from chancy_core.app import Chancy
from chancy_core.app.given import identifier_of
from chancy_core.app.reference import Reference, missing
from chancy_core.errors import ChancyError, WaitTimeout
from chancy_core.values.job import Job
from chancy_core.values.queuedjob import QueuedJob

PUSHES: Final = ("push", "push_many")


@contextmanager
def inline(
    chancy: Chancy, run: Callable[[], None], run_soon: Callable[[Callable[[], None]], Awaitable[None]]
) -> Iterator[None]:
    """Each push runs what was pushed before it returns.

    Args:
        chancy: whose pushes.
        run: runs it, from code without asyncio.
        run_soon: is given that, and awaited where an event loop runs.
    """
    with ExitStack() as stack:
        for name in PUSHES:
            stack.enter_context(_instead(chancy, f"sync_{name}", _sync_face(chancy, f"sync_{name}", run)))
            stack.enter_context(_instead(chancy, name, _face(chancy, name, run, run_soon)))
        yield


@contextmanager
def manual(chancy: Chancy) -> Iterator[None]:
    """A push only pushes."""
    with ExitStack() as stack:
        for name in PUSHES:
            for face in (name, f"sync_{name}"):
                stack.enter_context(_instead(chancy, face, getattr(type(chancy), face).__get__(chancy)))
        yield


def only_push_sync(chancy: Chancy, job: Job) -> Reference:
    """Push, and run nothing. Without asyncio."""
    return type(chancy).sync_push(chancy, job)


async def only_push(chancy: Chancy, job: Job) -> Reference:
    """Push, and run nothing."""
    return await type(chancy).push(chancy, job)


def check_not(*, busy: bool) -> None:
    """Raise ChancyError if jobs of this test are being run."""
    if busy:
        raise ChancyError(
            "A job cannot run the other jobs of its test: drain() and perform() are for the test, and run what the job "
            "has pushed when it has ended."
        )


@contextmanager
def waiting(chancy: Chancy, wait: Callable[[uuid.UUID], QueuedJob]) -> Iterator[None]:
    """Waiting for a job without asyncio runs what waits to be run: nobody else would."""

    def wait_for_job(ref: Any, *, timeout: float | None = None) -> QueuedJob:  # noqa: ARG001 -- it takes what it takes
        return wait(identifier_of(ref))

    with _instead(chancy, "sync_wait_for_job", wait_for_job):
        yield


def ended(job: QueuedJob | None, identifier: Any) -> QueuedJob:
    """The job, if it has finished. Raises WaitTimeout, JobNotFound."""
    if job is None:
        raise missing(identifier_of(identifier))
    if not job.state.finished:
        raise WaitTimeout(
            f"The job {job.func} ({job.id}) is {job.state}, and in a test nobody runs it but the test: "
            + ("drain(until=…) goes on to when it is due." if job.scheduled_at else "is its queue paused?")
        )
    return job


def _face(
    chancy: Chancy, name: str, run: Callable[[], None], run_soon: Callable[[Callable[[], None]], Awaitable[None]]
) -> Any:
    push = getattr(type(chancy), name).__get__(chancy)

    async def pushed(*args: Any, **kwargs: Any) -> Any:
        found = await push(*args, **kwargs)
        await run_soon(run)
        return found

    return pushed


def _sync_face(chancy: Chancy, name: str, run: Callable[[], None]) -> Any:
    push = getattr(type(chancy), name).__get__(chancy)

    def pushed(*args: Any, **kwargs: Any) -> Any:
        found = push(*args, **kwargs)
        run()
        return found

    return pushed


@contextmanager
def _instead(chancy: Chancy, name: str, method: Any) -> Iterator[None]:
    """For the length of the block, an object has another method than its class."""
    own = vars(chancy)
    before = own.get(name)
    own[name] = method
    try:
        yield
    finally:
        if before is None:
            del own[name]
        else:
            own[name] = before
