"""The documented examples of jobs, each run as it is written there."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import jobs
import pytest
import seed_jobs
from seed_jobs import greet
from support import IMPORT_PATH, WITHIN_S, until

from chancy import Chancy, Job, Limit, Worker
from chancy_core.values.backoff import Backoff


@pytest.fixture(autouse=True)
def _fresh():
    seed_jobs.greeted.clear()
    seed_jobs.failures.clear()
    jobs.ran.clear()


# -- creating a job ------------------------------------------------------------------------


async def test_a_job_from_a_function(chancy):
    """`Job.from_func(greet, kwargs=…)` is a job that calls it."""
    job = Job.from_func(greet, kwargs={"name": "Alice"})
    async with Worker(chancy):
        assert (await (await chancy.push("default", job)).wait(timeout=WITHIN_S)).state == "succeeded"
    assert seed_jobs.greeted == ["Hello, Alice!"]


async def test_a_job_from_an_import_path(chancy):
    """`Job(func="mymodule.greet", kwargs=…)` is the same as `from_func`, and the worker imports it."""
    job = Job(func="seed_jobs.greet", kwargs={"name": "Bob"})
    assert job == Job.from_func(greet, kwargs={"name": "Bob"})
    async with Worker(chancy):
        assert (await (await chancy.push("default", job)).wait(timeout=WITHIN_S)).state == "succeeded"
    assert seed_jobs.greeted == ["Hello, Bob!"]


def test_jobs_are_immutable():
    """No field of a job can be set, its arguments are its own, and the `with_` methods make new jobs."""
    kwargs = {"name": "Alice"}
    job = Job.from_func(greet, kwargs=kwargs)
    for field in ("func", "priority", "kwargs", "max_attempts", "queue"):
        with pytest.raises(AttributeError):
            setattr(job, field, getattr(job, field))
    kwargs["name"] = "Mallory"
    assert job.kwargs == {"name": "Alice"}
    changed = (
        job.with_priority(1)
        .with_max_attempts(2)
        .with_queue("other")
        .with_unique_key("key")
        .with_kwargs({"name": "Carol"})
        .with_meta({"a": 1})
        .with_limits([Limit(Limit.Type.TIME, 1)])
        .with_scheduled_at(datetime.now(UTC))
    )
    assert (changed.priority, changed.max_attempts, changed.queue, changed.unique_key) == (1, 2, "other", "key")
    assert (changed.kwargs, changed.meta, changed.limits) == ({"name": "Carol"}, {"a": 1}, [Limit(Limit.Type.TIME, 1)])
    assert changed.scheduled_at is not None
    assert job == Job.from_func(greet, kwargs={"name": "Alice"})


# -- priority, retries, scheduling, limits -------------------------------------------------


async def test_lower_priority_values_run_first(chancy):
    """Of a job with priority 10, one with 0 and one with -10, the last runs first and the first last."""
    job = Job.from_func(jobs.record)
    high_priority_job = job.with_priority(-10).with_kwargs({"value": "high"})
    low_priority_job = job.with_priority(10).with_kwargs({"value": "low"})
    await chancy.push_many("default", low_priority_job, job.with_kwargs({"value": "middle"}), high_priority_job)
    async with Worker(chancy, concurrency=1):
        await until(lambda: len(jobs.ran) == 3)
    assert jobs.ran == ["high", "middle", "low"]


async def test_a_failing_job_is_retried(chancy):
    """With max_attempts=3 a job that always fails is tried three times, and one that fails twice succeeds."""
    backoff = Backoff(base_s=0.01)
    always = Job.from_func(seed_jobs.fail_for, kwargs={"name": "Charlie", "times": 99}, max_attempts=3, backoff=backoff)
    twice = Job.from_func(seed_jobs.fail_for, kwargs={"name": "Charles", "times": 2}, max_attempts=3, backoff=backoff)
    async with Worker(chancy):
        references = await chancy.push_many("default", always, twice)
        failed, succeeded = await chancy.wait_for_jobs(references, timeout=WITHIN_S)
    assert (failed.state, failed.attempts, len(failed.errors)) == ("failed", 3, 3)
    assert (succeeded.state, succeeded.attempts, len(succeeded.errors)) == ("succeeded", 3, 2)


def test_max_attempts_can_be_given_when_the_job_is_made():
    """`Job.from_func(greet, kwargs=…, max_attempts=3)`."""
    assert Job.from_func(greet, kwargs={"name": "Charlie"}, max_attempts=3).max_attempts == 3


async def test_a_scheduled_job_runs_at_its_time_or_after(chancy):
    """A job scheduled in the future stays scheduled until then, and one for an hour hence does not run."""
    future_job = Job.from_func(greet, kwargs={"name": "David"})
    in_an_hour = future_job.with_scheduled_at(datetime.now(timezone.utc) + timedelta(hours=1))  # noqa: UP017 -- as documented
    soon = datetime.now(timezone.utc) + timedelta(seconds=0.4)  # noqa: UP017
    async with Worker(chancy):
        later = await chancy.push("default", in_an_hour)
        reference = await chancy.push("default", future_job.with_scheduled_at(soon))
        assert (await reference.get()).state == "scheduled"
        finished = await reference.wait(timeout=WITHIN_S)
        assert (await later.get()).state == "scheduled"
    assert finished.started_at >= soon
    assert seed_jobs.greeted == ["Hello, David!"]


async def test_a_job_can_have_limits(chancy):
    """Limits are kept with the job, and enforced: within them it succeeds; the default queue runs it in a child."""
    limited_job = Job.from_func(
        greet,
        kwargs={"name": "Eve"},
        limits=[
            Limit(Limit.Type.MEMORY, 1024 * 1024 * 1024),  # 1GB
            Limit(Limit.Type.TIME, 60),  # 60 seconds
        ],
    )
    reference = await chancy.push("default", limited_job)
    assert (await reference.get()).limits == limited_job.limits
    async with Worker(chancy):
        finished = await reference.wait(timeout=WITHIN_S)
    assert finished.state == "succeeded"
    assert 0 < finished.peak_bytes < 1024 * 1024 * 1024
    assert seed_jobs.greeted == []


# -- queueing, unique jobs -----------------------------------------------------------------


async def test_queueing(dsn, schema):
    """`async with Chancy(dsn=…) as chancy: await chancy.push("default", job)` sets up what it needs, and queues."""
    job = Job.from_func(greet, kwargs={"name": "Alice"})
    async with Chancy(dsn=dsn, schema=schema) as chancy:
        reference = await chancy.push("default", job)
        assert (await reference.get()).state == "pending"


async def test_queueing_many(chancy):
    """`push_many("default", job1, job2, job3)` queues them all and gives their references in order."""
    job1, job2, job3 = (Job.from_func(jobs.echo, kwargs={"value": n}) for n in (1, 2, 3))
    async with Worker(chancy):
        references = await chancy.push_many("default", job1, job2, job3)
        finished = await chancy.wait_for_jobs(references, timeout=WITHIN_S)
    assert [job.result for job in finished] == [1, 2, 3]


async def test_unique_jobs(chancy):
    """Only one job of a unique key is queued or running at a time, but any number can have been completed or failed."""
    user_id = 1234
    unique_job = Job(
        func="seed_jobs.generate_report",
        kwargs={"user_id": user_id},
        unique_key=f"report_{user_id}",
    )
    first = await chancy.push("default", unique_job)
    second = await chancy.push("default", unique_job)
    assert (first == second, first.created, second.created) == (True, True, False)
    async with Worker(chancy):
        assert (await first.wait(timeout=WITHIN_S)).result == user_id
        third = await chancy.push("default", unique_job)
        assert third.created
        assert third != first
        assert (await third.wait(timeout=WITHIN_S)).state == "succeeded"


# -- the whole example ---------------------------------------------------------------------

# As documented, but for the DSN and the delay.
EXAMPLE = """
import asyncio
from datetime import datetime, timedelta, timezone
from chancy import Chancy, Job, Limit

async def process_order(order_id: int):
    # Simulating order processing
    print(f"Processing order {order_id}")
    # ... actual processing logic here ...
    print(f"Order {order_id} processed successfully")

async def main():
    async with Chancy(dsn=DSN) as chancy:
        # Create a job
        job = Job.from_func(
            process_order,
            kwargs={"order_id": 12345},
            max_attempts=3,
            limits=[
                Limit(Limit.Type.MEMORY, 512 * 1024 * 1024),  # 512MB
                Limit(Limit.Type.TIME, 300),  # 5 minutes
            ],
        )

        # Schedule it for 1 hour from now
        scheduled_job = job.with_scheduled_at(
            datetime.now(timezone.utc) + timedelta(seconds=1)
        )

        # Queue the job
        reference = await chancy.push("default", scheduled_job)

        # Wait for job completion (in a real scenario, you might
        # not wait synchronously)
        completed_job = await reference.wait()
        print(f"Final job status: {completed_job.state}")

if __name__ == "__main__":
    asyncio.run(main())
"""


@contextmanager
def running(script: Path, schema: str) -> Iterator[subprocess.Popen[str]]:
    """A script in a process of its own, which is gone at the end of the block."""
    process = subprocess.Popen(
        [sys.executable, str(script)],
        env={**os.environ, "CHANCY_SCHEMA": schema, "PYTHONPATH": IMPORT_PATH},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


async def test_the_whole_example(dsn, schema, tmp_path, monkeypatch, capfd):
    """The example runs as a script of its own, and its job in a worker that imports the script's function."""
    script = tmp_path / "orders.py"
    # A module's functions can be imported by a worker; those of a script, as the warning says, cannot.
    script.write_text(f"DSN = {dsn!r}\n{EXAMPLE}")
    runner = tmp_path / "run_orders.py"
    runner.write_text("import asyncio\nimport orders\n\nasyncio.run(orders.main())\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with running(runner, schema) as process:
        async with Chancy(dsn=dsn, schema=schema, discover=False) as chancy, Worker(chancy):
            await until(lambda: process.poll() is not None)
        assert process.stdout.read().splitlines() == ["Final job status: succeeded"]
    assert capfd.readouterr().out.splitlines() == [
        "Processing order 12345",
        "Order 12345 processed successfully",
    ]


async def test_the_example_as_a_script_says_where_its_function_is(dsn, schema, tmp_path):
    """Run as `__main__` it is pushed with a warning, and a worker elsewhere fails the job with the reason."""
    script = tmp_path / "orders.py"
    script.write_text(f"DSN = {dsn!r}\n{EXAMPLE}")
    with running(script, schema) as process:
        async with Chancy(dsn=dsn, schema=schema, discover=False) as chancy, Worker(chancy):
            await until(lambda: process.poll() is not None)
        out, err = process.communicate()
    assert out.splitlines() == ["Final job status: failed"]
    assert "process_order is defined in __main__" in err
