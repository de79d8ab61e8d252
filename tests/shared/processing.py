"""Executors by themselves, and the children of the process executor."""

from __future__ import annotations

import json
import os
import sys
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from decided import end_of

from chancy_core.executors import ExecutorSettings
from chancy_core.executors.functions import Functions
from chancy_core.executors.process import ProcessExecutor
from chancy_core.values.job import Limit
from chancy_core.values.queuedjob import QueuedJob, State

MIB = 1024 * 1024


RESULT_LIMIT = 6 * MIB


linux_only = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")


def within(seconds: float) -> Limit:
    return Limit(Limit.Type.TIME, seconds)


def holding(mib: float) -> Limit:
    return Limit(Limit.Type.MEMORY, mib * MIB)


def queued(func: Callable[..., Any], *limits: Limit, **kwargs: Any) -> QueuedJob:
    """A job as a worker would have claimed it."""
    name = f"{func.__module__}.{func.__qualname__}"
    return QueuedJob(
        func=name, kwargs=kwargs, limits=list(limits), id=uuid.uuid4(), state=State.RUNNING, attempts=1, claims=1
    )


def settings(concurrency: int = 4, **more: Any) -> ExecutorSettings:
    return ExecutorSettings("test", concurrency, RESULT_LIMIT, Functions(), **more)


def family(executor: ProcessExecutor) -> list[int]:
    """The nursery and the children."""
    nurse = [] if executor._children._nurse is None else [executor._children._nurse.pid]
    return nurse + [child.pid for child in executor._children._children.values() if child.pid is not None]


def lives(pid: int) -> bool:
    """Whether there is such a process, a zombie included."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def result_of(executor: Any, func: Callable[..., Any], *limits: Limit, **kwargs: Any) -> Any:
    outcome = await end_of(executor, queued(func, *limits, **kwargs))
    assert outcome.state == "succeeded", outcome.error
    return None if outcome.result is None else json.loads(outcome.result)


# What would take a worker's own process with it is given a limit, so that Auto keeps it out of there.
SAFE = (within(60),)
