"""Jobs of the tests."""

import asyncio
import os
import time

from opentelemetry import baggage, trace

from chancy import Cancel, Job, JobContext, Retry, Snooze

tracer = trace.get_tracer(__name__)


class LoudError(Exception):
    """Raises at being asked for its text."""

    def __str__(self):
        raise RuntimeError("no text")


def _seen():
    current = trace.get_current_span().get_span_context()
    return {"trace": format(current.trace_id, "032x"), "span": format(current.span_id, "016x")}


async def on_the_loop():
    with tracer.start_as_current_span("own"):
        await asyncio.sleep(0)
        await asyncio.to_thread(_in_another_thread)
    return _seen()


def _in_another_thread():
    with tracer.start_as_current_span("deeper"):
        pass


def in_a_thread():
    with tracer.start_as_current_span("own"):
        pass
    return {**_seen(), "pid": os.getpid()}


async def many(*, number: int):
    for _ in range(3):
        await asyncio.sleep(0)
        with tracer.start_as_current_span(f"own {number}"):
            await asyncio.sleep(0.001)


def many_in_threads(*, number: int):
    for _ in range(3):
        time.sleep(0.001)
        with tracer.start_as_current_span(f"own {number}"):
            time.sleep(0.001)


async def fail(*, message: str = "no"):
    raise ValueError(message)


def fail_in_a_thread():
    raise ValueError("no")


async def fail_loudly():
    raise LoudError


async def cancel_oneself():
    raise asyncio.CancelledError


async def hang():
    await asyncio.sleep(3600)


def until_stopped(*, context: JobContext):
    while True:
        context.checkpoint()
        time.sleep(0.005)


async def say(*, verdict: str, context: JobContext):
    if context.attempts > 1 or context.claims > 1:
        return
    match verdict:
        case "snooze":
            raise Snooze(0)
        case "retry":
            raise Retry(after=0)
        case "cancel":
            raise Cancel("of no use")


async def third_time_lucky(*, context: JobContext):
    if context.attempts < 3:
        raise ValueError(str(context.attempts))


async def carried():
    return {"baggage": dict(baggage.get_all()), **_seen()}


async def leave_behind():
    """Never ends its own span."""
    tracer.start_as_current_span("left behind").__enter__()


class Pusher:
    """Where the job below pushes to."""

    chancy = None


async def push_another():
    await Pusher.chancy.push(Job(func="otel_jobs.carried", queue="default"))
