"""`chancy push --wait`, which says what it waits for."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from functools import partial

import hard_jobs
import pytest
from support import WITHIN_S, until

from chancy import Chancy, Job, Queue, Worker
from chancy_core.cli import waiting


@pytest.fixture
def says(chancy, new_chancy, monkeypatch, capsys):
    """Waits for a job as the command does; returns the task, and a function that waits until it has said something."""
    monkeypatch.setattr(waiting, "SAYS_AFTER_S", 0.05)
    said: list[str] = []

    def wait(reference):
        with new_chancy() as opened:
            return waiting.wait(opened, opened.reference(str(reference)))

    def has_said(text):
        said.append(capsys.readouterr().err)
        return text in "".join(said)

    def start(reference):
        return asyncio.create_task(asyncio.to_thread(wait, reference)), lambda text: until(partial(has_said, text))

    start.said = said
    return start


async def test_what_a_job_waits_for_is_said_once_until_it_changes(chancy: Chancy, says):
    """Nobody serves the queue; it is paused; the job runs: each with what to do, and then its record."""
    hard_jobs.gate.clear()
    waited, hears = says(await chancy.push(Job(func="hard_jobs.until_gate")))
    await hears("no worker that lives serves its queue 'default'. Start one, chancy worker")
    await chancy.pause_queue("default")
    await hears("its queue 'default' is paused. To go on: chancy queue resume default")
    async with Worker(chancy) as worker:
        await chancy.resume_queue("default")
        await hears(f"It runs on worker {worker.name}.")
        hard_jobs.gate.set()
        assert (await asyncio.wait_for(waited, WITHIN_S)).result == "let through"
    told = "".join(says.said).splitlines()
    assert len(told) == len(set(told))


async def test_a_worker_that_serves_other_queues_is_no_help(chancy: Chancy, says):
    """A living worker whose tags the queue does not name does not count."""
    await chancy.declare(Queue("gpu", tags=["gpu"]))
    reference = await chancy.push("gpu", Job(func="jobs.noop"))
    async with Worker(chancy):
        waited, hears = says(reference)
        await hears("no worker that lives serves its queue 'gpu'")
    await chancy.cancel_job(reference)
    assert (await asyncio.wait_for(waited, WITHIN_S)).state == "cancelled"


async def test_workers_that_serve_its_queue_and_do_not_take_it_are_named(chancy: Chancy, says):
    """All slots are in use: whoever looks for the reason learns whose log to read."""
    hard_jobs.gate.clear()
    async with Worker(chancy, concurrency=1) as worker:
        await chancy.push(Job(func="hard_jobs.until_gate"))
        await until(lambda: worker.running)
        waited, hears = says(await chancy.push(Job(func="jobs.noop")))
        await hears(f"its queue 'default' is served by {worker.name}, and nobody has taken it yet")
        hard_jobs.gate.set()
        assert (await asyncio.wait_for(waited, WITHIN_S)).state == "succeeded"


async def test_a_function_that_no_worker_can_run_is_said(chancy: Chancy, says):
    """Its worker knows why, and so does whoever waits."""
    async with Worker(chancy) as worker:
        reference = await chancy.push(Job(func="no_such_module.send"))
        waited, hears = says(reference)
        await hears(f"It is pending: {worker.name} cannot run no_such_module.send, and leaves")
        await hears("there is no module 'no_such_module'")
        await chancy.cancel_job(reference)
        assert (await asyncio.wait_for(waited, WITHIN_S)).state == "cancelled"


async def test_a_job_that_is_not_due_says_when(chancy: Chancy, says):
    """A scheduled one waits for its time, not for a worker."""
    reference = await chancy.push(Job(func="jobs.noop").with_scheduled_at(datetime.now(UTC) + timedelta(hours=1)))
    waited, hears = says(reference)
    await hears("It is scheduled until 20")
    await chancy.cancel_job(reference)
    assert (await asyncio.wait_for(waited, WITHIN_S)).state == "cancelled"
