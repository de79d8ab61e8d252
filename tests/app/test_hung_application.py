"""What applications see when a connection hangs, or the answer to a write is lost; with asyncio and without."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from chaos.relay import DOWN, UP, Relay
from far import ECHO, stored

from chancy_core.app import Chancy
from chancy_core.errors import WaitTimeout
from chancy_core.store import flow, pooling
from chancy_core.values.queue import Queue
from chancy_core.values.queuedjob import Cancellation

# Long for a machine that does something else, and short for a test.
DEADLINE_S = 2.0


@pytest.fixture
def relay(dsn: str) -> Iterator[Relay]:
    with Relay(dsn) as made:
        yield made


@pytest.fixture
def relayed(relay: Relay, schema: str, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Chancy]:
    """Makes a Chancy that reaches its database through the relay, and gives up soon on a connection that is silent."""
    monkeypatch.setattr(pooling, "DEADLINE_S", DEADLINE_S)
    monkeypatch.setattr(pooling, "SURE_WITHIN_S", DEADLINE_S)
    monkeypatch.setattr(pooling, "SURE_AFTER_S", 0.0)
    return lambda **settings: Chancy(relay.dsn, schema=schema, discover=False, **settings)


@pytest.fixture
async def far(relayed: Callable[..., Chancy]) -> Any:
    """An open Chancy behind the relay, with one connection in its pool."""
    async with relayed() as chancy:
        await chancy.push(ECHO)
        yield chancy


@pytest.fixture
def far_sync(relayed: Callable[..., Chancy]) -> Any:
    """The same without asyncio."""
    with relayed() as chancy:
        chancy.sync_push(ECHO)
        yield chancy


@pytest.mark.parametrize("directions", [(UP, DOWN), (UP,), (DOWN,)], ids=["both", "up", "down"])
async def test_a_push_goes_on_when_its_connection_hangs(far, relay, query, directions):
    """A push whose connection acknowledges and never answers is stored once, by another connection."""
    relay.stall("chancy", directions=directions, new=False)
    await asyncio.gather(far.push(ECHO), far.push(ECHO.with_unique_key("k")))
    assert stored(query) == 3


def test_a_sync_push_goes_on_when_its_connection_hangs(far_sync, relay, query):
    """As a push with asyncio."""
    relay.stall("chancy", new=False)
    far_sync.sync_push(ECHO)
    far_sync.sync_push(ECHO.with_unique_key("k"))
    assert stored(query) == 3


@pytest.mark.parametrize(
    "name", ["get_job", "push_many", "declare", "cancel_job", "pause_queue", "migrate", "count_jobs"]
)
async def test_every_operation_goes_on_when_the_idle_connection_hangs(far, relay, name):
    """Whatever an application asks finds another connection when that of the pool has fallen silent."""
    reference = await far.push(ECHO)
    arguments = {
        "get_job": [reference],
        "push_many": [[ECHO]],
        "declare": [Queue("other")],
        "cancel_job": [reference],
        "pause_queue": ["default"],
    }
    relay.stall("chancy", new=False)
    await getattr(far, name)(*arguments.get(name, []))


@pytest.mark.parametrize("name", ["get_job", "push_many", "declare", "cancel_job", "pause_queue", "migrate"])
def test_every_sync_operation_goes_on_when_the_idle_connection_hangs(far_sync, relay, name):
    """The same for the twins without asyncio."""
    reference = far_sync.sync_push(ECHO)
    arguments = {
        "get_job": [reference],
        "push_many": [[ECHO]],
        "declare": [Queue("other")],
        "cancel_job": [reference],
        "pause_queue": ["default"],
    }
    relay.stall("chancy", new=False)
    getattr(far_sync, f"sync_{name}")(*arguments.get(name, []))


async def test_a_wait_goes_on_when_its_connection_hangs(far, relay, query):
    """A job that is waited for through a connection that falls silent is seen to end all the same."""
    reference = await far.push(ECHO)
    wait = asyncio.create_task(reference.wait(timeout=60))
    await asyncio.sleep(0)
    relay.stall("chancy", new=False)
    await far.cancel_job(reference)
    assert (await wait).state == "cancelled"


async def test_a_backend_that_is_stopped_holds_up_no_push(chancy, query, monkeypatch):
    """While the backend of the pool's connection is stopped, pushes go through by another, and none is stored twice."""
    monkeypatch.setattr(pooling, "DEADLINE_S", DEADLINE_S)
    async with chancy.pool.connection() as connection:
        pid = connection.info.backend_pid
    os.kill(pid, signal.SIGSTOP)
    try:
        await chancy.push(ECHO)
        assert stored(query) == 1
    finally:
        os.kill(pid, signal.SIGCONT)
    await chancy.push(ECHO)
    assert stored(query) == 2


async def test_a_hung_connection_is_not_handed_out(far, relay):
    """A connection for the caller's own statements is one that answers, whatever lies in the pool."""
    relay.stall("chancy", new=False)
    async with far.pool.connection() as connection:
        assert await (await connection.execute("SELECT 1")).fetchone() == (1,)


async def test_a_connection_for_the_caller_has_no_deadline(far, monkeypatch):
    """A caller's own statement may take as long as it takes."""
    async with far.pool.connection() as connection:
        assert connection.deadline_s == pooling.CALLERS_DEADLINE_S
        await connection.execute("SELECT pg_sleep(%s)", [DEADLINE_S * 1.5])


async def test_whoever_is_cancelled_in_a_hung_transaction_waits_for_nobody(far, relay):
    """A caller's transaction on a connection that falls silent can be cancelled, as a tick is that takes too long."""
    async with far.pool.transaction():
        pass
    begun = asyncio.Event()

    async def work() -> None:
        async with far.pool.transaction() as connection:
            relay.stall("chancy", new=False)
            begun.set()
            await connection.execute("SELECT 1")

    task = asyncio.create_task(work())
    await begun.wait()
    task.cancel()
    async with asyncio.timeout(60):
        await asyncio.wait([task])
    assert task.cancelled() or task.exception()
    await far.push(ECHO)


def test_a_sync_wait_keeps_its_timeout_while_the_database_is_away(far_sync, relay):
    """Waiting for a job ends in time although nothing answers, and goes on when it does."""
    reference = far_sync.sync_push(ECHO)
    relay.stall("chancy")
    with pytest.raises(WaitTimeout):
        reference.sync_wait(timeout=0.5)
    relay.release("chancy", deliver=False)
    far_sync.sync_cancel_job(reference)
    assert reference.sync_wait(timeout=60).state == "cancelled"


async def test_a_push_that_waits_for_a_lock_when_its_connection_is_lost_is_stored_once(far, relay, query, until, dsn):
    """The INSERT of a lost connection waits for a lock: it is ended before the job is sent again, and never arrives."""
    with psycopg.connect(dsn) as holder:
        holder.execute(f'LOCK TABLE "{far.settings.schema}".jobs IN SHARE MODE')
        push = asyncio.create_task(far.push(ECHO))
        await until(lambda: waiting_for_locks(query) == 1)
        relay.cut("chancy", server=False)
        # The session of the lost connection is ended although nobody has told the server that it is lost.
        await until(lambda: waiting_for_locks(query, "INSERT") <= 1)
        holder.rollback()
        reference = await push
    assert reference.created
    assert stored(query) == 2
    assert (await reference.get()).state == "pending"


@pytest.mark.parametrize("unique_key", [None, "k"])
async def test_a_statement_that_is_delivered_late_stores_nothing(far, relay, query, unique_key, until):
    """An INSERT that lies in the network until the job was sent again finds its session gone."""
    relay.stall("chancy", directions=(UP,), new=False)
    reference = await far.push(ECHO.with_unique_key(unique_key))
    relay.release("chancy")
    assert reference.created
    await until(lambda: relay.count("chancy") == 1)
    assert stored(query) == 2


async def test_behind_a_pooler_a_statement_that_is_delivered_late_stores_nothing(relayed, relay, query, until):
    """Where a session has no name, and cannot be ended, the ids of the jobs keep a late INSERT from storing them."""
    async with relayed(pooler=True) as chancy:
        await chancy.push(ECHO)
        relay.stall("chancy", directions=(UP,), new=False)
        await asyncio.gather(chancy.push(ECHO), chancy.push(ECHO.with_unique_key("k")))
        # Delivered, with the server ready to tell what came of it.
        relay.release("chancy")
        await until(lambda: relay.count("chancy") <= 2 and not relay.held("chancy"))
        assert stored(query) == 3


async def test_a_push_stored_before_its_answer_was_lost_is_found(far, relay, query, until):
    """The answer lies in the network: the job is there, is found by its id, and is told as created."""
    relay.stall("chancy", directions=(DOWN,), new=False)
    reference = await far.push(ECHO.with_unique_key("k"))
    assert reference.created
    assert (await reference.get()).unique_key == "k"
    assert stored(query) == 2


@pytest.mark.parametrize("directions", [(UP,), (DOWN,)], ids=["asked", "answered"])
async def test_a_change_is_done_once_and_told_truly(far, relay, directions):
    """Each change whose answer, or whose request, is lost says what it did itself."""
    reference = await far.push(ECHO)
    await far.declare(Queue("other"))

    async def lost(change):
        relay.stall("chancy", directions=directions, new=False)
        found = await change
        relay.pass_all()
        return found

    assert await lost(far.cancel_job(reference)) == Cancellation.CANCELLED
    assert await lost(far.retry_jobs([reference])) == [reference]
    assert await lost(far.delete_queue("other")) == 0
    assert (await lost(far.declare(Queue("more", concurrency=7)))).concurrency == 7


@pytest.mark.parametrize("statement", [b"COMMIT", b"pg_current_xact_id", b"cancel_note"])
@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_change_goes_on_where_its_answer_was_lost(chancy, losing, statement, when):
    """Whichever statement of a change the connection is lost at, the change is done once, and says so."""
    reference = await chancy.push(ECHO)
    lost = losing(statement, when)
    assert await chancy.cancel_job(reference) == Cancellation.CANCELLED
    assert lost()
    assert (await reference.get()).state == "cancelled"


@pytest.mark.parametrize("skip", [0, 1, 2, 3, 4])
@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_change_of_many_steps_goes_on_at_the_step_that_was_lost(chancy, losing, skip, when):
    """A queue that is deleted with thousands of jobs, in several transactions, counts each job once."""
    await chancy.declare(Queue("q"))
    await chancy.push_many("q", [ECHO] * 2500)
    lost = losing(b"COMMIT", when, skip)
    assert await chancy.delete_queue("q") == 2500
    assert lost()


@pytest.fixture
def losing(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Callable[[], bool]]:
    """Loses the connection once, before or after a statement with this text in it."""

    def arm(text: bytes, when: str, skip: int = 0) -> Callable[[], bool]:
        answer = flow._answer
        lost = False
        seen = 0

        async def answered(cursor, step):
            nonlocal lost, seen
            seen += text in step.text
            losing_now = not lost and text in step.text and seen > skip
            if losing_now and when == "before":
                lost = True
                cursor.connection.cut()
            rows = await answer(cursor, step)
            if losing_now and when == "after":
                lost = True
                cursor.connection.cut()
                raise psycopg.OperationalError("the connection is lost")
            return rows

        monkeypatch.setattr(flow, "_answer", answered)
        return lambda: lost

    return arm


def waiting_for_locks(query: Callable[..., list[Any]], text: str = "") -> int:
    ((count,),) = query(
        "SELECT count(*) FROM pg_stat_activity "
        "WHERE wait_event_type = 'Lock' AND query LIKE '%%{s}%%' AND query LIKE %s",
        f"%{text}%",
    )
    return int(count)
