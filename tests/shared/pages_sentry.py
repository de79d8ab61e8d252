"""A program with the plugin of the page about Sentry: prints the events that Sentry would have got, a line each."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path

import sentry_sdk
from app.errors import JobsInSentry, connect
from sentry_sdk.envelope import Envelope
from sentry_sdk.transport import Transport

from chancy import Backoff, Cancel, Chancy, Queue, Worker, job

DSN = "https://key@sentry.invalid/1"
BOTH_RUN = asyncio.Event()
AT_ONCE = Backoff.fixed(0)


class ToFile(Transport):
    """Appends what would be sent to a file, in whichever process."""

    def capture_envelope(self, envelope: Envelope) -> None:
        event = envelope.get_event()
        if event is not None:
            with Path(os.environ["SENTRY_EVENTS"]).open("a") as file:
                file.write(json.dumps(event, default=str) + "\n")


def in_child() -> None:
    connect(dsn=DSN, transport=ToFile)


def told(name: str) -> None:
    sentry_sdk.set_user({"id": name})
    sentry_sdk.add_breadcrumb(message=f"the crumb of {name}")
    sentry_sdk.capture_message(f"said by {name}")


@job(max_attempts=2, backoff=AT_ONCE)
async def on_loop(*, name: str) -> None:
    told(name)
    if name == "loop 1":
        BOTH_RUN.set()
    # The other one has set a user and left a crumb by now, on the same loop.
    await BOTH_RUN.wait()
    raise ValueError(f"fails: {name}")


@job(max_attempts=2, backoff=AT_ONCE)
def in_thread(*, name: str) -> None:
    told(name)
    raise ValueError(f"fails: {name}")


@job(max_attempts=2, backoff=AT_ONCE, queue="children")
def elsewhere(*, name: str) -> None:
    told(name)
    raise ValueError(f"fails: {name}")


@job(queue="children")
def dies() -> None:
    os._exit(3)


@job(max_attempts=2, backoff=AT_ONCE)
async def gives_up() -> None:
    raise Cancel("nothing to do")


async def main() -> None:
    retries = sys.argv[1] == "retries"
    connect(dsn=DSN, transport=ToFile, retries=retries)
    children = Queue("children", executor="process", executor_options={"initializer": "pages_sentry.in_child"})
    async with Chancy(plugins=[JobsInSentry()]) as chancy:
        await chancy.declare(children)
        async with Worker(chancy):
            jobs = [
                on_loop.job.with_kwargs(name="loop 0"),
                on_loop.job.with_kwargs(name="loop 1"),
                in_thread.job.with_kwargs(name="thread"),
                gives_up.job,
            ]
            if not retries:
                jobs += [elsewhere.job.with_kwargs(name="child"), dies.job]
            references = await chancy.push_many(*jobs)
            done = await chancy.wait_for_jobs(references, timeout=300)
    sentry_sdk.flush()
    sys.stdout.write(json.dumps({str(one.id): one.kwargs.get("name", one.func) for one in done}))
