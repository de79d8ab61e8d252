"""Jobs that push others, by the Chancy of their worker."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import Any

from making import plugin

from chancy import Job, JobContext, Plugin, hookimpl

ECHO = Job(func="jobs.echo", kwargs={"value": 1})


async def pushes_async(*, context: JobContext) -> list[Any]:
    one = await context.push(ECHO)
    many = await context.chancy.push_many("mail", [ECHO] * 2)
    found = await context.chancy.get_job(one)
    await asyncio.to_thread(context.sync_push, "mail", ECHO)
    return [str(one), len(many), found.queue, os.getpid()]


def pushes(*, context: JobContext) -> list[Any]:
    one = context.sync_push(ECHO)
    many = context.chancy.sync_push_many("mail", [ECHO] * 2)
    found = context.chancy.sync_get_job(one)
    asyncio.run(context.push("mail", ECHO))
    return [str(one), len(many), found.queue, os.getpid()]


def shows(*, context: JobContext) -> dict[str, Any]:
    """What other users of the machine see of this process, and what its Chancy is set to."""
    told = " ".join([*sys.argv, *os.environ.values()])
    cmdline = Path("/proc/self/cmdline")
    if cmdline.exists():
        told += cmdline.read_text() + Path("/proc/self/environ").read_text()
    settings = context.chancy.settings
    return {"told": settings.dsn in told, "schema": settings.schema, "limit": settings.payload_limit_bytes}


class Marker(Plugin):
    """Marks what is pushed, with the process that did."""

    name = "marker"
    word: str = "x"

    @hookimpl
    def on_push(self, jobs):
        return [job.with_meta(word=self.word, pid=os.getpid()) for job in jobs]


def local_plugin() -> Plugin:
    """One that cannot be pickled."""
    return plugin("local", on_push=lambda _, jobs: None)
