"""Jobs as the documentation of Chancy 0 has them: by its decorator, with its context."""

import asyncio
import os
import threading

from chancy import Limit, QueuedJob, job

done: list[object] = []


@job()
def ping():
    done.append("ping")


@job(queue="default", priority=1, max_attempts=3, kwargs={"name": "World"})
def hello(*, name: str):
    done.append(f"Hello, {name}!")


@job(
    limits=[
        Limit(Limit.Type.MEMORY, 1024 * 1024 * 1024),
        Limit(Limit.Type.TIME, 60),
    ]
)
def limited(*, name: str):
    return f"{name} in {os.getpid()}"


@job(limits=[Limit(Limit.Type.TIME, 60)])
def step_by_step(*, context: QueuedJob):
    steps = []
    for item in range(3):
        context.checkpoint()
        steps.append(item)
    return steps


@job(limits=[Limit(Limit.Type.TIME, 1)])
def endless(*, context: QueuedJob):
    while True:
        context.checkpoint()


@job()
def about_itself(*, whatever_it_is_called: QueuedJob):
    return [str(whatever_it_is_called.id), whatever_it_is_called.attempts]


@job()
def changes_itself(*, context: QueuedJob):
    context.id = "another"


@job(max_attempts=3)
def counts_in_meta(*, context: QueuedJob):
    context.meta["attempts"] = context.meta.get("attempts", 0) + 1
    raise ValueError("This job fails.")


@job()
async def waits_a_moment():
    await asyncio.sleep(0.01)
    return "awaited"


@job()
def where_it_runs():
    return [os.getpid(), threading.current_thread() is threading.main_thread()]
