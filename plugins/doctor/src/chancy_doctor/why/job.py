"""Why a job does not run now."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from chancy import QueuedJob, State
from chancy_doctor.look import TOLD, Look, shown_s, workers_of
from chancy_doctor.why.queue import blocking, full, rate_of
from chancy_doctor.why.reason import Answer, Reason

_SHOWN: Final = 200


async def about_job(look: Look, job: QueuedJob) -> Answer:
    """What there is to say of a job."""
    pushed = f", pushed {shown_s(await _age_s(look, job.created_at))} ago" if job.created_at else ""
    about = f"job {job.id} ({job.func}) in the queue {job.queue}: {job.state}, priority {job.priority}{pushed}"
    if job.state in (State.SUCCEEDED, State.FAILED, State.CANCELLED):
        return Answer(about, await _ended(look, job))
    if job.state is State.RUNNING:
        return Answer(about, await _runs(look, job))
    reasons = [*await blocking(look, job.queue), *_unable(look, job)]
    if job.state in (State.SCHEDULED, State.RETRYING):
        return Answer(about, [await _due(look, job), *reasons])
    return Answer(about, reasons or await _waits(look, job))


async def _age_s(look: Look, moment: datetime) -> float:
    ((now,),) = await look.rows("read_clock")
    return float(now - moment.timestamp())


async def _ended(look: Look, job: QueuedJob) -> list[Reason]:
    when = f"{job.completed_at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC" if job.completed_at else "at some time"
    has, attempts = (
        "has" if job.state is not State.CANCELLED else "was",
        f"{job.attempts} attempt{'' if job.attempts == 1 else 's'}",
    )
    what = f"It {has} {job.state} {when}, after {attempts}"
    note = f": {job.note}" if job.note else "."
    if job.state is State.SUCCEEDED:
        return [Reason("finished", f"{what}.")]
    reasons = [Reason("finished", what + note, look.command("job", str(job.id), "--retry"))]
    if job.errors:
        last = job.errors[-1]
        message = " ".join(last.message.split())[:_SHOWN]
        reasons.append(Reason("failed", f"Its last attempt ended with {last.type}: {message}"))
    if job.unique_key:
        held = await look.rows("find_key_holder", unique_key=job.unique_key)
        if held:
            what = f"It cannot be brought back now: the job {held[0][0]} holds its key {job.unique_key!r:.80}."
            reasons.insert(0, Reason("key-held", what, look.command("why", str(held[0][0]))))
    return reasons


async def _runs(look: Look, job: QueuedJob) -> list[Reason]:
    since = f" since {shown_s(await _age_s(look, job.started_at))}" if job.started_at else ""
    worker = next((one for one in look.workers if one.name == job.worker), None)
    if worker is None or not worker.alive:
        what = f"It is marked as running on {job.worker}{since}, whose lease has run out: "
        what += "another worker gives it back." if look.alive else "no worker is alive to give it back."
        return [Reason("worker-lost", what, None if look.alive else look.command("worker"))]
    reasons = [Reason("running", f"It runs on {job.worker}{since}, attempt {job.attempts} of {job.max_attempts}.")]
    if job.cancel_requested:
        what = "It was asked to stop; a function in a thread does so at its next checkpoint."
        reasons.append(Reason("cancel-requested", what))
    return reasons


async def _due(look: Look, job: QueuedJob) -> Reason:
    if job.scheduled_at is None:
        return Reason("due", "It is due.")
    in_s = -await _age_s(look, job.scheduled_at)
    when = f"{job.scheduled_at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
    due = f"due in {shown_s(in_s)}, at {when}" if in_s > 0 else f"due since {when}; a worker has yet to notice"
    if job.state is State.SCHEDULED:
        return Reason("due", f"It is {due}.")
    last = f": {job.errors[-1].type}: {' '.join(job.errors[-1].message.split())[:_SHOWN]}" if job.errors else "."
    attempts = f"Attempt {job.attempts} of {job.max_attempts} failed"
    return Reason("retry-due", f"{attempts}, and the next is {due}{last}", look.command("job", str(job.id)))


def _unable(look: Look, job: QueuedJob) -> list[Reason]:
    """That no live worker which serves its queue can run its function."""
    queue = look.queues.get(job.queue)
    serving = look.serving(queue) if queue else []
    problems = [
        one.problem
        for worker in serving
        if worker.status is not None
        for one in worker.status.unable
        if (one.queue, one.func) == (job.queue, job.func)
    ]
    if not problems or len(problems) < len(serving):
        return []
    what = f"No live worker that serves its queue can run {job.func}: {problems[0]}"
    return [Reason("function-not-runnable", what, look.command("plugins"))]


async def _waits(look: Look, job: QueuedJob) -> list[Reason]:
    """Nothing is in its way but others."""
    queue = look.queues[job.queue]
    reasons = await full(look, queue)
    ((ahead,),) = await look.rows("count_ahead", queue=job.queue, priority=job.priority, id=job.id, limit=TOLD)
    if not ahead:
        what = f"It is the next of its queue, with {workers_of(len(look.serving(queue)))}."
        return [*reasons, Reason("next", what)]
    shown = f"{ahead:,}" if ahead < TOLD else f"more than {TOLD - 1:,}"
    rate = await rate_of(look, job.queue)
    when = f"at the present {rate:.1f} a second ≈ {shown_s(ahead / rate)}" if rate else "none of them has ended lately"
    what = f"{shown} jobs are ahead of it, at priority {job.priority} or more urgent: {when}."
    return [*reasons, Reason("ahead", what, look.command("why", "queue", job.queue))]
