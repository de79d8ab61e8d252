"""Code that has the connection of a test for itself asks Chancy for more, on the same connection."""

from __future__ import annotations

import asyncio

import drained_jobs
import pytest

from chancy import JobContext, job
from chancy.errors import ChancyError
from chancy.testing import AsyncJobs

ADD = drained_jobs.add.job.with_kwargs(a=1, b=2)
# What hangs is told as an error, long after anything that works has ended.
HANGS_AFTER_S = 120


@job()
def pushes_while_it_holds(*, fails: bool, context: JobContext) -> int:
    with context.chancy.sync_pool.transaction() as connection:
        connection.execute("CREATE TEMPORARY TABLE held (x integer)")
        reference = context.sync_push(ADD)
        with context.chancy.sync_pool.transaction() as again:
            assert again is connection
        if fails:
            raise LookupError("undone")
    return len(context.chancy.sync_get_jobs([reference]))


@job()
def pushes_on_a_loop_of_its_own(*, context: JobContext) -> int:
    async def pushes() -> int:
        async with context.chancy.pool.transaction() as connection:
            await connection.execute("CREATE TEMPORARY TABLE held (x integer)")
            reference = await context.chancy.push(ADD)
            return len(await context.chancy.get_jobs([reference]))

    return asyncio.run(pushes())


@job()
def holds_round_a_loop(*, context: JobContext) -> str:
    with context.chancy.sync_pool.connection():
        return str(asyncio.run(context.chancy.push(ADD)).identifier)


@pytest.mark.parametrize(
    "function",
    [pushes_while_it_holds.job.with_kwargs(fails=False), pushes_on_a_loop_of_its_own, holds_round_a_loop],
    ids=["thread", "task", "both"],
)
async def test_a_plain_job_that_pushed_while_it_held_the_connection_hung_for_ever(new_chancy, function):
    """The lock is not taken again by whoever has it: a thread, or a task of another event loop."""
    async with new_chancy() as chancy, AsyncJobs(chancy) as jobs, asyncio.timeout(HANGS_AFTER_S):
        await chancy.push(function)
        assert (await jobs.drain()).succeeded == 2


async def test_what_such_a_job_had_pushed_stayed_when_its_transaction_was_undone(new_chancy):
    """Its push is in a savepoint of that transaction, and goes with it."""
    async with new_chancy() as chancy, AsyncJobs(chancy) as jobs, asyncio.timeout(HANGS_AFTER_S):
        await chancy.push(pushes_while_it_holds.job.with_kwargs(fails=True))
        assert len(await jobs.drain(raise_=False)) == 1
        await jobs.refute_pushed(drained_jobs.add)


async def test_a_thread_that_had_the_connection_waited_for_a_job_for_ever(new_chancy):
    """The job would be run on that connection, in another thread: it is told what to do instead."""
    async with new_chancy() as chancy, AsyncJobs(chancy) as jobs, asyncio.timeout(HANGS_AFTER_S):

        def pushes() -> None:
            with chancy.sync_pool.connection():
                chancy.sync_push(ADD)

        with jobs.inline(), pytest.raises(ChancyError, match="after the block"):
            await asyncio.to_thread(pushes)
