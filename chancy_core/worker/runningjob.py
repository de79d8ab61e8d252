"""A job that has a slot."""

from __future__ import annotations

import asyncio
from typing import NamedTuple

from chancy_core.executors import Executor
from chancy_core.values.queuedjob import QueuedJob


class RunningJob(NamedTuple):
    """A job that runs, the task that runs it, if it has one, and the executor that was asked to."""

    job: QueuedJob
    task: asyncio.Task[None] | None
    executor: Executor
