"""What a worker believes of what comes out of a child: a job may say there whatever it likes."""

from __future__ import annotations

import asyncio
import resource
import uuid
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import untrue_jobs
from support import WITHIN_S, until

from chancy_core.executors import ExecutorSettings
from chancy_core.executors.functions import Functions
from chancy_core.executors.process import ProcessExecutor
from chancy_core.executors.processes.frames import BESIDES_BYTES, HEADER_BYTES, Frames, FrameTooLarge, raw_frame
from chancy_core.executors.report import Report
from chancy_core.values.queuedjob import Progress, QueuedJob, State

RESULT_LIMIT, META_LIMIT = 10_000, 5_000
LARGEST = RESULT_LIMIT + META_LIMIT + BESIDES_BYTES


@pytest.fixture
async def executor() -> AsyncIterator[ProcessExecutor]:
    told: list[Progress] = []

    def progressed(_job: QueuedJob, progress: Progress) -> None:
        told.append(progress)

    settings = ExecutorSettings(
        "test", 1, RESULT_LIMIT, Functions(), progressed=progressed, meta_limit_bytes=META_LIMIT
    )
    made = ProcessExecutor(settings, grace_s=0.2)
    made.told = told
    yield made
    await made.close()


async def run(executor: ProcessExecutor, func: Callable[..., Any] | str, **kwargs: Any) -> Report:
    name = func if isinstance(func, str) else f"{func.__module__}.{func.__qualname__}"
    job = QueuedJob(func=name, kwargs=kwargs, id=uuid.uuid4(), state=State.RUNNING, attempts=1, claims=1)
    report = await asyncio.wait_for(executor.run(job), WITHIN_S)
    executor.forget(job)
    return report


async def goes_on(executor: ProcessExecutor) -> None:
    """The next job finds a child that works."""
    assert (await run(executor, "jobs.echo", value=7)).result == b"7"


@pytest.mark.parametrize("size", [LARGEST + 1, 2**31, 2**32 - 1])
async def test_a_frame_that_is_too_large_is_not_received(executor, size):
    """The run fails and says why, the worker takes no memory for it, and another child takes the next job."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    report = await run(executor, untrue_jobs.announces, size=size)
    assert report.error.type == "ChildProcessDied"
    assert f"sent a message of {size:,} bytes, where {LARGEST:,} are allowed, and was killed" in report.error.message
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 * 1024
    await goes_on(executor)


async def test_a_result_above_the_limit_is_left_out_by_the_worker(executor):
    """Although the child lets it pass; one of just the limit is kept."""
    report = await run(executor, untrue_jobs.finishes, result=RESULT_LIMIT + 1)
    assert (report.error, report.result) == (None, None)
    assert "it takes 10,001 bytes as JSON, and the limit is 10,000" in report.note


async def test_a_result_of_just_the_limit_is_kept(executor):
    """The largest result, with the largest meta, fits into a frame."""
    report = await run(executor, untrue_jobs.finishes, result=RESULT_LIMIT, meta=META_LIMIT)
    assert (len(report.result), len(report.meta), report.note) == (RESULT_LIMIT, META_LIMIT, None)


async def test_a_meta_above_the_limit_is_left_out_by_the_worker(executor):
    """As a result is, and the note says so."""
    report = await run(executor, untrue_jobs.finishes, meta=META_LIMIT + 1)
    assert (report.error, report.meta) == (None, None)
    assert "the job's meta was not kept: it takes 5,001 bytes" in report.note


@pytest.mark.parametrize("told", [{"fraction": 2.0}, {"fraction": -1.0}, {}])
async def test_a_progress_that_is_none_costs_the_child(executor, told):
    """What `progress` refuses is not passed on because it comes from a child."""
    report = await run(executor, untrue_jobs.progresses, **told)
    assert "wrote into the line to its worker" in report.error.message
    assert executor.told == []
    await goes_on(executor)


async def test_a_note_of_progress_is_bounded_by_the_worker(executor):
    """A child may tell a note that is longer than those of `progress`, or cannot be stored."""
    running = asyncio.create_task(run(executor, untrue_jobs.progresses, fraction=0.5, note="\x00" + "x" * 9000))
    await until(lambda: executor.told)
    assert (len(executor.told[0].note), "\x00" in executor.told[0].note) == (503, False)
    running.cancel()
    await asyncio.wait({running})


async def test_what_is_nested_too_deeply_costs_the_child(executor):
    """Whatever reading it raises."""
    report = await run(executor, untrue_jobs.nests)
    assert report.error.type == "ChildProcessDied"
    await goes_on(executor)


async def test_somebody_who_goes_on_talking_for_a_dead_child_does_not_hold_the_loop(executor):
    """What a child said last is read when it has ended, but no more than it can have said."""
    report = await run(executor, untrue_jobs.leaves_a_talker)
    assert report.error.type == "ChildProcessDied"
    await goes_on(executor)


def test_frames_that_are_as_large_as_allowed_are_put_together():
    """In any pieces; one more byte is refused when its header is there, before the rest comes."""
    frames = Frames(5)
    data = raw_frame(b"12345") + raw_frame(b"") + raw_frame(b"1")
    assert [body for n in range(len(data)) for body in frames.feed(data[n : n + 1])] == [b"12345", b"", b"1"]
    with pytest.raises(FrameTooLarge, match="sent a message of 6 bytes, where 5 are allowed"):
        list(frames.feed((6).to_bytes(HEADER_BYTES, "big")))
