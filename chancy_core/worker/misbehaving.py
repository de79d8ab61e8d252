"""Executors may be anybody's code: one that raises where it must not, or does not close, costs no job and no worker."""

from __future__ import annotations

import asyncio
from typing import Final

from chancy_core.executors import Executor, Report
from chancy_core.log import log
from chancy_core.values.queuedjob import QueuedJob

# How long an executor may take to close.
CLOSED_WITHIN_S: Final = 10.0


def complain(executor: object, job: QueuedJob, error: BaseException) -> None:
    """Tell that it broke its promise over a job."""
    log.error("executor_failed", executor=type(executor).__name__, job=str(job.id), exc_info=error)


def broken(executor: Executor, job: QueuedJob, error: BaseException) -> Report:
    """The report of a run whose executor raised, or returned what is none."""
    complain(executor, job, error)
    return Report.raised(error)


async def close_executor(executor: Executor) -> None:
    """Close an executor, and wait for it only so long."""
    await close_within(executor, CLOSED_WITHIN_S)


async def close_within(executor: Executor, within_s: float) -> None:
    """Close an executor, and wait for it only so long: it may be anybody's code."""
    closing = asyncio.ensure_future(_close(executor))
    # Not `wait_for`, which waits for as long as a cancelled one goes on.
    done, _ = await asyncio.wait({closing}, timeout=within_s)
    if not done:
        closing.cancel()
        log.error("executor_close_late", executor=type(executor).__name__, waited_s=within_s)


async def _close(executor: Executor) -> None:
    try:
        await executor.close()
    except asyncio.CancelledError:
        # Not by the executor: the loop ends.
        raise
    except BaseException as error:  # noqa: BLE001 -- SystemExit in a task would end the loop
        log.error("executor_close_failed", executor=type(executor).__name__, exc_info=error)
