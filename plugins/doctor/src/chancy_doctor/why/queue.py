"""Why the jobs of a queue do not run now, and how fast they do."""

from __future__ import annotations

from typing import Final

from chancy import Queue, WorkerInfo
from chancy.errors import UnknownQueue
from chancy.plugin import nearest
from chancy_doctor.checks import functions, queues
from chancy_doctor.look import Look, named, shown_s, workers_of
from chancy_doctor.why.reason import Answer, Reason

# How far back the present rate is looked for, and in how many of the newest jobs.
RATE_OVER_S: Final = 60.0
SAMPLE: Final = 5_000


async def about_queue(look: Look, name: str) -> Answer:
    """What there is to say of a queue.

    Raises:
        UnknownQueue: nobody declared it, and no job waits in it.
    """
    waiting = look.waiting.get(name)
    if name not in look.queues and name not in look.unreadable and waiting is None:
        raise UnknownQueue(f"There is no queue {name!r}.{nearest(name, look.queues)}")
    reasons = await blocking(look, name)
    if waiting is None:
        about = f"queue {name}: no job waits to be run"
    else:
        about = f"queue {name}: {await look.count(name)}, the oldest for {shown_s(waiting.oldest_s)}"
        if not reasons:
            reasons = await pace(look, name)
    return Answer(about, [*reasons, *await _unable(look, name)])


async def blocking(look: Look, name: str) -> list[Reason]:
    """What keeps all jobs of a queue from being run: it is paused, undeclared, unreadable, or served by nobody."""
    waiting = look.waiting.get(name)
    if waiting is not None:
        found = await queues.finding_of(look, waiting)
        return [Reason(found.id, found.what, found.fix)] if found else []
    queue = look.queues.get(name)
    if queue is not None and queue.state is Queue.State.PAUSED:
        until = f" until {queue.resume_at:%Y-%m-%d %H:%M %Z}" if queue.resume_at else ""
        fix = look.command("queue", "resume", name)
        return [
            Reason("queue-paused", f"The queue {name} is paused{until}.{queues.told_of(await look.pause(name))}", fix)
        ]
    if queue is not None and not look.serving(queue):
        return [Reason("queue-unserved", f"No live worker serves the queue {name}.", look.command("worker"))]
    return []


async def full(look: Look, queue: Queue) -> list[Reason]:
    """The limits and the slots that are full now, and by which jobs."""
    running = await look.rows("find_queue_runs", queue=queue.name, limit=10)
    count = running[0][3] if running else 0
    jobs = named([f"{id_} (for {shown_s(runs_s)})" for id_, _, runs_s, _ in running], 3)
    if queue.global_concurrency is not None and count >= queue.global_concurrency:
        limit = f"Its global_concurrency of {queue.global_concurrency} is full"
        what = f"{limit}: {count} of its jobs run, the longest of them {jobs}."
        return [Reason("limit-full", what, look.command("job", str(running[0][0])))]
    serving = look.serving(queue)
    if queue.concurrency is not None and serving and count >= queue.concurrency * len(serving):
        what = f"All {count} slots that {workers_of(len(serving))} have for it are taken, the longest by {jobs}."
        return [Reason("slots-full", what, look.command("job", str(running[0][0])))]
    if queue.rate_limit is not None:
        what = f"No more than {queue.rate_limit:,} of its jobs may start in {queue.rate_limit_window:g} s."
        return [Reason("rate-limited", what)]
    return []


async def pace(look: Look, name: str) -> list[Reason]:
    """How fast a queue that is served moves, and what holds it up."""
    queue = look.queues[name]
    reasons = await full(look, queue)
    waiting = look.waiting[name]
    rate = await rate_of(look, name)
    workers = _workers(look.serving(queue))
    if rate:
        left = shown_s(waiting.jobs / rate)
        more = "" if waiting.jobs < 1000 else " for each thousand"  # noqa: PLR2004 -- what a look counts
        what = f"{workers} finish {rate:.1f} of its jobs a second at present: ≈ {left}{more} until they are done."
        return [*reasons, Reason("ahead", what)]
    what = f"{workers} for it, and none of its jobs has ended within the last {shown_s(RATE_OVER_S)}."
    return [*reasons, Reason("slow", what, look.command("plugins"))]


async def rate_of(look: Look, name: str) -> float:
    """How many jobs of a queue end in a second at present; 0 if none did within a minute."""
    ((ended, over_s),) = await look.rows("count_ended", queue=name, over_s=RATE_OVER_S, limit=SAMPLE)
    return float(ended / over_s) if ended and over_s else 0.0


async def _unable(look: Look, name: str) -> list[Reason]:
    found = await functions.check(look)
    return [Reason(one.id, one.what, one.fix) for one in found if one.evidence["queue"] == name]


def _workers(serving: list[WorkerInfo]) -> str:
    return workers_of(len(serving)).capitalize()
