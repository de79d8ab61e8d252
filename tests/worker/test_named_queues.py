"""Workers that serve named queues only, and who serves a queue."""

from __future__ import annotations

import importlib.metadata
import platform
import socket

import pytest
from support import WITHIN_S, captured_events, until

from chancy import Job, Limit, Queue, State, Worker, WorkerInfo
from chancy_core.errors import ConfigError, UnknownQueue
from chancy_core.worker import heartbeat, status

ECHO = Job(func="jobs.echo")
LOST = """
INSERT INTO {s}.jobs (id, queue, func, state, worker, attempts, claims, max_attempts, started_at)
VALUES (gen_random_uuid(), 'other', 'jobs.echo', 'running', 'gone', 1, 1, 1, now())
"""


async def served(chancy, reference):
    return (await reference.wait(timeout=WITHIN_S)).state is State.SUCCEEDED


async def test_a_worker_could_not_be_kept_to_some_queues(chancy):
    """It serves those that it was told, by their names or with a star, and the others wait for somebody else."""
    for name in ("mail", "mail-bulk", "video"):
        await chancy.declare(Queue(name))
    async with Worker(chancy, queues=["mail*"]) as worker:
        assert set(worker.slots()) == {"mail", "mail-bulk"}
        left = await chancy.push("video", ECHO)
        assert await served(chancy, await chancy.push("mail", ECHO))
        assert await served(chancy, await chancy.push("mail-bulk", ECHO))
        assert (await left.get()).state is State.PENDING
        async with Worker(chancy, queues={"video"}):
            assert await served(chancy, left)


@pytest.mark.parametrize(
    "given", [["mail"], ("mail",), {"mail"}, iter(["mail"]), [Queue("mail")], {"mail": Queue("mail")}.values()]
)
async def test_names_may_come_in_any_collection(chancy, given):
    """Queues too, for their names."""
    await chancy.declare(Queue("mail"))
    async with Worker(chancy, queues=given) as worker:
        assert set(worker.slots()) == {"mail"}
        (info,) = await chancy.get_workers()
        assert info.queues == ["mail"]


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("mail", 'Worker(queues=…) is \'mail\': give a list of names of queues, such as ["mail", "reports-*"]'),
        ([], "Worker(queues=…) is a list: give a list of names of queues"),
        ([""], "Worker(queues=…)[0] is empty: give a list of names"),
        (["a b"], "Worker(queues=…)[0] is 'a b': give a list of names"),
        (["ok", 5], "Worker(queues=…)[1] is an integer, 5: give a list of names"),
        ({"mail": 1}, "Worker(queues=…) is a table: give a list of names"),
        (b"mail", "Worker(queues=…) is of type bytes: give a list of names"),
    ],
)
async def test_what_is_no_list_of_names_is_refused(chancy, given, told):
    """With what to give."""
    with pytest.raises(ConfigError) as caught:
        Worker(chancy, queues=given)
    assert told in str(caught.value)


async def test_the_settings_name_them_too(new_chancy, monkeypatch):
    """`[worker] queues`, or CHANCY_WORKER_QUEUES; what is given to the worker wins."""
    monkeypatch.setenv("CHANCY_WORKER_QUEUES", "default, mail")
    async with new_chancy(queues={"mail": {}, "video": {}}) as chancy:
        async with Worker(chancy) as worker:
            assert set(worker.slots()) == {"default", "mail"}
        async with Worker(chancy, queues=["video"]) as worker:
            assert set(worker.slots()) == {"video"}


def test_an_empty_variable_is_not_taken_for_no_queue(new_chancy, monkeypatch):
    """Nor for all: nobody knows what was meant."""
    monkeypatch.setenv("CHANCY_WORKER_QUEUES", "")
    with pytest.raises(ConfigError, match=r"CHANCY_WORKER_QUEUES is a list: give a list of names .*or leave it out"):
        new_chancy()


async def test_a_worker_waited_in_silence_for_a_queue_that_nobody_has_declared(chancy, monkeypatch):
    """It says so, with the nearest name, for as long as that is so; and serves it as soon as it is there."""
    monkeypatch.setattr(heartbeat, "LOOK_EVERY_S", 0.1)
    monkeypatch.setattr(status, "LOOK_S", 0.05)
    await chancy.declare(Queue("mail"))
    with captured_events() as events:
        async with Worker(chancy, queues=["mails", "default", "report-*"]) as worker:
            told = {event["queue"]: event["error"] for event in events if event["event"] == "queue_not_served"}
            assert told.keys() == {"mails", "report-*"}
            assert "nobody has declared it: it waits for that. Did you mean 'mail'?" in told["mails"]
            assert "no queue has a name like it" in told["report-*"]
            assert [one.queue for one in worker.unserved] == ["mails", "report-*"]

            async def said():
                (info,) = await chancy.get_workers()
                return info.status is not None and [one.queue for one in info.status.unserved] == ["mails", "report-*"]

            await until(said)
            await chancy.declare(Queue("mails"))
            assert await served(chancy, await chancy.push("mails", ECHO))
            assert [one.queue for one in worker.unserved] == ["report-*"]
    assert len([event for event in events if event["event"] == "queue_not_served"]) == 2


async def test_a_name_and_a_tag_both_have_to_match(chancy):
    """A worker that was told to serve a queue whose tags it does not have says so, and serves it once it has."""
    await chancy.declare(Queue("video", tags=["gpu"]))
    reference = await chancy.push("video", ECHO)
    async with Worker(chancy, queues=["video"]) as worker:
        (told,) = worker.unserved
        assert told.queue == "video"
        assert "has no tag that matches one of 'gpu'" in told.problem
        assert await chancy.get_serving("video") == []
        async with Worker(chancy, queues=["v*"]) as any_of_them:
            assert any_of_them.unserved == []
        async with Worker(chancy, queues=["video"], tags=["gpu"]) as other:
            assert other.unserved == []
            assert await served(chancy, reference)
            assert [one.name for one in await chancy.get_serving("video")] == [other.name]


async def test_a_worker_of_one_queue_does_all_else(chancy, query):
    """It promotes and rescues jobs of other queues, and its own run when they are due."""
    await chancy.declare(Queue("mail"))
    await chancy.declare(Queue("other"))
    query(LOST)
    async with Worker(chancy, queues=["mail"], lease_s=1):
        await until(lambda: query("SELECT 1 FROM {s}.finished_jobs WHERE queue = 'other' AND state = 'failed'"))
        snoozed = ECHO.with_limits([Limit(Limit.Type.TIME, 60)])
        assert await served(chancy, await chancy.push("mail", snoozed))


async def test_who_serves_a_queue(chancy, query):
    """Those that live, have a tag that matches, and were not told otherwise; in the order of their names."""
    await chancy.declare(Queue("mail"))
    async with Worker(chancy, name="a") as all_of_them, Worker(chancy, name="b", queues=["default"]) as one:
        assert [found.name for found in await chancy.get_serving("mail")] == [all_of_them.name]
        assert [found.name for found in await chancy.get_serving("default")] == [all_of_them.name, one.name]
        assert query("SELECT name, queues FROM {s}.workers_v1 ORDER BY name") == [
            (all_of_them.name, None),
            (one.name, ["default"]),
        ]
        with pytest.raises(UnknownQueue, match="Did you mean 'mail'"):
            await chancy.get_serving("mial")
    assert await chancy.get_serving("default") == []


async def test_a_worker_that_cannot_serve_a_queue_does_not_count(chancy, new_chancy, query, monkeypatch):
    """It says so itself: here it lacks what enforces a limit."""
    monkeypatch.setattr(heartbeat, "LOOK_EVERY_S", 0.1)
    monkeypatch.setattr(status, "LOOK_S", 0.05)
    await chancy.declare(Queue("api"))
    query("UPDATE {s}.queues SET rate_limit = 1 WHERE name = 'api'")
    async with Worker(chancy) as worker:
        (told,) = worker.unserved
        assert "pip install chancy-limits" in told.problem

        async def nobody():
            return await chancy.get_serving("api") == []

        await until(nobody)


async def test_a_registered_worker_whose_row_is_gone_registers_as_before(chancy, query, monkeypatch):
    """With the queues that it was told to serve."""
    monkeypatch.setattr(heartbeat, "LOOK_EVERY_S", 0.1)
    async with Worker(chancy, queues=["default"]):
        query("DELETE FROM {s}.workers")
        await until(lambda: query("SELECT queues FROM {s}.workers") == [(["default"],)])


# -- automatic tags ------------------------------------------------------------------------


async def test_a_queue_for_a_version_of_python_was_served_by_nobody(chancy):
    """Every worker has the tags of its machine, its name, and its Python, of its own accord."""
    major, minor, _ = platform.python_version_tuple()
    expressions = [
        rf"python={major}\.{minor}\..*",
        f"hostname={socket.gethostname()}",
        "worker=blue",
        "worker_id=blue",
        f"os={platform.system()}",
        f"arch={platform.machine()}",
        f"chancy={importlib.metadata.version('chancy-core')}",
    ]
    for number, tag in enumerate(expressions):
        await chancy.declare(Queue(f"q{number}", tags={tag}))
    async with Worker(chancy, name="blue") as worker:
        for number in range(len(expressions)):
            assert await served(chancy, await chancy.push(f"q{number}", ECHO))
        (info,) = await chancy.get_workers()
        assert isinstance(info, WorkerInfo)
        assert info.name == worker.name != "blue"
        assert {"*", "worker=blue", f"python={platform.python_version()}"} <= set(info.tags)


async def test_a_declaration_that_nobody_serves_is_told(chancy):
    """At once if its tags match no worker anywhere; if some worker lives, also when none of those serves it."""
    with captured_events() as events:
        await chancy.declare(Queue("old", tags=["python=3.11"]))
        await chancy.declare(Queue("gpu", tags=["gpu"]))
        await chancy.declare(Queue("all"))
        async with Worker(chancy, queues=["default"]):
            await chancy.declare(Queue("gpu", tags=["gpu"]), upsert=True)
            await chancy.declare(Queue("all"), upsert=True)
            async with Worker(chancy, tags=["gpu", "big"]):
                await chancy.declare(Queue("other", tags=["small"]))
                await chancy.declare(Queue("gpu", tags=["gpu"]), upsert=True)
    told = [(event["queue"], event["hint"]) for event in events if event["event"] == "queue_served_by_nobody"]
    assert [queue for queue, _ in told] == ["old", "gpu", "all", "other"]
    assert "write r'python=3\\.11\\..*'" in told[0][1]
    assert "besides those that all have, theirs are: none." in told[1][1]
    assert "Workers with such tags live, 1 in number, and were told to serve other queues only" in told[2][1]
    assert "chancy worker --queue all" in told[2][1]
    assert "theirs are: big, gpu. Start one that has: chancy worker --tag TAG" in told[3][1]
