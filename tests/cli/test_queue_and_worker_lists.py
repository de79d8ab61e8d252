"""`chancy queues` and `chancy workers`: in a terminal, in a pipe, as JSON, and when there is nothing."""

from __future__ import annotations

import asyncio

from commands import COLUMNS
from support import until

from chancy import Job, Queue, Worker
from chancy_core.store.looks import look_at_live


async def test_the_queues_say_what_waits_and_who_serves_them(chancy, run):
    """What waits, for how long, and how many workers take it; in a pipe every column is there."""
    await chancy.declare(Queue("gpu", tags=["gpu"], concurrency=3))
    await chancy.push_many([Job(func="jobs.noop", queue="gpu")] * 2)
    async with Worker(chancy):
        done = await asyncio.to_thread(run, "queues")
        told = (await asyncio.to_thread(run, "queues", "--json")).json
    assert done.code == 0
    lines = {line.split()[0]: line.split() for line in done.out.splitlines()}
    heading = "queue state live jobs oldest workers concurrency tags executor limits"
    assert " ".join(lines["queue"]) == heading
    assert lines["default"][1:] == ["active", "none", "-", "1", "worker's", ".*", "AutoExecutor", "none"]
    assert lines["gpu"][1:4] == ["active", "2", "pending"]
    assert lines["gpu"][-4:] == ["3", "gpu", "AutoExecutor", "none"]
    default, gpu = told["queues"]
    assert (default["name"], default["jobs"], default["oldest_s"], len(default["workers"])) == ("default", {}, None, 1)
    assert (gpu["jobs"], gpu["workers"], told["counts_exact"]) == ({"pending": 2}, [], True)
    assert gpu["oldest_s"] >= 0


async def test_a_queue_that_nobody_declared_is_shown_with_its_jobs(chancy, run, query):
    """Jobs of a deleted queue wait for ever, and no list of queues showed them."""
    await chancy.declare(Queue("old"))
    await chancy.push(Job(func="jobs.noop", queue="old"))
    await chancy.delete_queue("old", purge_jobs=False)
    done = await asyncio.to_thread(run, "queues")
    assert " old      not declared  1 pending" in done.out
    assert "No worker serves old, which nobody has declared: chancy queue declare old" in done.out
    assert (await asyncio.to_thread(run, "queues", "--json")).json["undeclared"] == [
        {"name": "old", "jobs": {"pending": 1}}
    ]


async def test_more_jobs_than_are_counted_are_told(chancy, monkeypatch, query):
    """A count that was broken off says that it was."""
    await chancy.push_many([Job(func="jobs.noop")] * 5)
    counted = chancy.pool.run
    assert (await counted(lambda: look_at_live(chancy.store, 6))).exact
    cut = await counted(lambda: look_at_live(chancy.store, 3))
    assert (cut.exact, cut.queues["default"].counts) == (False, {"pending": 3})


async def test_in_a_terminal_no_line_is_longer_than_that(chancy, run):
    """Columns without news are left out, and what is long is broken, never cut."""
    name = "reports." + "x" * 70
    await chancy.declare(Queue(name, tags=["has=" + "y" * 60], concurrency=2))
    async with Worker(chancy, tags=["t" * 90]) as worker:
        for command in ("queues", "workers"):
            done = await asyncio.to_thread(run.terminal, command)
            assert done.code == 0, done.out
            assert max(map(len, done.out.splitlines())) <= COLUMNS
            assert "…" not in done.out
            heading = done.out.splitlines()[0].split()
            assert not {"limits", "executor", "leads"} & set(heading)
        assert all(part in "".join(done.out.split()) for part in (worker.name, "t" * 20))
        piped = await asyncio.to_thread(run, "workers")
        assert f"{worker.name}" in piped.out
        assert "t" * 90 in piped.out


async def test_workers_that_live_and_that_are_lost(chancy, run, query):
    """A lost one is called so, until it is forgotten."""
    # No real one runs here: it would rescue the jobs of the lost one, and forget it.
    query(
        "INSERT INTO {s}.workers (worker, tags, started_at, seen_at, lease_until) "
        "VALUES ('gone', '{*}', now() - interval '2 h', now() - interval '1 h', now() - interval '59 min'), "
        "('here', '{*}', now() - interval '2 h', now(), now() + interval '1 h')"
    )
    done = await asyncio.to_thread(run, "workers")
    told = (await asyncio.to_thread(run, "workers", "--json")).json["workers"]
    lines = {line.split()[0]: " ".join(line.split()) for line in done.out.splitlines()}
    assert lines["here"].startswith("here yes ")
    assert lines["gone"].startswith("gone lost 1 h ago 2 h")
    assert {one["name"]: one["alive"] for one in told} == {"here": True, "gone": False}


async def test_a_function_that_a_worker_cannot_run_is_named(chancy, run):
    """Which is where one looks first when its jobs do not move."""
    async with Worker(chancy) as worker:
        await chancy.push(Job(func="nowhere.f"))
        await until(lambda: worker.unable)

        async def said():
            return "nowhere.f" in (await asyncio.to_thread(run, "workers")).out

        await until(said)


def test_an_empty_list_of_workers_says_what_it_looked_at(run, schema):
    """And how to start one."""
    assert run("migrate").code == 0
    done = run("workers")
    assert done.out.startswith(f"No worker runs in schema {schema!r} at ")
    assert done.out.endswith("To start one: chancy worker\n")
    assert run("workers", "--json").json == {"schema": schema, "workers": []}


def test_no_color_means_none(run):
    """In a terminal too."""
    assert run("migrate").code == 0
    assert "\x1b[3" not in run.terminal("queues", env={"NO_COLOR": "1"}).raw


def test_looking_changes_no_schema_that_is_behind(run, query, schema):
    """It says what to run, and leaves that to whoever may."""
    assert run("migrate").code == 0
    query("DELETE FROM {s}.migrations WHERE owner = 'kernel' AND version > 1")
    for command in ("queues", "workers"):
        done = run(command, env={"CHANCY_AUTO_MIGRATE": "true"})
        assert done.code == 1
        assert "is at version 1 of kernel" in done.words
        assert f"chancy --schema {schema} migrate" in done.words
    assert query("SELECT max(version) FROM {s}.migrations WHERE owner = 'kernel'") == [(1,)]


def test_a_schema_of_newer_code_is_told(run, query):
    """In one line, with what to upgrade."""
    assert run("migrate").code == 0
    query("INSERT INTO {s}.migrations (owner, version, oldest) VALUES ('kernel', 999, 999)")
    done = run("queues")
    assert (done.code, "made by a newer chancy-core" in done.words) == (1, True)


def test_a_database_that_is_down_is_told(run):
    """In one line."""
    for command in ("queues", "workers"):
        done = run(command, env={"CHANCY_DSN": "postgresql://127.0.0.1:1/none"})
        assert (done.code, "Cannot connect to PostgreSQL at 127.0.0.1:1" in done.words) == (1, True)
