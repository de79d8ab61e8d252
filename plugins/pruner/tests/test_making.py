"""Pruning: partitions are made ahead."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from itertools import pairwise

import psycopg
import pytest
from lengths import DAY, HOUR, LEFT
from psycopg.conninfo import make_conninfo

from chancy_pruner import Pruner
from chancy_pruner.store import PrunerStore


async def test_partitions_are_made_ahead_for_every_outcome(rounds, listed, finish, query):
    """Adjoining, from a moment that has not come until three widths from now, and jobs finish into them."""
    ((before,),) = query("SELECT now()")
    done = await rounds()
    assert not done.put_off
    ((now,),) = query("SELECT now()")
    for state, width in (("succeeded", 3 * HOUR), ("failed", DAY), ("cancelled", 3 * HOUR)):
        found = await listed(state)
        assert all(one.to_at - one.from_at == timedelta(seconds=width) for one in found[1:])
        assert all(one.to_at == other.from_at for one, other in pairwise(found))
        assert now < found[0].from_at < now + timedelta(minutes=1)
        assert found[-1].to_at >= before + timedelta(seconds=3 * width)
        finish(1, -60, state)
        assert query(f"SELECT count(*) FROM {{s}}.finished_{state}_default") == [(0,)]
    again = await rounds()
    assert not again.made


async def test_a_partition_is_like_those_of_the_kernel(rounds, query):
    """Columns, defaults and indexes of a table that was made by the migration; and no constraint is left behind."""
    await rounds()
    columns = (
        "SELECT column_name, data_type, is_nullable, column_default FROM information_schema.columns "
        "WHERE table_schema || '.' = replace('{s}.', '\"', '') AND table_name = %s ORDER BY 1"
    )
    ((made,),) = query("SELECT min(tablename) FROM pg_tables WHERE schemaname = replace('{s}', '\"', '') AND tablename "
                       "LIKE 'finished_failed_p%%'")  # fmt: skip
    assert query(columns, made) == query(columns, "finished_failed_default") != []
    indexes = "SELECT count(*) FROM pg_index WHERE indrelid = ('{s}.' || %s)::regclass"
    assert query(indexes, made) == query(indexes, "finished_failed_default") == [(1,)]
    assert query("SELECT count(*) FROM pg_constraint WHERE conname LIKE 'pruner%%' AND connamespace = "
                 "replace('{s}', '\"', '')::regnamespace") == [(0,)]  # fmt: skip


async def test_jobs_finish_and_are_read_while_partitions_come_and_go(dsn, schema, rounds, listed, partition, query):
    """Nobody is refused, nothing is missing, and nothing is there twice."""
    insert = (
        f'INSERT INTO "{schema}".finished_jobs (id, queue, func, priority, state, max_attempts, attempts, claims, '
        "created_at) SELECT gen_random_uuid(), 'q', 'a.b', 0, unnest(%s::text[]), 1, 1, 1, now() RETURNING id"
    )
    states = ["succeeded", "failed", "cancelled"] * 20
    ids: list = []
    stop = asyncio.Event()

    async def finish_and_read():
        async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as connection:
            while not stop.is_set():
                rows = await (await connection.execute(insert.encode(), [states])).fetchall()
                some = [id_ for (id_,) in rows]
                ids.extend(some)
                found = f'SELECT count(*) FROM "{schema}".finished_jobs WHERE id = ANY (%s)'
                cursor = await connection.execute(found.encode(), [some])
                assert await cursor.fetchone() == (len(some),)

    busy = [asyncio.create_task(finish_and_read()) for _ in range(3)]
    made = dropped = 0
    for number in range(12):
        partition(1000 * DAY - number * DAY, 999 * DAY - number * DAY + 60)
        done = await rounds()
        made, dropped = made + len(done.made), dropped + len(done.dropped)
        for one in await listed():
            if one.from_at > one.now:
                query(f"DROP TABLE {{s}}.{one.name}")
        await asyncio.sleep(0)
    stop.set()
    await asyncio.gather(*busy)
    assert made > 12
    assert dropped > 6
    assert query("SELECT count(*), count(DISTINCT id) FROM {s}.finished_jobs") == [(len(ids), len(ids))]


async def test_a_gap_is_left_to_the_default_partition(rounds, listed, partition, finish, query):
    """Where no pruner ran for long, partitions begin anew a moment from now."""
    partition(5 * HOUR, 2 * HOUR)
    finish(10, HOUR)
    done = await rounds()
    assert not done.put_off
    ((now,),) = query("SELECT now()")
    old, new, *_ = await listed()
    assert old.to_at < now < new.from_at
    assert query("SELECT count(*) FROM {s}.finished_succeeded_default") == [(10,)]


async def test_a_default_partition_that_takes_too_long_to_read_is_pruned_first(rounds, finish, query):
    """It is not locked for longer than was allowed; its jobs are deleted all the same, and then it fits."""
    finish(30_000, 2 * DAY)
    done = await rounds(hold_s=0.001)
    assert "raise hold_s" in done.put_off["succeeded", "make"]
    assert done.deleted == {("succeeded", "everything else"): 30_000}
    query("VACUUM {s}.finished_succeeded_default")
    assert not (await rounds()).put_off


async def test_jobs_from_the_future_are_no_obstacle(rounds, finish, query):
    """As left by a clock that was wrong: they move into the partition that covers them."""
    finish(3, -5 * HOUR)
    finish(4, 5 * HOUR)
    done = await rounds()
    assert not done.put_off
    assert query("SELECT count(*) FROM {s}.finished_succeeded_default") == [(4,)]
    assert query(LEFT) == [(7,)]


async def test_many_jobs_from_the_future_are_left_where_they_are(rounds, listed, finish, query):
    """Rather than moved under a lock: the partitions begin after them."""
    finish(6_000, -120)
    ((latest,),) = query("SELECT max(finished_at) FROM {s}.finished_jobs")
    done = await rounds()
    assert not done.put_off
    assert (await listed())[0].from_at > latest
    assert query("SELECT count(*) FROM {s}.finished_succeeded_default") == [(6_000,)]


async def test_a_changed_width_goes_on_where_the_old_one_ended(rounds, listed):
    """Without gap or overlap."""
    await rounds(width={"succeeded": "1h"})
    before = await listed()
    await rounds(width={"succeeded": "6h"})
    found = await listed()
    assert len(found) > len(before)
    assert all(one.to_at == other.from_at for one, other in pairwise(found))


@pytest.mark.parametrize("setting", ["TimeZone=Asia/Kolkata", "DateStyle=SQL,DMY"])
async def test_bounds_are_read_whatever_a_session_shows(dsn, schema, rounds, listed, partition, finish, query, setting):
    """Time zones and date styles are somebody else's choice."""
    old = partition(3 * DAY, 2 * DAY)
    finish(10, 2.5 * DAY)
    # A connection of its own: other tests share the database, and Chancy's own show times as psycopg reads them.
    odd = make_conninfo(dsn, options=f"-c {setting}")
    async with await psycopg.AsyncConnection.connect(odd, autocommit=True) as fresh:
        name, _, value = setting.partition("=")
        ((shown,),) = await (await fresh.execute(f"SHOW {name}".encode())).fetchall()
        assert shown.replace(" ", "") == value
        done = await Pruner().rounds().run(PrunerStore(schema, fresh), budget_s=20)
    assert done.dropped == [old]
    assert not done.put_off
    assert not (await rounds()).made
    assert query(LEFT) == [(0,)]
