"""One action on many jobs: it touches what it counted and nothing else, and says what came of each."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from chancy import Acted, Cancellation, Chancy, Ended, Job, JobFilter, Plugin, hookimpl
from chancy.errors import InvalidConnection, InvalidFilter
from chancy_core.app import acting

MAIL = JobFilter(funcs="app.mail")


@pytest.fixture
def small_batches(monkeypatch):
    """Batches of ten, of jobs that are found seven at a time."""
    monkeypatch.setattr(acting, "BATCH", 10)
    monkeypatch.setattr(acting, "_FOUND_AT_ONCE", 7)


def finish(query, chancy: Chancy, ids, state: str = "failed") -> None:
    """Let these jobs be finished, as if they had been run."""
    query(
        "WITH gone AS (DELETE FROM {s}.jobs WHERE id = ANY (%s) RETURNING *) "
        "INSERT INTO {s}.finished_jobs (id, queue, func, priority, state, max_attempts, attempts, claims, created_at, "
        "started_at, unique_key, kwargs) "
        "SELECT id, queue, func, priority, %s, max_attempts, 1, claims + 1, created_at, now(), unique_key, kwargs "
        "FROM gone",
        [one.identifier for one in ids],
        state,
    )


def run(query, ids, worker: str = "w") -> None:
    """Let these jobs be running."""
    query(
        "UPDATE {s}.jobs SET state = 'running', worker = %s, claims = claims + 1, attempts = 1, started_at = now() "
        "WHERE id = ANY (%s)",
        worker,
        [one.identifier for one in ids],
    )


async def states(chancy: Chancy) -> dict[str, int]:
    found: dict[str, int] = {}
    page = await chancy.find_jobs(limit=1000)
    for job in page.jobs:
        found[job.state.value] = found.get(job.state.value, 0) + 1
    return found


async def test_what_a_filter_finds_is_cancelled(chancy: Chancy, query, small_batches):
    """Those that wait at once, those that run by their workers; what has finished is not looked for."""
    refs = await chancy.push_many("default", [Job(func="app.mail")] * 45)
    await chancy.push_many("default", [Job(func="app.other")] * 5)
    run(query, refs[:4])
    finish(query, chancy, refs[4:9])
    dry = await chancy.cancel_jobs(MAIL, dry_run=True)
    assert dry == Acted(found=40)
    assert await states(chancy) == {"pending": 41, "running": 4, "failed": 5}
    acted = await chancy.cancel_jobs(MAIL, reason="not today")
    assert acted == Acted(found=40, done={"cancelled": 36, "stopping": 4})
    assert str(acted) == "cancelled 36, stopping 4"
    assert await chancy.count_jobs("note:today state:cancelled func:app.mail") == await chancy.count_jobs(
        "state:cancelled"
    )
    assert await states(chancy) == {"pending": 5, "running": 4, "failed": 5, "cancelled": 36}


async def test_what_a_filter_finds_is_run_again_and_a_taken_key_is_named(chancy: Chancy, query, small_batches):
    """Failed and cancelled jobs come back; what succeeded only if that is said; a job whose key is taken stays."""
    refs = await chancy.push_many("default", [Job(func="app.mail", unique_key=f"k{n}") for n in range(30)])
    finish(query, chancy, refs[:20])
    finish(query, chancy, refs[20:], "succeeded")
    await chancy.push_many("default", [Job(func="app.new", unique_key=f"k{n}") for n in range(3)])
    acted = await chancy.retry_jobs(MAIL)
    assert acted == Acted(found=20, done={"retried": 17}, skipped={"unique key taken": 3})
    assert str(acted) == "retried 17, skipped 3 (unique key taken)"
    assert await states(chancy) == {"pending": 20, "failed": 3, "succeeded": 10}
    assert (await chancy.retry_jobs(JobFilter(states="succeeded"))).done == {"retried": 10}


async def test_only_finished_jobs_are_deleted(chancy: Chancy, query, small_batches):
    """By a filter live ones are not looked for; by name they are skipped, and that is said."""
    refs = await chancy.push_many("default", [Job(func="app.mail")] * 25)
    finish(query, chancy, refs[:12])
    finish(query, chancy, refs[12:15], "succeeded")
    assert await chancy.delete_jobs(JobFilter(states="failed")) == Acted(found=12, done={"deleted": 12})
    acted = await chancy.delete_jobs(refs)
    assert acted == Acted(found=25, done={"deleted": 3}, skipped={"gone": 12, "not finished": 10})
    assert await states(chancy) == {"pending": 10}
    assert await chancy.delete_jobs([]) == Acted()


async def test_waiting_jobs_are_changed_and_others_are_not(chancy: Chancy, query, small_batches):
    """Priority, queue and time; each only where it is given. What runs or has finished is skipped."""
    soon, later = (datetime.now(UTC) + timedelta(hours=hours) for hours in (1, 2))
    refs = await chancy.push_many("default", [Job(func="app.mail", scheduled_at=soon)] * 6 + [Job(func="app.mail")] * 6)
    run(query, refs[10:])
    finish(query, chancy, refs[9:10])
    query("INSERT INTO {s}.queues (name, executor) VALUES ('mail', 'x')")
    acted = await chancy.update_jobs(refs, priority=-5, queue="mail")
    assert acted == Acted(found=12, done={"updated": 9}, skipped={"running": 2, "finished": 1})
    jobs = await chancy.get_jobs(refs)
    assert [(job.queue, job.priority, job.state, job.scheduled_at) for job in jobs[5:7]] == [
        ("mail", -5, "scheduled", soon),
        ("mail", -5, "pending", None),
    ]
    assert (await chancy.update_jobs(JobFilter(states="scheduled"), scheduled_at=None)).done == {"updated": 6}
    assert await states(chancy) == {"pending": 9, "running": 2, "failed": 1}
    assert (await chancy.update_jobs(MAIL, scheduled_at=later)).done == {"updated": 9}
    jobs = await chancy.get_jobs(refs[:9])
    assert {(job.state.value, job.scheduled_at) for job in jobs} == {("scheduled", later)}


async def test_a_job_that_waits_for_a_retry_stays_one(chancy: Chancy, query):
    """Its attempts count, so it stays retrying; as soon as possible means that it is due."""
    reference = await chancy.push(Job(func="app.mail", max_attempts=3))
    query("UPDATE {s}.jobs SET state = 'retrying', attempts = 2, scheduled_at = now() + interval '1 day'")
    assert (await chancy.update_jobs([reference], scheduled_at=None)).done == {"updated": 1}
    job = await chancy.get_job(reference)
    assert (job.state, job.attempts) == ("retrying", 2)
    assert job.scheduled_at <= datetime.now(UTC) + timedelta(minutes=1)


async def test_a_job_without_an_attempt_left_is_no_obstacle(chancy: Chancy, query):
    """Only somebody else can have written it, and the constraints refuse it as one that can be claimed."""
    reference = await chancy.push(Job(func="app.mail", scheduled_at=datetime.now(UTC) + timedelta(hours=1)))
    query("UPDATE {s}.jobs SET attempts = max_attempts")
    assert (await chancy.update_jobs([reference], scheduled_at=None)).done == {"updated": 1}
    assert (await chancy.get_job(reference)).state == "scheduled"


async def test_jobs_that_come_while_it_runs_are_not_touched_and_are_told(chancy: Chancy, query, small_batches):
    """Whatever matches by then and was not counted stays as it is, and the result says how many there are."""
    refs = await chancy.push_many("default", [Job(func="app.mail")] * 30)
    finish(query, chancy, refs[:25])
    told: list[Acted] = []

    def progress(acted: Acted) -> None:
        told.append(acted)
        if len(told) == 5:
            assert acted.counted
            finish(query, chancy, refs[25:])

    acted = await chancy.retry_jobs(JobFilter(states="failed"), progress=progress)
    assert acted == Acted(found=25, done={"retried": 25}, new=5)
    assert "5 new, not touched" in str(acted)
    assert await states(chancy) == {"pending": 25, "failed": 5}
    assert [one.counted for one in told[:4]] == [False, False, False, True]
    assert [sum(one.done.values()) for one in told[4:]] == [10, 20, 25]


async def test_jobs_that_change_while_it_runs_are_left_alone_and_told(chancy: Chancy, query, small_batches):
    """A job that was counted as waiting and is running by then is not stopped: nobody asked for that."""
    refs = await chancy.push_many("default", [Job(func="app.mail")] * 30)

    def progress(acted: Acted) -> None:
        if acted.counted and not acted.done:
            run(query, refs[:3])
            finish(query, chancy, refs[3:5])
            query("DELETE FROM {s}.jobs WHERE id = %s", refs[5].identifier)

    acted = await chancy.cancel_jobs(JobFilter(states=["pending", "running"]), progress=progress)
    assert acted.done == {"cancelled": 24}
    assert acted.skipped == {"changed meanwhile": 3, "finished": 2, "gone": 1}
    assert await states(chancy) == {"running": 3, "failed": 2, "cancelled": 24}
    assert [job.cancel_requested for job in (await chancy.find_jobs("state:running")).jobs] == [False] * 3


@pytest.mark.parametrize("at", [1, 2, 5, 6])
async def test_it_stops_between_two_batches(chancy: Chancy, at, small_batches):
    """While it counts, nothing has been touched; later, whole batches have been done and no more."""
    await chancy.push_many("default", [Job(func="app.mail")] * 25)
    told = 0

    def progress(acted: Acted) -> bool:
        nonlocal told
        told += 1
        return told < at

    acted = await chancy.cancel_jobs(MAIL, progress=progress)
    assert acted.stopped
    assert str(acted).endswith("stopped")
    done = max(at - 4, 0) * 10
    assert sum(acted.done.values()) == done
    assert (await states(chancy)).get("cancelled", 0) == done


async def test_cancelled_by_asyncio_it_leaves_whole_batches(chancy: Chancy, small_batches):
    """Whoever cancels the task finds some batches done, and the others untouched."""
    await chancy.push_many("default", [Job(func="app.mail")] * 200)
    task: asyncio.Task | None = None
    told = 0

    def progress(acted: Acted) -> None:
        nonlocal told
        told += bool(acted.done)
        if told == 3:
            task.cancel()

    task = asyncio.create_task(chancy.cancel_jobs(MAIL, progress=progress))
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (await states(chancy))["cancelled"] in (30, 40)


class Listener(Plugin):
    """Hears of every end."""

    name = "listener"

    def __post_init__(self) -> None:
        self.heard: list[Ended] = []

    @hookimpl
    async def on_end(self, ended, connection):
        self.heard += ended


async def test_plugins_hear_of_what_ends_by_it(new_chancy, query, small_batches):
    """As they do of single ones: each end once, in its transaction."""
    listener = Listener()
    async with new_chancy(plugins=[listener]) as chancy:
        await chancy.push_many("default", [Job(func="app.mail")] * 25)
        await chancy.cancel_jobs(MAIL)
        await chancy.retry_jobs(MAIL)
    assert [one.how for one in listener.heard] == ["cancel"] * 25 + ["retry"] * 25
    assert len({(one.id, one.claims) for one in listener.heard}) == 50


async def test_connections_that_are_lost_between_batches_cost_nothing(dsn, schema, query, small_batches):
    """Each batch is done once, whatever becomes of the sessions of the application."""
    ended = 0

    def progress(acted: Acted) -> None:
        nonlocal ended
        ended += len(
            query(
                "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity "
                "WHERE pid <> pg_backend_pid() AND application_name = %s",
                schema,
            )
        )

    async with Chancy(make_conninfo(dsn, application_name=schema), schema=schema, discover=False) as chancy:
        await chancy.push_many("default", [Job(func="app.mail")] * 45)
        acted = await chancy.cancel_jobs(MAIL, progress=progress)
        assert acted == Acted(found=45, done={"cancelled": 45})
        assert await states(chancy) == {"cancelled": 45}
    assert ended >= 10


async def test_a_batch_that_fails_says_how_far_it_had_come(chancy: Chancy, query, small_batches):
    """What was done stays done, and the error carries it."""
    await chancy.push_many("default", [Job(func="app.mail", unique_key=f"k{n}") for n in range(30)])

    def progress(acted: Acted) -> None:
        if sum(acted.done.values()) == 10:
            query("ALTER TABLE {s}.finished_cancelled_default ADD CONSTRAINT none CHECK (false) NOT VALID")

    with pytest.raises(psycopg.errors.CheckViolation) as error:
        await chancy.cancel_jobs(MAIL, progress=progress)
    assert any("cancelled 10" in note for note in error.value.__notes__)
    assert (await states(chancy)) == {"pending": 20, "cancelled": 10}


async def test_named_jobs_are_acted_on_as_they_always_were(chancy: Chancy, query):
    """References give one answer for each; asked for progress or a dry run, how many of each."""
    refs = await chancy.push_many("default", [Job(func="app.mail")] * 4)
    finish(query, chancy, refs[:1])
    assert await chancy.cancel_jobs(refs, dry_run=True) == Acted(found=3, skipped={"failed": 1})
    assert await chancy.cancel_jobs(refs[:2]) == [Cancellation.FINISHED, Cancellation.CANCELLED]
    told: list[Acted] = []
    acted = await chancy.cancel_jobs(refs, progress=told.append)
    assert acted == Acted(found=4, done={"cancelled": 2}, skipped={"finished": 2})
    assert told == [acted]
    assert await chancy.retry_jobs(refs[:1]) == refs[:1]


async def test_in_a_callers_transaction_it_is_done_with_it(chancy: Chancy, query):
    """Named jobs may be changed in one's own transaction; a filter has transactions of its own."""
    refs = await chancy.push_many("default", [Job(func="app.mail")] * 4)
    finish(query, chancy, refs[:2])
    async with chancy.pool.connection() as connection:
        async with connection.transaction(force_rollback=True):
            assert (await chancy.delete_jobs(refs, connection=connection)).done == {"deleted": 2}
            assert (await chancy.update_jobs(refs, priority=1, connection=connection)).done == {"updated": 2}
        assert await states(chancy) == {"pending": 2, "failed": 2}
        with pytest.raises(InvalidFilter, match="find the jobs first"):
            await chancy.delete_jobs(MAIL, connection=connection)
    with pytest.raises(InvalidConnection):
        await chancy.delete_jobs(refs, connection=None)


def test_the_same_without_asyncio(new_chancy, query, small_batches):
    """Both faces do the same."""
    with new_chancy() as chancy:
        refs = chancy.sync_push_many("default", [Job(func="app.mail")] * 25)
        assert chancy.sync_update_jobs(MAIL, priority=3).done == {"updated": 25}
        assert chancy.sync_cancel_jobs(MAIL, dry_run=True) == Acted(found=25)
        assert chancy.sync_cancel_jobs(MAIL).done == {"cancelled": 25}
        assert chancy.sync_retry_jobs(MAIL, progress=lambda acted: not acted.done) == Acted(
            found=25, done={"retried": 10}, stopped=True
        )
        assert chancy.sync_delete_jobs(JobFilter(states="cancelled")).to_dict() == {
            "found": 15,
            "done": {"deleted": 15},
            "skipped": {},
            "counted": True,
            "stopped": False,
            "new": 0,
        }
        assert chancy.sync_count_jobs() == {"default": {"pending": 10}}
        assert len(refs) == 25
