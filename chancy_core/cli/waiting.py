"""`chancy push --wait`: waits, and says what for, so that nobody looks at a silent terminal for an hour."""

from __future__ import annotations

from time import monotonic
from typing import Final

import click

from chancy_core.app import Chancy
from chancy_core.app.reference import Reference
from chancy_core.errors import UnknownQueue, WaitTimeout
from chancy_core.values.queue import Queue, QueueState
from chancy_core.values.queuedjob import QueuedJob, State
from chancy_core.values.tags import EVERYTHING
from chancy_core.values.workerinfo import UnableStatus, WorkerInfo

# A job that takes longer deserves a word; what has not changed since is not said again.
SAYS_AFTER_S: Final = 5.0
# How `push --wait` exits unless the job has succeeded. 1 and 2 are errors of the command itself, 3 to 6 belong to
# `chancy worker`, 130 is Ctrl-C: a number means one thing, whatever the command.
EXIT_CODES: Final = {State.FAILED: 7, State.CANCELLED: 8}
TIMED_OUT: Final = 9
# So many workers are named.
NAMED_MAX: Final = 3


def wait(chancy: Chancy, reference: Reference, *, timeout_s: float | None = None) -> QueuedJob:
    """The finished job. Every few seconds, what it waits for is written to stderr, if that has changed.

    Args:
        chancy: where the job is.
        reference: the job.
        timeout_s: seconds to wait at most; None: as long as it takes.

    Raises:
        WaitTimeout: it has not finished by then; says what it waits for. It goes on.
        JobNotFound: there is no such job.
    """
    ends_at = None if timeout_s is None else monotonic() + timeout_s
    said = ""
    while True:
        left_s = None if ends_at is None else max(ends_at - monotonic(), 0.0)
        try:
            return reference.sync_wait(timeout=SAYS_AFTER_S if left_s is None else min(SAYS_AFTER_S, left_s))
        except WaitTimeout:
            found = reference.sync_get()
        if found.state.finished:
            return found
        before, said = said, why(chancy, found)
        if ends_at is not None and monotonic() >= ends_at:
            raise WaitTimeout(
                f"Job {reference} has not finished within {timeout_s:g} s, and goes on. {said} "
                f"To look at it later: chancy job {reference}"
            )
        if said != before:
            click.echo(said, err=True)


def why(chancy: Chancy, job: QueuedJob) -> str:
    """Why a job has not finished yet, in a sentence."""
    if job.state is State.RUNNING:
        return f"It runs on worker {job.worker}."
    if job.state is not State.PENDING:
        return f"It is {job.state.value} until {job.scheduled_at:%Y-%m-%d %H:%M:%S %Z}."
    try:
        return f"It is pending: {_why_pending(chancy, chancy.sync_get_queue(job.queue), job.func)}"
    except UnknownQueue:
        return f"It is pending: its queue {job.queue!r} was deleted. To declare it: chancy queue declare {job.queue}"


def _why_pending(chancy: Chancy, queue: Queue, func: str) -> str:
    if queue.state is QueueState.PAUSED:
        return f"its queue {queue.name!r} is paused. To go on: chancy queue resume {queue.name}"
    serving = [worker for worker in chancy.sync_get_workers() if worker.alive and worker.serves(queue)]
    if not serving:
        tagged = "" if EVERYTHING in queue.tags else f", with a tag that matches {' or '.join(map(repr, queue.tags))}"
        return (
            f"no worker that lives serves its queue {queue.name!r}. Start one, chancy worker{tagged}, or look "
            "into the log of the one that should, for why it has ended or does not start."
        )
    names = _names(serving)
    about = (queue.name, func)
    problems = [one.problem for worker in serving for one in _unable(worker) if (one.queue, one.func) == about]
    if len(problems) == len(serving):
        return f"{names} cannot run {func}, and leaves it to a worker that can: {problems[0]}"
    return (
        f"its queue {queue.name!r} is served by {names}, and nobody has taken it yet: all slots are in use, limits of "
        "the queue allow no more, or the log of these workers says what keeps them from it."
    )


def _unable(worker: WorkerInfo) -> list[UnableStatus]:
    return [] if worker.status is None else worker.status.unable


def _names(workers: list[WorkerInfo]) -> str:
    return ", ".join(worker.name for worker in workers[:NAMED_MAX]) + (", …" if len(workers) > NAMED_MAX else "")
