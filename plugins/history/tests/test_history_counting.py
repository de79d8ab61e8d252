"""What workers count and write."""

import asyncio
import uuid
from datetime import UTC, datetime, timedelta

import history_jobs
import psycopg
import pytest

from chancy import Backoff, Job, Outcome, Queue, QueuedJob, State, Worker
from chancy_history import History, rates
from chancy_history.recorder import OTHER, Counted, Recorder
from chancy_history.store import add

ALL = "SELECT func, started, first, succeeded, failed, cancelled, retried, returned FROM {s}.history_v1 ORDER BY func"
TOTALS = (
    "SELECT func, sum(started), sum(first), sum(succeeded), sum(failed), sum(cancelled), sum(retried), sum(returned) "
    "FROM {s}.history_v1 GROUP BY func ORDER BY func"
)
NOW = datetime(2030, 1, 31, 12, tzinfo=UTC)


def claimed(func="a.b", queue="default", *, waited_s=1.0, claims=1):
    created = NOW - timedelta(seconds=waited_s)
    return QueuedJob(
        id=uuid.uuid4(), func=func, queue=queue, state=State.RUNNING, claims=claims, created_at=created, started_at=NOW
    )


async def test_each_end_is_counted_as_what_it_is(chancy, query, until):
    """Successes, failures, retries, cancels and snoozes of several functions, each once, in the row of its function."""
    failing = Job.from_func(history_jobs.fail).with_max_attempts(2).with_backoff(Backoff(base_s=0.01))
    jobs = [Job.from_func(history_jobs.nothing)] * 30 + [Job.from_func(history_jobs.other)] * 3 + [failing] * 2
    jobs += [Job.from_func(history_jobs.cancel)]
    wanted = [
        ("history_jobs.cancel", 1, 1, 0, 0, 1, 0, 0),
        ("history_jobs.fail", 4, 2, 0, 2, 0, 2, 0),
        ("history_jobs.nothing", 30, 30, 30, 0, 0, 0, 0),
        ("history_jobs.other", 3, 3, 3, 0, 0, 0, 0),
        ("history_jobs.snooze", 1, 1, 0, 0, 0, 0, 1),
    ]
    async with Worker(chancy):
        await chancy.push("default", Job.from_func(history_jobs.snooze))
        await chancy.wait_for_jobs(await chancy.push_many(jobs), timeout=60)
        await until(lambda: query(TOTALS) == wanted)


async def test_a_worker_that_stops_writes_what_it_had_not_written(new_chancy, query):
    """The last seconds before a deploy are not lost."""
    async with new_chancy(History(interval=60)) as chancy:
        async with Worker(chancy):
            await chancy.wait_for_jobs(await chancy.push_many([Job.from_func(history_jobs.nothing)] * 5), timeout=60)
        assert query("SELECT sum(succeeded), sum(started) FROM {s}.history_v1") == [(5, 5)]


async def test_two_workers_add_to_the_same_row(new_chancy, query):
    """Rows of one minute and function are added up, buckets included, whoever writes them."""
    for _ in range(2):
        async with new_chancy(History(interval=60)) as chancy, Worker(chancy):
            jobs = [Job.from_func(history_jobs.nothing)] * 5
            await chancy.wait_for_jobs(await chancy.push_many(jobs), timeout=60)
    found = query("SELECT sum(succeeded), sum((SELECT sum(n) FROM unnest(runs) AS n)) FROM {s}.history_v1")
    assert found == [(10, 10)]
    # A minute may have ended between the two.
    assert query("SELECT count(*) <= 2 FROM {s}.history_v1") == [(True,)]


async def test_what_was_written_but_not_answered_counts_once(chancy, query, tick_of, monkeypatch):
    """A worker that is told to stop while it writes hears no answer and writes again; others are not concerned."""
    plugin, other = History(), History()

    async def unanswered(*arguments):
        await add(*arguments)
        raise asyncio.CancelledError

    for each in (plugin, other):
        each.on_claim([claimed()])
    monkeypatch.setattr("chancy_history.plugin.add", unanswered)
    with pytest.raises(asyncio.CancelledError):
        await plugin.on_tick(tick_of(chancy))
    monkeypatch.undo()
    assert query("SELECT sum(started) FROM {s}.history_v1") == [(1,)]
    plugin.on_claim([claimed()])
    for _ in range(2):
        await plugin.on_tick(tick_of(chancy))
        await other.on_tick(tick_of(chancy))
    assert query("SELECT sum(started) FROM {s}.history_v1") == [(3,)]


async def test_what_could_not_be_written_is_written_later(chancy, query, tick_of):
    """An outage between two writings loses nothing that the worker has counted."""
    plugin = History()
    plugin.on_claim([claimed()])
    query("ALTER TABLE {s}.history_minutes RENAME TO elsewhere")
    with pytest.raises(psycopg.errors.UndefinedTable):
        await plugin.on_tick(tick_of(chancy))
    query("ALTER TABLE {s}.elsewhere RENAME TO history_minutes")
    plugin.on_claim([claimed()])
    await plugin.on_tick(tick_of(chancy))
    assert query("SELECT started, first FROM {s}.history_v1") == [(2, 2)]


def test_functions_without_end_are_one_row():
    """A program that makes up functions and queues makes up no rows: beyond the bound they are counted together."""
    recorder = Recorder(3)
    for n in range(100):
        recorder.claimed([claimed(f"made.up.{n}"), claimed(f"made.up.{n}")])
    for n in range(100):
        recorder.claimed([claimed("a.b", f"queue-{n}")])
    taken = recorder.take()
    assert len(taken) <= 2 * 3 + 1
    assert taken["default", OTHER].started == 97 * 2
    assert sum(counted.started for counted in taken.values()) == 300
    assert taken[OTHER, OTHER].started > 0
    assert recorder.take() == {}


def test_a_mixed_batch_is_counted_by_queue_and_function():
    """The way for batches of one function, and the one for others, count the same."""
    recorder = Recorder(100)
    jobs = [claimed("a.b"), claimed("c.d"), claimed("a.b", "mail"), claimed("a.b")]
    recorder.recorded([Outcome(job=job, state=State.SUCCEEDED, run_s=0.001 * 10**n) for n, job in enumerate(jobs)])
    taken = recorder.take()
    assert {name: counted.succeeded for name, counted in taken.items()} == {
        ("default", "a.b"): 2,
        ("default", "c.d"): 1,
        ("mail", "a.b"): 1,
    }
    runs = taken["default", "a.b"].runs
    assert (runs[0], runs[7], sum(runs)) == (1, 1, 2)


def test_only_first_runs_wait():
    """A run after a retry says nothing about how long jobs wait for a worker."""
    counted = Counted()
    counted.begin([claimed(waited_s=2), claimed(waited_s=1000, claims=2)])
    assert (counted.started, counted.first, counted.wait_s) == (2, 1, 2.0)


def test_jobs_of_one_push_wait_as_others_do():
    """The short way for jobs that were pushed together counts what the long one does."""
    together, apart = Counted(), Counted()
    together.begin([claimed(waited_s=2)] * 3)
    apart.begin([claimed(waited_s=2), claimed(waited_s=2), claimed(waited_s=2), claimed(waited_s=0.5)])
    assert (together.first, together.wait_s) == (3, 6.0)
    assert (apart.first, apart.wait_s) == (4, 6.5)
    assert sum(together.waits) == 3
    assert [a - b for a, b in zip(apart.waits, together.waits, strict=True) if a != b] == [1]


async def test_every_queue_has_its_depth_once_a_minute(chancy, query, tick_of):
    """How many jobs wait is kept for each declared queue, by one worker, however many ask for it."""
    await chancy.declare(Queue("mail", tags=["nobody"]))
    await chancy.push_many([Job.from_func(history_jobs.nothing).with_queue("mail")] * 7)
    for _ in range(3):
        await History().on_tick(tick_of(chancy))
    found = query("SELECT DISTINCT queue, pending FROM {s}.history_depths_v1 ORDER BY queue")
    assert found == [("default", 0), ("mail", 7)]


async def test_a_long_queue_is_not_counted_to_its_end(chancy, query, tick_of, monkeypatch):
    """Its depth is unknown, and so is how much it grows."""
    monkeypatch.setattr("chancy_history.store.DEPTH_MOST", 5)
    await chancy.declare(Queue("mail", tags=["nobody"]))
    await chancy.push_many([Job.from_func(history_jobs.nothing).with_queue("mail")] * 7)
    await History().on_tick(tick_of(chancy))
    assert query("SELECT pending FROM {s}.history_depths_v1 WHERE queue = 'mail'") == [(None,)]
    assert (await rates(chancy)).rows == ()


async def test_hours_are_made_of_minutes_and_old_rows_go(chancy, query, remember, tick_of):
    """Each hour that is over becomes one row, once; what is old goes; nothing is counted twice."""
    remember(3 * 3600, 5)
    remember(3 * 3600, 7, func="c.d")
    remember(50 * 3600, 11)
    remember(91 * 86_400, 13, table="hours")
    remember(60, 1)
    for _ in range(2):
        await History().on_tick(tick_of(chancy))
    hours = query("SELECT func, succeeded, waits[4] FROM {s}.history_hours ORDER BY succeeded")
    assert hours == [("a.b", 5, 5), ("c.d", 7, 7), ("a.b", 11, 11)]
    assert query("SELECT sum(succeeded) FROM {s}.history_minutes") == [(13,)]
    assert query("SELECT sum(succeeded) FROM {s}.history_v1") == [(24,)]


async def test_one_worker_at_a_time_does_the_upkeep(chancy, query, remember, tick_of):
    """Without a leader every worker would, and while one is at it the others go on."""
    remember(3 * 3600, 5)
    async with chancy.pool.connection() as connection, connection.transaction():
        await connection.execute(
            "SELECT pg_advisory_xact_lock(hashtext('chancy_history'), hashtext(%s))", [chancy.settings.schema]
        )
        await History().on_tick(tick_of(chancy))
        assert query("SELECT count(*) FROM {s}.history_hours") == [(0,)]
    await History().on_tick(tick_of(chancy))
    assert query("SELECT count(*) FROM {s}.history_hours") == [(1,)]
