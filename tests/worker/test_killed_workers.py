"""What is left when workers are killed or stopped for too long."""

from __future__ import annotations

import asyncio
import signal
import time
from collections import Counter
from pathlib import Path

import hard_jobs
import jobs
import ledger
from books import FINISHED, all_done, check_the_books, count, counts
from children import Child
from support import WITHIN_S, until

from chancy_core.app import Chancy
from chancy_core.values.job import Job
from chancy_core.values.queue import Queue
from chancy_core.worker import Worker


async def freeze_while_it_runs_jobs(chancy: Chancy, child: Child) -> int:
    """Stop a worker's process in a moment when it runs jobs; how many."""
    query = "SELECT count(*) FROM {schema}.jobs WHERE state = 'running' AND worker = %s"
    deadline = time.monotonic() + WITHIN_S
    while time.monotonic() < deadline:
        child.send(signal.SIGSTOP)
        # What it had sent before is still done; then it is quiet.
        before, held = -1, await count(chancy, query, child.name)
        while held != before:
            await asyncio.sleep(0.1)
            before, held = held, await count(chancy, query, child.name)
        if held:
            return held
        child.send(signal.SIGCONT)
        await asyncio.sleep(0.005)
    raise AssertionError("it never ran a job")


async def test_a_worker_killed_among_three_loses_and_doubles_nothing(chancy, new_child, book):
    """Of 20,000 jobs on three workers, one killed in the middle, all succeed, once, within their attempts."""
    number = 20_000
    await chancy.declare(Queue("many", executor=ledger.EXECUTOR, executor_options={"path": str(book)}))
    children = [new_child(worker={"lease_s": 5, "concurrency": 50}) for _ in range(3)]
    for child in children:
        await asyncio.to_thread(child.ready)
    job = Job.from_func(jobs.sleep, kwargs={"seconds": 0.002}, max_attempts=3, keep_result=False)
    await chancy.push_many("many", (job for _ in range(number)))
    await until(counts(chancy, FINISHED, number // 10))
    victim = children[1]
    held = await freeze_while_it_runs_jobs(chancy, victim)
    assert await count(chancy, FINISHED) < number
    victim.send(signal.SIGKILL)
    victim.wait()
    await all_done(chancy, number)
    finished = await check_the_books(chancy, book, number)
    assert {row[1] for row in finished} == {"succeeded"}
    rescued = [row for row in finished if row[5]]
    assert len(rescued) == held
    assert {(row[2], row[3], row[5]) for row in rescued} == {(2, 2, 1)}
    assert {row[2] for row in finished if not row[5]} == {1}
    assert await count(chancy, "SELECT count(*) FROM {schema}.workers WHERE worker = %s", victim.name) == 0
    assert [child.alive for child in children] == [True, False, True]


async def test_a_worker_that_was_stopped_for_too_long_gives_up_its_jobs(chancy, new_child, book, tmp_path):
    """A process frozen beyond its lease: its jobs ran elsewhere, its outcomes are dropped, and it works again."""
    await chancy.declare(
        Queue("shared", tags=["frozen", "other"], executor=ledger.EXECUTOR, executor_options={"path": str(book)})
    )
    await chancy.declare(Queue("own", tags=["frozen"]))
    frozen = new_child(worker={"lease_s": 3, "tags": ["frozen"]})
    frozen.ready()
    door = tmp_path / "door"
    job = Job.from_func(hard_jobs.until_exists_sync, kwargs={"path": str(door)}, max_attempts=2)
    references = await chancy.push_many("shared", [job] * 20)
    # Claimed is not begun.
    await until(lambda: len(ledger.read(book)) == 20)
    frozen.send(signal.SIGSTOP)
    door.touch()
    async with Worker(chancy, tags=["other"], lease_s=3) as other:
        finished = await chancy.wait_for_jobs(references, timeout=WITHIN_S)
        assert {(j.state, j.attempts, j.claims, j.worker) for j in finished} == {("succeeded", 2, 2, other.name)}
        assert {tuple((e.type, e.attempt, e.worker) for e in j.errors) for j in finished} == {
            (("WorkerLost", 1, frozen.name),)
        }
        frozen.send(signal.SIGCONT)
        again = await chancy.push("own", Job.from_func(hard_jobs.pid))
        assert (await again.wait(timeout=WITHIN_S)).result == frozen.process.pid
        await until(lambda: "outcomes_stale" in frozen.said())
        # It takes its part of the common work, too.
        await other.stop()
        more = await chancy.push_many("shared", [job] * 5)
        assert {j.worker for j in await chancy.wait_for_jobs(more, timeout=WITHIN_S)} == {frozen.name}
    await check_the_books_of_shared(chancy, book)


async def check_the_books_of_shared(chancy: Chancy, book: Path) -> None:
    assert await count(chancy, FINISHED + " WHERE queue = 'shared'") == 25
    assert await count(chancy, "SELECT count(DISTINCT id) FROM {schema}.finished_jobs WHERE queue = 'shared'") == 25
    assert set(Counter((run["id"], run["claims"]) for run in ledger.read(book)).values()) == {1}
    assert len(ledger.read(book)) == 45


async def test_a_job_that_kills_its_process_is_not_immortal(chancy, new_child):
    """A job that ends its process at each attempt fails after max_attempts, and its errors name the lost workers."""
    await chancy.declare(Queue("deadly", tags=["brave"]))
    reference = await chancy.push("deadly", Job.from_func(hard_jobs.poison, max_attempts=3))
    dead = []
    async with Worker(chancy, lease_s=2):
        for _ in range(3):
            child = new_child(worker={"lease_s": 2, "tags": ["brave"]})
            await asyncio.to_thread(child.ready)
            dead.append(child.name)
            assert await asyncio.to_thread(child.wait) == 1
        failed = await reference.wait(timeout=WITHIN_S)
        # Whoever comes next is left in peace.
        survivor = new_child(worker={"lease_s": 2, "tags": ["brave"]})
        await asyncio.to_thread(survivor.ready)
        later = await chancy.push("deadly", Job.from_func(hard_jobs.pid))
        assert (await later.wait(timeout=WITHIN_S)).result == survivor.process.pid
    assert (failed.state, failed.attempts, failed.claims) == ("failed", 3, 3)
    assert [(e.attempt, e.type, e.worker) for e in failed.errors] == [
        (attempt, "WorkerLost", name) for attempt, name in enumerate(dead, 1)
    ]
    assert "lease" in failed.note
