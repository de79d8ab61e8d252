"""`chancy status`: the whole on one screen."""

from __future__ import annotations

import asyncio

import msgspec
import psycopg
from commands import COLUMNS
from support import WITHIN_S

from chancy import Job, Queue, Worker
from chancy_core.cli import status
from chancy_core.store.looks import Live, look_at_database
from chancy_core.values.failures import Failures
from chancy_core.values.found import Count


async def test_one_screen_says_what_waits_runs_and_failed(chancy, run):
    """And what to type next for each thing that looks wrong."""
    for name in ("still", "gpu"):
        await chancy.declare(Queue(name, tags=["gpu" if name == "gpu" else ".*"]))
        await chancy.push_many([Job(func="jobs.noop", queue=name)] * 3)
    await chancy.pause_queue("still")
    async with Worker(chancy) as worker:
        await (await chancy.push(Job(func="jobs.fail"))).wait(timeout=WITHIN_S)
        done = await asyncio.to_thread(run, "status")
        told = (await asyncio.to_thread(run, "status", "--json")).json
        seen = await asyncio.to_thread(run.terminal, "status")
    assert done.code == 0
    for part in (
        "6 pending (the oldest for",
        "1 within the last hour",
        "1 alive",
        "PostgreSQL",
        "connections",
        worker.name,
        "Jobs wait in still, which is paused. To go on: chancy queue resume still",
        "Jobs wait in gpu, which no worker that lives serves. To start one: chancy worker",
        "What failed: chancy failures since:1h, or each job: chancy jobs state:failed since:1h",
        "1 jobs.fail ValueError: no",
    ):
        assert part in done.words
    (cause,) = told["failed"].pop("causes")
    assert told["failed"] == {"query": "state:failed since:1h", "value": 1, "exact": True}
    assert (cause["func"], cause["type"], cause["count"]) == ("jobs.fail", "ValueError", 1)
    assert {queue["name"]: queue["jobs"] for queue in told["queues"]} == {
        "default": {},
        "gpu": {"pending": 3},
        "still": {"pending": 3},
    }
    assert told["database"]["connections"] >= 1
    assert [one["name"] for one in told["workers"]] == [worker.name]
    table = seen.out[seen.out.index("queue") : seen.out.index("Jobs wait")]
    assert "failed" in seen.out
    assert max(map(len, table.splitlines())) <= COLUMNS


async def test_what_is_too_long_for_a_screen_is_named(chancy, run):
    """Those with jobs first; the others are counted, with the command that shows them."""
    for number in range(15):
        await chancy.declare(Queue(f"queue{number:02}"))
    await chancy.push_many([Job(func="jobs.noop", queue=name) for name in ("queue13", "queue14")])
    done = await asyncio.to_thread(run, "status")
    assert "… and 6 more: chancy queues" in done.out
    assert done.out.index("queue14") < done.out.index("queue00")
    # One sentence for all of them, and not one for each.
    assert "Jobs wait in queue13, queue14, which no worker that lives serves. To start one: chancy worker" in done.words


async def test_a_transaction_that_holds_back_the_vacuum_is_told(chancy, run, dsn):
    """It is among the first things to look for, and nobody sees it."""
    with psycopg.connect(dsn) as held:
        held.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        held.execute("SELECT 1")
        look = await chancy.pool.run(lambda: look_at_database(chancy.store))
        assert look.oldest_transaction_s >= 0
    old = msgspec.structs.replace(look, oldest_transaction_s=3000.0)
    found = status.Status(old, Live({}, True), Count(value=0, exact=True), [], [], Failures(groups=[], count=0))
    (remark,) = status.remarks(found, [])
    assert remark.startswith("Some transaction has been open for 50 min")


def test_an_empty_schema_has_a_screen_too(run, schema):
    """And one that is not there is told."""
    assert run("status").code == 1
    assert run("migrate").code == 0
    done = run("status")
    assert (done.code, "none live" in done.out, "0 alive" in done.out) == (0, True, True)
    assert f"schema {schema!r} at " in done.out
