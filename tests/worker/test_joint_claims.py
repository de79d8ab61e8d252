"""Queues that ask for jobs while a claim is in flight are served by one statement, each as if it had asked alone."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import jobs
import psycopg
import pytest
from support import WITHIN_S

from chancy import Job, Queue, Worker
from chancy_core.store import flow
from chancy_core.store.session import WorkerConnection
from chancy_core.worker.claimed import QUEUE
from chancy_core.worker.floors import EVERYTHING
from chancy_core.worker.joint import JointClaims

pytestmark = pytest.mark.usefixtures("_fresh")

QUEUES = [f"q{number}" for number in range(60)]
PRIORITY = 3


@pytest.fixture
def claims(monkeypatch) -> list[str]:
    """The claims that were asked for: of one queue, or of many."""
    asked: list[str] = []
    answer = flow._answer

    async def noted(cursor: Any, step: Any) -> Any:
        if isinstance(step, flow.Query) and b"claimed AS" in step.text:
            asked.append("many" if isinstance(step.params["queue"], list) else "one")
        return await answer(cursor, step)

    monkeypatch.setattr(flow, "_answer", noted)
    return asked


class Asking:
    """Claims as a worker of the name "w" would."""

    def __init__(self, chancy: Any, connection: WorkerConnection, bytes_max: int = 1 << 20) -> None:
        self._chancy = chancy
        self.joint = JointClaims(chancy.store, connection, "w", bytes_max)

    def _alone(self, queue: str, wanted: int) -> Any:
        params = {
            "low": EVERYTHING.low,
            "high": EVERYTHING.high,
            "floor": EVERYTHING.floor,
            "refused": [],
            "unable": None,
        }
        return (
            yield self._chancy.store.query("claim_jobs", queue=queue, worker="w", limit=wanted, bytes=1 << 20, **params)
        )

    async def ask(self, *queues: str, wanted: int = 3) -> list[Any]:
        """What each of them got, or what was raised."""
        asks = [self.joint.claim(queue, wanted, lambda queue=queue: self._alone(queue, wanted)) for queue in queues]
        async with asyncio.timeout(WITHIN_S):
            return await asyncio.gather(*asks, return_exceptions=True)


@pytest.fixture
async def connection(chancy, query):
    for name in QUEUES:
        await chancy.declare(Queue(name))
    await chancy.push_many([Job.from_func(jobs.noop, queue=name, priority=n % 2) for n in range(8) for name in QUEUES])
    query("INSERT INTO {s}.workers (worker, tags, lease_until) VALUES ('w', '{}', now() + interval '1 hour')")
    made = WorkerConnection(lambda: chancy.dsn, application_name="chancy claim", pooler=False)
    yield made
    await made.close()


async def test_each_queue_gets_what_it_asked_for_and_no_more(chancy, connection, query, claims):
    """A thousand queues of ten jobs took a claim with a commit each, six times as long as one queue."""
    brought = await Asking(chancy, connection).ask(*QUEUES)
    assert claims == ["one", "many", "many"]
    for queue, one in zip(QUEUES, brought, strict=True):
        assert [row[QUEUE] for row in one.rows] == [queue] * 3
        assert [row[PRIORITY] for row in one.rows] == [0] * 3
    assert query("SELECT DISTINCT attempts, claims, worker FROM {s}.jobs WHERE state = 'running'") == [(1, 1, "w")]
    assert query("SELECT count(*) FROM {s}.jobs WHERE state = 'running'") == [(3 * len(QUEUES),)]


async def test_a_queue_with_less_than_that_is_known_to_have_no_more(chancy, connection):
    """Otherwise its claimer would ask for ever, or rest although jobs are there."""
    asking = Asking(chancy, connection)
    first = await asking.ask(*QUEUES[:3], wanted=6)
    second = await asking.ask(*QUEUES[:3], wanted=6)
    assert [[len(one.rows) for one in brought] for brought in (first, second)] == [[6] * 3, [2] * 3]
    assert [one.full for one in first[1:] + second[1:]] == [True, True, False, False]


async def test_a_claim_that_was_cut_for_its_size_leaves_no_queue_to_rest(chancy, connection, query):
    """Whoever got nothing because others had much asks again."""
    query("UPDATE {s}.jobs SET kwargs = json_build_object('value', repeat('x', 1000))")
    brought = await Asking(chancy, connection, bytes_max=1).ask(*QUEUES[:5])
    assert sorted(len(one.rows) for one in brought[1:]) == [0, 0, 0, 1]
    assert [one.full for one in brought[1:]] == [True] * 4


async def test_paused_queues_and_lost_leases_get_nothing(chancy, connection, query):
    await chancy.pause_queue(QUEUES[1])
    asking = Asking(chancy, connection)
    assert [len(one.rows) for one in await asking.ask(*QUEUES[:4])] == [3, 0, 3, 3]
    query("UPDATE {s}.workers SET lease_until = now() - interval '1 s'")
    assert [len(one.rows) for one in await asking.ask(*QUEUES[:4])] == [0] * 4


async def test_a_job_that_cannot_be_claimed_holds_up_its_own_queue_alone(chancy, connection, query):
    """A trigger that refuses one row fails the claim of all; then each asks alone."""
    query(
        "CREATE FUNCTION {s}.refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "IF NEW.queue = 'q2' THEN RAISE EXCEPTION 'no' USING ERRCODE = '22000'; END IF; RETURN NEW; END $$"
    )
    query("CREATE TRIGGER refuse BEFORE UPDATE ON {s}.jobs FOR EACH ROW EXECUTE FUNCTION {s}.refuse()")
    brought = await Asking(chancy, connection).ask(*QUEUES[:5])
    assert isinstance(brought[2], psycopg.DataError)
    assert [len(one.rows) for n, one in enumerate(brought) if n != 2] == [3] * 4


async def test_a_lost_connection_is_told_to_all_who_asked(chancy, connection, query):
    """None of them waits for ever, and the next claim has a new connection."""
    asking = Asking(chancy, connection)
    await asking.ask(QUEUES[0])
    query("SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity WHERE application_name = 'chancy claim'")
    assert all(isinstance(one, psycopg.Error) for one in [(await asking.ask(QUEUES[0]))[0]])
    assert [len(one.rows) for one in await asking.ask(*QUEUES[1:4])] == [3] * 3


async def test_a_worker_with_many_queues_runs_each_job_once(chancy, connection, claims, query):
    """However the claims come together, no job is left, or run twice."""
    async with Worker(chancy, concurrency=2):
        await chancy.push_many([Job.from_func(jobs.record, queue=name, kwargs={"value": name}) for name in QUEUES * 5])
        ids = [chancy.reference(id_) for (id_,) in query("SELECT id FROM {s}.jobs")]
        await chancy.wait_for_jobs(ids, timeout=WITHIN_S)
    assert Counter(jobs.ran) == dict.fromkeys(QUEUES, 5)
    assert query("SELECT count(*), max(attempts) FROM {s}.finished_jobs") == [(13 * len(QUEUES), 1)]
    assert "many" in claims
