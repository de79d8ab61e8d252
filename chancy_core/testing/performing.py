"""Run one job, and nothing else; and what a job's function is given, made by hand."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from msgspec.structs import asdict, replace

from chancy_core.app.reading import Pushable
from chancy_core.app.reference import missing
from chancy_core.errors import ChancyError
from chancy_core.executors import JobContext, Report
from chancy_core.executors.context import context_of
from chancy_core.executors.control import Control, time_limit_s
from chancy_core.store.ids import new_id
from chancy_core.testing.bench import Bench
from chancy_core.testing.draining import Await, RunJob, Steps
from chancy_core.values.decorating import as_job
from chancy_core.values.job import Job
from chancy_core.values.known import job_of
from chancy_core.values.queuedjob import Progress, QueuedJob, State
from chancy_core.worker.deciding import decide
from chancy_core.worker.floors import Ranges

if TYPE_CHECKING:
    from chancy_core.app import Chancy


def job_to_perform(
    job: Pushable | Callable[..., Any], kwargs: Mapping[str, Any] | None = None, queue: str | None = None
) -> Job:
    """The job to be performed, at once. Raises InvalidJob."""
    made = as_job(job) if isinstance(job, Job) or job_of(job) is not None else Job.from_func(job)
    if kwargs is not None:
        made = made.with_kwargs(**kwargs)
    if queue is not None:
        made = made.with_queue(queue)
    # Its time has come.
    return replace(made, scheduled_at=None) if made.scheduled_at is not None else made


def perform_steps(chancy: Chancy, bench: Bench, id_: uuid.UUID, instead: Report | None = None) -> Steps:
    """Run that one job, which has been pushed, whatever else waits. Returns what it raised, or None.

    Args:
        chancy: whose job it is.
        bench: claims and records.
        id_: the job.
        instead: what its run is taken to have come to, which then does not take place.
    """
    job: QueuedJob | None = yield Await(lambda: chancy.get_job(id_))
    if job is None:
        raise missing(id_)
    queue = yield Await(lambda: chancy.get_queue(job.queue))
    yield Await(bench.start)
    try:
        due = job.scheduled_at
        if due is not None and due > bench.clock.now:
            yield Await(lambda: bench.move_clock(due))
            while (yield Await(bench.look_after)):
                pass
        # From just below it on.
        ranges = Ranges([job.priority], [job.priority], [uuid.UUID(int=id_.int - 1)])
        jobs, _ = yield Await(lambda: bench.claim(queue, 1, ranges))
        if not jobs or jobs[0].id != id_:
            raise ChancyError(
                f"The job {job.func} ({id_}) is {job.state}, and cannot be claimed from the queue {queue.name!r}: is "
                "that paused, is a limit of it used up, or was another job with the same unique key there?"
            )
        report: Report = (yield RunJob(jobs[0], queue)) if instead is None else instead
        error = None if report.error is None else report.error.exception
        outcome = decide(jobs[0], report, None, bench.policy)
        yield Await(lambda: bench.record([outcome]))
    finally:
        yield Await(bench.stop)
    return error if outcome.error is not None or outcome.unrunnable else None


def job_context(
    job: Pushable | Callable[..., Any] | None = None,
    *,
    kwargs: Mapping[str, Any] | None = None,
    chancy: Chancy | None = None,
    told: list[Progress] | None = None,
    stopped: str | None = None,
    **fields: Any,
) -> JobContext:
    """A `JobContext`, for calling a job's function by hand: `encode(path="a.mp4", context=job_context())`.

    Args:
        job: the job, or its function; None: any.
        kwargs: its arguments.
        chancy: what `context.chancy` is, and whom `context.push` pushes with. None: it has none.
        told: a list to which each progress that the function tells is added.
        stopped: the reason for which the next `checkpoint` raises `JobStopped`. None: it is not to stop.
        fields: other fields of the `QueuedJob`, such as `attempts=2`, `meta={…}`, `limits=[…]`.

    Raises:
        InvalidJob: a field has a value that it cannot have.
    """
    made = Job(func="test.function") if job is None else job_to_perform(job)
    if kwargs is not None:
        made = made.with_kwargs(**kwargs)
    now = datetime.now(UTC)
    known = {
        "id": uuid.UUID(new_id()),
        "state": State.RUNNING,
        "attempts": 1,
        "claims": 1,
        "created_at": now,
        "started_at": now,
        "worker": "test",
    }
    queued = QueuedJob(**{**asdict(made), **known, **fields})
    control = Control(None if told is None else told.append, time_limit_s(queued))
    control.begin()
    if stopped is not None:
        control.stop(stopped)
    if chancy is not None:
        control.application = lambda: chancy
    return context_of(queued, control)
