"""`chancy retry | cancel | delete | move`: acting on many jobs from a terminal."""

from __future__ import annotations

import asyncio
import signal

import psycopg
import pytest
from support import WITHIN_S, until

from chancy import Job, Queue, Worker
from chancy_core.values.queuedjob import State

NOBODY = "01939f3c-7b1e-7c3a-8000-0123456789ab"


@pytest.fixture
async def failed(chancy):
    """Three jobs that have failed."""
    async with Worker(chancy):
        references = await chancy.push_many([Job(func="jobs.fail", meta={"n": number}) for number in range(3)])
        for reference in references:
            await reference.wait(timeout=WITHIN_S)
    return references


async def states(chancy, references):
    return [job and job.state for job in await chancy.get_jobs(references)]


async def test_more_than_one_is_asked_about(chancy, run, failed):
    """The number first; no is nothing, yes is all of them; where nobody can be asked, it says what to give."""
    terminal = asyncio.to_thread
    refused = await terminal(run.terminal, "retry", "state:failed", given="n\n")
    assert (refused.code, "Retry 3 jobs? [y/N]" in refused.out, "Nothing was done." in refused.out) == (1, True, True)
    piped = await asyncio.to_thread(run, "retry", "state:failed")
    assert (piped.code, "These are 3 jobs, and nobody is there to be asked: give --yes." in piped.words) == (1, True)
    assert await states(chancy, failed) == [State.FAILED] * 3
    done = await terminal(run.terminal, "retry", "state:failed", given="y\n")
    assert (done.code, done.out.rstrip().endswith("Retried 3.")) == (0, True), done.out
    assert await states(chancy, failed) == [State.PENDING] * 3


async def test_one_is_not_asked_about(chancy, run, failed):
    """By its id, or by a query that finds just one."""
    first, _, third = map(str, failed)
    assert (await asyncio.to_thread(run, "retry", first)).out == "Retried 1.\n"
    assert (await asyncio.to_thread(run, "delete", "meta.n:1")).out == "Deleted 1.\n"
    assert await states(chancy, failed) == [State.PENDING, None, State.FAILED]
    done = await asyncio.to_thread(run, "delete", first, third, NOBODY, "--yes")
    assert done.out == "Deleted 1, skipped 1 (not finished), skipped 1 (gone).\n"


@pytest.mark.parametrize("verb", [("retry",), ("cancel",), ("delete",), ("move", "--now")])
async def test_a_job_that_does_not_exist_is_an_error(chancy, run, verb):
    """Also if one only counts, and for programs: a slip in an id is no success."""
    for more in ((), ("--dry-run",), ("--json",)):
        done = await asyncio.to_thread(run, *verb, NOBODY, *more)
        assert (done.code, done.out) == (1, "")
        assert f"There is no job {NOBODY} in " in done.err


async def test_a_dry_run_only_counts(chancy, run, failed):
    """For people and for programs."""
    done = await asyncio.to_thread(run, "delete", "state:failed", "--dry-run")
    assert (done.code, done.out) == (0, "Would delete 3 jobs.\n")
    told = (await asyncio.to_thread(run, "cancel", "state:live", "--dry-run", "--json")).json
    assert (told["found"], told["done"]) == (0, {})
    assert await states(chancy, failed) == [State.FAILED] * 3


async def test_what_came_of_it_is_json(chancy, run, failed):
    """How many of each kind."""
    told = (await asyncio.to_thread(run, "retry", "state:failed", "--json")).json
    assert (told["found"], told["done"], told["stopped"], told["new"]) == (3, {"retried": 3}, False, 0)


async def test_waiting_jobs_are_moved(chancy, run):
    """To another queue, another priority, another time; what is wrong is told before anything is touched."""
    await chancy.declare(Queue("slow"))
    references = await chancy.push_many([Job(func="jobs.noop")] * 2)
    done = await asyncio.to_thread(
        run, "move", "queue:default", "--queue", "slow", "--priority", "7", "--in", "1h", "--yes"
    )
    assert (done.code, done.out) == (0, "Updated 2.\n"), done.err
    first, _ = await chancy.get_jobs(references)
    assert (first.queue, first.priority, first.state) == ("slow", 7, State.SCHEDULED)
    assert (await asyncio.to_thread(run, "move", str(references[0]), "--now")).code == 0
    assert await states(chancy, references) == [State.PENDING, State.SCHEDULED]
    unknown = await asyncio.to_thread(run, "move", "queue:slow", "--queue", "slwo", "--yes")
    assert (unknown.code, "UnknownQueue" in unknown.err, "slow" in unknown.err) == (1, True, True)


async def test_running_jobs_are_told_to_stop(chancy, run):
    """Those that wait are cancelled at once; the reason is kept."""
    await chancy.declare(Queue("gpu", tags=["gpu"]))
    async with Worker(chancy) as worker:
        running = await chancy.push(Job(func="jobs.sleep", kwargs={"seconds": 3600}))
        waiting = await chancy.push(Job(func="jobs.noop", queue="gpu"))
        await until(lambda: worker.running)
        done = await asyncio.to_thread(run, "cancel", "state:live", "--yes", "--reason", "wrong day")
        assert {"Cancelled 1, stopping 1.\n", "Stopping 1, cancelled 1.\n"} & {done.out}
        await running.wait(timeout=WITHIN_S)
    jobs = await chancy.get_jobs([running, waiting])
    assert [(job.state, job.note) for job in jobs] == [(State.CANCELLED, "wrong day")] * 2


async def test_ctrl_c_ends_it_after_a_whole_batch(chancy, run, dsn, schema, query):
    """It says what was done, and exits with a code of its own; the others are as they were."""
    references = await chancy.push_many([Job(func="jobs.noop") for _ in range(1500)])
    # The first batch, of the newest, waits for this row, so that the signal comes while it is under way.
    with psycopg.connect(dsn) as held:
        held.execute(f'SELECT 1 FROM "{schema}".jobs WHERE id = %s FOR UPDATE'.encode(), [references[-1].identifier])
        process = run.start("cancel", "state:pending", "--yes")
        waiting = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE %s"
        await until(lambda: query(waiting, f'%%"{schema}"%%'.replace("%%", "%")) != [])
        process.send_signal(signal.SIGINT)
        assert await asyncio.to_thread(process.stderr.readline) == "Stopping after this batch …\n"
    out, err = await asyncio.to_thread(process.communicate)
    assert process.returncode == 12, err
    cancelled = sum(job.state is State.CANCELLED for job in await chancy.get_jobs(references))
    assert 0 < cancelled < 1500
    assert out == f"Cancelled {cancelled:,}, stopped.\n"


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["retry"], 2, "Say which jobs: chancy retry state:failed since:2h, say; or their ids."),
        (["delete", "  "], 2, "Say which jobs"),
        (["retry", "stat:failed"], 1, "Did you mean 'state'"),
        (["delete", "state:running"], 1, "leaves no jobs that this can be done to"),
        (["move", "state:pending"], 2, "Say what is to change: --queue, --priority, --at, --in or --now."),
        (["move", "state:live", "--now", "--in", "1h"], 2, "--now excludes --at and --in."),
        (
            ["move", "state:live", "--at", "2030-01-31T08:00+01:00", "--in", "1h"],
            2,
            "--at and --in exclude each other.",
        ),
        (["move", "state:live", "--at", "2030-01-31T08:00"], 2, "has no offset"),
        (["move", "state:live", "--in", "soon"], 2, "give a whole number and a unit"),
    ],
)
async def test_what_cannot_be_done_is_told(chancy, run, arguments, code, told):
    """In a line, and nothing is touched."""
    reference = await chancy.push(Job(func="jobs.noop"))
    done = await asyncio.to_thread(run, *arguments)
    assert (done.code, told in done.words) == (code, True), done.words
    assert (await chancy.get_job(reference)).state is State.PENDING
