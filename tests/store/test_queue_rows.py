"""Rows of `queues` by somebody's hand: one that cannot be read is refused by name, and all others are served."""

from __future__ import annotations

import pytest
import row_executors
from click.testing import CliRunner
from support import captured_events

from chancy import Job, Queue, Worker
from chancy_core.cli.queues import queue as queue_command
from chancy_core.errors import InvalidQueue
from chancy_core.worker import starting

DEEP = '{"a":' * 3000 + "1" + "}" * 3000
# What the constraints accept, and the code cannot use; and what it says.
BAD = {
    "tags = ARRAY['(']": "is not a regular expression",
    "tags = ARRAY['a{99999999999999999999}']": "is not a regular expression",
    "tags = ARRAY[repeat('(', 5000)]": "the most is 500",
    "tags = array_fill('a'::text, ARRAY[101])": "the most is 100",
    "tags = ARRAY['(a|aa)+$b']": "cannot be matched",
    f"executor_options = '{DEEP}'": "cannot be read",
    'executor_options = \'{"a": "\\u0000"}\'': "NUL",
    "executor_options = '{\"a\": 1e999}'": "cannot be read",
}


def events_of(events, name: str) -> list[str]:
    return [event["error"] for event in events if event["event"] == "queue_not_served" and event["queue"] == name]


@pytest.mark.parametrize("change", BAD)
async def test_one_bad_queue_is_refused_by_name_and_all_others_are_served(chancy, query, until, change):
    """A worker that runs goes on, a new one starts, each says once what is wrong, and so do those who list queues."""
    await chancy.declare(Queue("bad"))
    tags = ["a" * 60]
    with captured_events() as events:
        async with Worker(chancy, tags=tags):
            query(f"UPDATE {{s}}.queues SET {change} WHERE name = 'bad'")
            await chancy.declare(Queue("new"))
            assert (await (await chancy.push(Job("jobs.noop", queue="new"))).wait(timeout=60)).state == "succeeded"
            await until(lambda: events_of(events, "bad"), 60)
            async with Worker(chancy, tags=tags):
                for name in ("default", "new"):
                    job = Job("jobs.noop", queue=name)
                    assert (await (await chancy.push(job)).wait(timeout=60)).state == "succeeded"
    told = events_of(events, "bad")
    assert len(told) == 2
    assert all(BAD[change] in error for error in told)


async def test_a_queue_that_cannot_be_read_is_shown_as_such(chancy, query):
    """It is not among the queues, but among those that cannot be read; asked for by name it raises; pushes go on."""
    await chancy.declare(Queue("bad"))
    query("UPDATE {s}.queues SET tags = ARRAY['('] WHERE name = 'bad'")
    assert [queue.name for queue in await chancy.get_all_queues()] == ["default"]
    (bad,) = await chancy.get_unreadable_queues()
    assert bad.name == "bad"
    assert "is not a regular expression" in bad.problem
    assert "upsert=True" in bad.problem
    for ask in (lambda: chancy.get_queue("bad"), lambda: chancy.declare(Queue("bad"))):
        with pytest.raises(InvalidQueue, match="is not a regular expression"):
            await ask()
    await chancy.push(Job("jobs.noop", queue="bad"))
    await chancy.declare(Queue("bad"), upsert=True)
    assert [queue.name for queue in await chancy.get_all_queues()] == ["bad", "default"]
    assert await chancy.get_unreadable_queues() == []


def test_the_command_line_shows_a_queue_that_cannot_be_read(new_chancy, query):
    """`chancy queue list` has all others, and says of that one that it cannot be read, and why."""
    with new_chancy() as chancy:
        chancy.sync_declare(Queue("bad"))
        chancy.sync_push(Job("jobs.noop", queue="bad"))
    query("UPDATE {s}.queues SET tags = ARRAY['('] WHERE name = 'bad'")
    done = CliRunner().invoke(queue_command, ["list"], obj=lambda **_: new_chancy(), catch_exceptions=False)
    shown = " ".join(done.output.split())
    assert done.exit_code == 0
    assert "default active" in shown
    assert "bad cannot be read 1 pending" in shown
    assert "No worker serves bad: Queue 'bad': tag '(' is not a regular expression" in shown


async def test_a_pause_without_an_end_hides_no_queue(chancy, query):
    """Even without the constraint that refuses it, `resume_at = infinity` is a pause, and all others are served."""
    await chancy.declare(Queue("bad"))
    query("ALTER TABLE {s}.queues DROP CONSTRAINT queues_resume_at")
    query("UPDATE {s}.queues SET state = 'paused', resume_at = 'infinity' WHERE name = 'bad'")
    assert (await chancy.get_queue("bad")).state == "paused"
    async with Worker(chancy) as worker:
        assert (await (await chancy.push(Job("jobs.noop"))).wait(timeout=60)).state == "succeeded"
        assert list(worker.slots()) == ["default"]


async def test_a_queue_that_was_mended_is_served_again(chancy, query, until):
    """Once the row is put right, the worker that refused it claims from it."""
    await chancy.declare(Queue("bad"))
    query("UPDATE {s}.queues SET tags = ARRAY['('] WHERE name = 'bad'")
    async with Worker(chancy) as worker:
        assert list(worker.slots()) == ["default"]
        await chancy.declare(Queue("bad"), upsert=True)
        assert (await (await chancy.push(Job("jobs.noop", queue="bad"))).wait(timeout=60)).state == "succeeded"


@pytest.mark.parametrize("executor", ["row_executors.Exits", "row_executors.ExitsAtStart", "no.such.Executor", "x"])
async def test_an_executor_that_cannot_be_made_costs_its_queue_alone(chancy, executor):
    """Whatever an executor raises when it is made or started, SystemExit included, the worker serves the others."""
    await chancy.declare(Queue("bad", executor=executor))
    with captured_events() as events:
        async with Worker(chancy):
            assert (await (await chancy.push(Job("jobs.noop"))).wait(timeout=60)).state == "succeeded"
    assert len(events_of(events, "bad")) == 1


async def test_an_executor_that_hangs_at_its_start_holds_up_no_other_queue(chancy, monkeypatch):
    """The worker starts without it, serves the others, and serves that queue as soon as its executor has started."""
    monkeypatch.setattr(starting, "STARTED_WITHIN_S", 0.2)
    monkeypatch.setattr(row_executors.Slow, "may_start", row_executors.asyncio.Event())
    monkeypatch.setattr("chancy_core.worker.misbehaving.CLOSED_WITHIN_S", 0.2)
    await chancy.declare(Queue("bad", executor="row_executors.SlowToStart"))
    async with Worker(chancy) as worker:
        assert (await (await chancy.push(Job("jobs.noop"))).wait(timeout=60)).state == "succeeded"
        assert list(worker.slots()) == ["default"]
        reference = await chancy.push(Job("jobs.noop", queue="bad"))
        row_executors.Slow.may_start.set()
        assert (await reference.wait(timeout=60)).state == "succeeded"


async def test_a_worker_stops_while_an_executor_hangs_at_its_start(chancy, monkeypatch):
    """An executor that never starts is left behind."""
    monkeypatch.setattr(starting, "STARTED_WITHIN_S", 0.2)
    monkeypatch.setattr(row_executors.Slow, "may_start", row_executors.asyncio.Event())
    await chancy.declare(Queue("bad", executor="row_executors.SlowToStart"))
    async with Worker(chancy) as worker:
        assert list(worker.slots()) == ["default"]


def test_tags_are_matched_as_they_are_documented():
    """From the first to the last character, by Python's expressions; the default matches every worker."""
    for tags, own, wanted in (
        ([".*"], {"*"}, True),
        (["gpu"], {"*", "gpu"}, True),
        (["gpu"], {"*", "gpus"}, False),
        (["gpu|cpu"], {"cpu"}, True),
        (["eu-(west|north)-[0-9]+"], {"eu-west-12"}, True),
        (["eu-(west|north)-[0-9]+"], {"eu-west-12b"}, False),
        ([r"(?i)GPU"], {"gpu"}, True),
        ([r"(?=a)a+(?!b)"], {"aa"}, True),
        (["g.u"], {"gpu"}, True),
        ([], {"*"}, False),
        ([r"\*"], {"*"}, True),
    ):
        assert Queue("q", tags=tags).serves(own) is wanted, (tags, own)
