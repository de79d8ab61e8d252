"""Pruning: what is old is dropped and swept; nothing else is touched."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import psycopg
import pytest
from lengths import DAY, HOUR, LEFT

from chancy import Worker, job
from chancy_pruner import Pruner
from chancy_pruner.store import PrunerStore


@job()
async def nothing():
    """Does nothing."""


async def test_only_partitions_that_are_wholly_old_are_dropped(rounds, partition, finish, query):
    """One second too young is too young."""
    old = partition(30 * HOUR, 25 * HOUR)
    young = partition(25 * HOUR, 24 * HOUR - 60)
    finish(1_000, 27 * HOUR)
    finish(10, 24.5 * HOUR)
    done = await rounds()
    assert done.dropped == [old]
    assert query(LEFT) == [(10,)]
    assert query(f"SELECT count(*) FROM {{s}}.{young}") == [(10,)]


async def test_outcomes_are_kept_as_long_as_each_says(rounds, partition, finish, query):
    """Failed jobs outlive the others."""
    for state in ("succeeded", "failed", "cancelled"):
        partition(3 * DAY, 2 * DAY, state)
        finish(5, 2.5 * DAY, state)
        finish(5, 30 * DAY, state)
    await rounds(keep={"cancelled": "forever"})
    assert query("SELECT state, count(*) FROM {s}.finished_jobs GROUP BY 1 ORDER BY 1") == [
        ("cancelled", 10), ("failed", 5),
    ]  # fmt: skip


async def test_a_reader_is_not_waited_for(dsn, schema, rounds, partition, finish, query):
    """A drop gives up behind a long transaction, jobs go on finishing meanwhile, and a later round succeeds."""
    old = partition(3 * DAY, 2 * DAY)
    finish(10, 2.5 * DAY)
    async with await psycopg.AsyncConnection.connect(dsn) as reader:
        await reader.execute(f'SELECT count(*) FROM "{schema}".finished_jobs'.encode())
        pruning = asyncio.create_task(rounds(lock_s=0.05))
        while not pruning.done():
            await asyncio.to_thread(finish, 1, 0)
            await asyncio.sleep(0.01)
        done = pruning.result()
    assert not done.dropped
    assert done.put_off["succeeded", "drop"]
    assert done.put_off["succeeded", "make"]
    assert done.put_off["failed", "make"]
    done = await rounds()
    assert done.dropped == [old]
    assert not done.put_off
    ((left,),) = query(LEFT)
    assert left > 0


async def test_a_partition_in_use_holds_up_neither_the_others_nor_the_workers(
    dsn, schema, rounds, partition, finish, query
):
    """As by a vacuum that takes its time."""
    await rounds()
    used = partition(3 * DAY, 2 * DAY + 60)
    free = partition(2 * DAY, 1.5 * DAY)
    async with await psycopg.AsyncConnection.connect(dsn) as vacuum:
        await vacuum.execute(f'LOCK TABLE "{schema}"."{used}" IN SHARE UPDATE EXCLUSIVE MODE'.encode())
        pruning = asyncio.create_task(rounds(lock_s=60))
        recorded = 0
        while not pruning.done():
            # Whoever stood behind a lock that is waited for would come back when the round has ended.
            await asyncio.to_thread(finish, 1, 0)
            recorded += not pruning.done()
        done = pruning.result()
    assert done.dropped == [free]
    assert done.put_off.keys() == {("succeeded", "drop")}
    assert recorded
    assert (await rounds()).dropped == [used]


async def test_two_at_once_do_each_thing_once(rounds, listed, partition, finish, query):
    """Leadership saves work, and is not what makes this right."""
    for number in range(6):
        partition((number + 3) * DAY, (number + 2) * DAY + 60)
    finish(2_000, 30 * DAY)
    finish(100, HOUR)
    both = await asyncio.gather(*(rounds() for _ in range(4)))
    while any(one.put_off for one in both):
        both = await asyncio.gather(*(rounds() for _ in range(2)))
    found = await listed()
    assert len(found) == len({one.from_at for one in found}) >= 4
    assert all(one.to_at > one.now - timedelta(days=1) for one in found)
    assert query(LEFT) == [(100,)]


async def test_the_default_partition_is_swept(rounds, finish, query):
    """By batches, and only what is old."""
    finish(3_000, 2 * DAY)
    finish(20, 23 * HOUR)
    done = await rounds(batch_rows=700)
    assert done.deleted == {("succeeded", "everything else"): 3_000}
    assert query(LEFT) == [(20,)]


async def test_the_first_rule_that_matches_and_names_the_outcome_decides(rounds, partition, finish, query):
    """Patterns are by queue and function; LIKE's own letters mean themselves."""
    partition(10 * HOUR, HOUR)
    for queue, func in (("mail", "a.b"), ("mail", "keep.me"), ("x_1", "a.b"), ("xy1", "a.b"), ("q", "noise.tick")):
        finish(10, 5 * HOUR, "succeeded", queue, func)
        finish(10, 5 * HOUR, "failed", queue, func)
    done = await rounds(
        rules=[
            {"name": "kept", "queue": "mail", "func": "keep.*", "keep": {"succeeded": "6h"}},
            {"name": "mail", "queue": ["mail", "post"], "keep": {"succeeded": "1h"}},
            {"name": "under", "queue": "x_?", "keep": {"succeeded": "1h"}},
            {"name": "noise", "func": "noise.*", "keep": {"failed": "1h", "succeeded": "2h"}},
            {"name": "late", "func": "noise.*", "keep": {"succeeded": "20h"}},
        ]
    )
    assert done.deleted == {
        ("succeeded", "mail"): 10,
        ("succeeded", "under"): 10,
        ("succeeded", "noise"): 10,
        ("failed", "noise"): 10,
    }
    assert query("SELECT queue, func FROM {s}.finished_succeeded GROUP BY 1, 2 ORDER BY 1") == [
        ("mail", "keep.me"), ("xy1", "a.b"),
    ]  # fmt: skip


async def test_a_rule_may_keep_longer_than_the_rest(rounds, partition, finish, query):
    """The partition then stays, and the rest is deleted from it."""
    partition(3 * DAY, 2 * DAY)
    finish(10, 2.5 * DAY, func="pay.out")
    finish(10, 2.5 * DAY)
    done = await rounds(rules=[{"func": "pay.*", "keep": {"succeeded": "90d"}}])
    assert not done.dropped
    assert query("SELECT func, count(*) FROM {s}.finished_jobs GROUP BY 1") == [("pay.out", 10)]


async def test_rows_that_somebody_holds_are_left(dsn, schema, rounds, finish, query):
    """A sweep never waits."""
    finish(100, 2 * DAY)
    async with await psycopg.AsyncConnection.connect(dsn) as holder:
        await holder.execute(f'SELECT 1 FROM "{schema}".finished_jobs LIMIT 40 FOR UPDATE'.encode())
        done = await rounds()
        assert sum(done.deleted.values()) == 60
    await rounds()
    assert query(LEFT) == [(0,)]


@pytest.mark.new_tables  # whose pages are counted
async def test_a_batch_reads_no_more_than_its_pages(chancy, finish, query):
    """However large the partition: the plan is a walk over a range of pages."""
    finish(20_000, 2 * DAY)
    query("ANALYZE {s}.finished_succeeded_default")
    async with chancy.pool.connection() as connection:
        store = PrunerStore(chancy.settings.schema, connection)
        retention = Pruner().retentions[0]
        for page in range(0, 80, 10):
            await store.sweep(retention, "finished_succeeded_default", page, page + 10, 5_000)
        (left,) = query("SELECT count(*), min((ctid::text::point)[0])::int FROM {s}.finished_succeeded_default")
    assert left[1] == 80
    assert left[0] > 0


async def test_a_finished_walk_is_not_walked_again(chancy, partition, finish):
    """Once everything in a partition was due and is gone, it costs nothing."""
    partition(10 * HOUR, 5 * HOUR)
    finish(50, 7 * HOUR)
    finish(50, 7 * HOUR, func="noise.tick")
    pruner = Pruner(rules=[{"func": "noise.*", "keep": {"succeeded": "1h"}}])
    async with chancy.pool.connection() as connection:
        store = PrunerStore(chancy.settings.schema, connection)
        rounds = pruner.rounds()
        assert (await rounds.run(store, budget_s=20)).deleted.total() == 50
        (walk,) = rounds._walks.values()
        assert not walk.done
        walk._not_before = 0
        assert (await rounds.run(store, budget_s=20)).deleted.total() == 0
        assert walk.done


async def test_a_role_that_may_only_delete_still_prunes(dsn, chancy, schema, partition, finish, query):
    """Without partitions of its own, by batches, and it says why."""
    partition(3 * DAY, 2 * DAY)
    finish(10, 2.5 * DAY)
    finish(10, 2 * DAY)
    role = f"{schema}_role"
    query(f"CREATE ROLE {role}")
    query(
        f"GRANT USAGE ON SCHEMA {{s}} TO {role}; GRANT SELECT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {{s}} TO {role}"
    )
    try:
        async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as connection:
            await connection.execute(f"SET ROLE {role}".encode())
            done = await Pruner().rounds().run(PrunerStore(schema, connection), budget_s=20)
    finally:
        query(f"DROP OWNED BY {role}; DROP ROLE {role}")
    assert "owns the tables" in done.put_off["succeeded", "make"]
    assert "owns the tables" in done.put_off["succeeded", "drop"]
    assert query(LEFT) == [(0,)]


async def test_live_jobs_are_never_touched(chancy, rounds, query):
    """Whatever their state and however old."""
    await chancy.push_many(nothing.job for _ in range(40))
    query(
        "UPDATE {s}.jobs SET created_at = now() - interval '1 year', scheduled_at = now() - interval '1 year', "
        "state = (ARRAY['scheduled', 'pending', 'running', 'retrying'])[1 + n %% 4], "
        "worker = CASE WHEN n %% 4 = 2 THEN 'w' END "
        "FROM (SELECT id, row_number() OVER () AS n FROM {s}.jobs) AS numbered WHERE numbered.id = jobs.id"
    )
    shortest = dict.fromkeys(("succeeded", "failed", "cancelled"), "10s")
    before = query("SELECT * FROM {s}.jobs ORDER BY id")
    await rounds(keep=shortest, rules=[{"queue": "*", "func": "*", "keep": shortest}])
    assert query("SELECT * FROM {s}.jobs ORDER BY id") == before
    assert {row[4] for row in before} == {"scheduled", "pending", "running", "retrying"}


async def test_a_worker_prunes_while_jobs_finish(new_chancy, partition, finish, query, until):
    """The hook itself, beside jobs that run: partitions come and go, and every job ends."""
    async with new_chancy(Pruner(interval=0.05)) as chancy:
        await chancy.migrate()
        old = partition(3 * DAY, 2 * DAY)
        finish(5_000, 2.5 * DAY)
        async with Worker(chancy, concurrency=50):
            references = await chancy.push_many(nothing.job for _ in range(3_000))
            jobs = await chancy.wait_for_jobs(list(references)[-100:], timeout=60)
            assert {one.state for one in jobs} == {"succeeded"}

            async def answers(text, wanted):
                # Not on the loop: the query may wait for a lock that the pruner holds, which goes on there.
                return await asyncio.to_thread(query, text) == [(wanted,)]

            await until(lambda: answers(LEFT, 3_000))
            await until(lambda: answers(f"SELECT to_regclass('{{s}}.{old}') IS NULL", wanted=True))
            assert not chancy.plugins.last_error


async def test_an_outage_is_weather(chancy, tick_of):
    """A tick without a database ends quietly."""

    class Away:
        async def __aenter__(self):
            raise psycopg.OperationalError("away")

        async def __aexit__(self, *error):
            return None

    await Pruner().on_tick(tick_of(chancy, connect=Away))
