"""What applications see when the database or the network fails: pushes, looks and changes, with asyncio and without."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack
from typing import Any

import psycopg
import pytest
from chaos.relay import DOWN, UP, Relay

from chancy_core.app import Chancy, held
from chancy_core.app.operations import pushes
from chancy_core.errors import ChancyError, DatabaseUnavailable, WaitTimeout
from chancy_core.store import connect, flow, idle, pooling, pools, tries
from chancy_core.values.job import Job
from chancy_core.values.queue import Queue
from chancy_core.values.queuedjob import Cancellation

ECHO = Job(func="jobs.echo", kwargs={"value": 1})
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


def stored(query: Callable[..., list[Any]]) -> int:
    ((count,),) = query("SELECT (SELECT count(*) FROM {s}.jobs) + (SELECT count(*) FROM {s}.finished_jobs)")
    return int(count)


# -- a connection that hangs ---------------------------------------------------------------


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


# -- the answer to a write is lost -----------------------------------------------------------


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


# -- unique keys that somebody holds -------------------------------------------------------


@pytest.fixture
def holding(
    new_chancy: Callable[..., Chancy], dsn: str, chancy: Chancy
) -> Iterator[Callable[[str], psycopg.Connection]]:
    """Pushes a job with a unique key in a transaction that stays open."""
    with new_chancy() as other, psycopg.connect(dsn, application_name="the holder") as connection:

        def hold(key: str) -> psycopg.Connection:
            other.sync_push(ECHO.with_unique_key(key), connection=connection)
            return connection

        yield hold


async def test_a_held_unique_key_holds_up_its_own_pushes_only(chancy, holding):
    """While a transaction holds a key, plain pushes and those of other keys go through; the key's follow its end."""
    holder = holding("k")
    blocked = [asyncio.create_task(chancy.push(ECHO.with_unique_key("k"))) for _ in range(3)]
    others = [chancy.push(ECHO.with_unique_key(f"k{number}")) for number in range(20)]
    async with asyncio.timeout(60):
        await asyncio.gather(*others, *(chancy.push(ECHO) for _ in range(20)))
    assert not any(push.done() for push in blocked)
    holder.rollback()
    references = await asyncio.gather(*blocked)
    assert len({*references}) == 1
    assert [reference.created for reference in references].count(True) == 1


async def test_a_key_whose_holder_commits_is_taken(chancy, holding, until):
    """A push that waited for a transaction which commits returns the job that holds the key."""
    holder = holding("k")
    push = asyncio.create_task(chancy.push(ECHO.with_unique_key("k")))
    await until(chancy.connections.here.pusher._held.tasks)
    holder.commit()
    assert not (await push).created


async def test_a_key_that_stays_held_is_refused_with_its_holder(chancy, holding, monkeypatch):
    """In the end a push that waits for a key is told which key, and whose transaction holds it."""
    monkeypatch.setattr(held, "AGAIN_S", 1.0)
    holding("k")
    with pytest.raises(ChancyError, match=r"'k'.*the holder.*idle in transaction"):
        await chancy.push(ECHO.with_unique_key("k"))
    await chancy.push(ECHO.with_unique_key("other"))


def test_a_sync_push_of_a_held_key_is_refused_with_its_holder(new_chancy, dsn, monkeypatch):
    """The same without asyncio."""
    monkeypatch.setattr(pushes, "PATIENCE_MS", 100)
    monkeypatch.setattr(tries, "AGAIN_S", 1.0)
    with new_chancy() as chancy, psycopg.connect(dsn, application_name="the holder") as connection:
        chancy.sync_push(ECHO.with_unique_key("k"), connection=connection)
        with pytest.raises(ChancyError, match=r"'k'.*the holder.*idle in transaction"):
            chancy.sync_push(ECHO.with_unique_key("k"))
        connection.rollback()
        assert chancy.sync_push(ECHO.with_unique_key("k")).created


async def test_a_bulk_push_of_a_held_key_is_refused_with_its_holder(chancy, holding, monkeypatch):
    """A bulk push that meets a held key stores nothing, and says whose transaction it is."""
    monkeypatch.setattr(pushes, "MANY_PATIENCE_MS", 1500)
    holding("k")
    with pytest.raises(ChancyError, match="the holder"):
        await chancy.push_many([ECHO, ECHO.with_unique_key("k")])
    assert await chancy.count_jobs() == {}


# -- sessions that the server has ended, or that are no longer the right ones ----------------


@pytest.mark.parametrize("name", ["push", "push_many", "get_jobs", "migrate", "declare"])
async def test_ended_idle_sessions_cost_nobody_a_failure(chancy, query, name, until):
    """However many idle sessions the server has ended, the next call of each kind succeeds."""
    await hold_several(chancy)
    end_sessions(query)
    arguments = {"push": [ECHO], "push_many": [[ECHO]], "get_jobs": [[]], "declare": [Queue("other")]}
    await getattr(chancy, name)(*arguments.get(name, []))


def test_ended_idle_sessions_cost_no_sync_call_a_failure(new_chancy, query):
    """The same without asyncio."""
    with new_chancy() as chancy:
        for call in (
            lambda: chancy.sync_push(ECHO),
            lambda: chancy.sync_push_many([ECHO]),
            lambda: chancy.sync_get_jobs([]),
            chancy.sync_migrate,
        ):
            chancy.sync_push(ECHO)
            end_sessions(query)
            call()


async def test_sessions_that_time_out_while_idle_cost_nobody_a_failure(dsn, schema, query, until):
    """With a short idle_session_timeout, each call after an idle time succeeds."""
    where = psycopg.conninfo.make_conninfo(dsn, options="-c idle_session_timeout=1s")
    async with Chancy(where, schema=schema, discover=False) as chancy:
        for call in (lambda: chancy.push(ECHO), lambda: chancy.push_many([ECHO]), chancy.migrate, chancy.count_jobs):
            await chancy.push(ECHO)
            await until(lambda: query("SELECT 1 FROM pg_stat_activity WHERE query LIKE '%%{s}%%'") == [(1,)])
            await call()


async def test_sessions_that_have_become_read_only_are_replaced(chancy):
    """After a fail-over all sessions of the pool lead to a server that takes no changes: no call fails for that."""
    for call in (
        lambda: chancy.push(ECHO),
        lambda: chancy.push_many([ECHO]),
        lambda: chancy.declare(Queue("q")),
        lambda: chancy.pause_queue("q"),
    ):
        await hold_several(chancy, "SET default_transaction_read_only = on", idle_for_s=10.0)
        await call()


def test_sync_sessions_that_have_become_read_only_are_replaced(new_chancy):
    """The same without asyncio."""
    with new_chancy() as chancy:
        for call in (lambda: chancy.sync_push(ECHO), lambda: chancy.sync_push_many([ECHO])):
            with chancy.sync_pool.connection() as connection:
                connection.execute("SET default_transaction_read_only = on")
            connection.idle_since -= 10
            call()


async def test_a_database_that_stays_read_only_is_told_as_that(chancy, monkeypatch, dsn):
    """Every session is read-only: in the end the error says so, and how the primary is found."""
    monkeypatch.setattr(tries, "AGAIN_S", 0.5)
    monkeypatch.setattr(chancy.pool, "dsn", psycopg.conninfo.make_conninfo(dsn, options=READ_ONLY))
    chancy.pool._idle.drop()
    with pytest.raises(DatabaseUnavailable, match="target_session_attrs=read-write"):
        await chancy.push(ECHO)


READ_ONLY = "-c default_transaction_read_only=on"


async def hold_several(chancy: Chancy, statement: str = "SELECT 1", idle_for_s: float = 0.0) -> None:
    """Leave five idle connections in the pool, on which this was executed."""
    async with AsyncExitStack() as stack:
        found = [await stack.enter_async_context(chancy.pool.connection()) for _ in range(5)]
        for connection in found:
            await connection.execute(f'/* "{chancy.settings.schema}" */ {statement}'.encode())
    for connection in found:
        connection.idle_since -= idle_for_s


def end_sessions(query: Callable[..., list[Any]]) -> None:
    query(
        "SELECT pg_terminate_backend(pid, 30000) FROM pg_stat_activity WHERE application_name = 'chancy' "
        "AND state = 'idle' AND query LIKE '%%{s}%%'"
    )


# -- why a connection could not be made ----------------------------------------------------


@pytest.mark.parametrize(
    ("said", "advice"),
    [
        ("FATAL:  sorry, too many clients already", "has no connection left"),
        ('FATAL:  too many connections for role "app"', "has no connection left"),
        (
            "FATAL:  remaining connection slots are reserved for roles with the SUPERUSER attribute",
            "no connection left",
        ),
        ("FATAL:  the database system is starting up", "try again shortly"),
        ("FATAL:  the database system is in recovery mode", "try again shortly"),
        ("FATAL:  the database system is shutting down", "try again shortly"),
        ('FATAL:  password authentication failed for user "app"', "user and the password"),
        ("fe_sendauth: no password supplied", "user and the password"),
        ('FATAL:  role "app" does not exist', "user and the password"),
        ('FATAL:  role "app" is not permitted to log in', "user and the password"),
        ('FATAL:  no pg_hba.conf entry for host "10.0.0.1", user "app"', "pg_hba.conf"),
        ('FATAL:  database "app" does not exist', "no such database"),
        ("session is read-only", "target_session_attrs"),
        ("FATAL:  désolé, trop de clients sont déjà connectés", "Check that the server runs"),
        ("connection refused", "Check that the server runs"),
    ],
)
def test_the_advice_fits_what_the_server_said(said, advice):
    """The reasons that a server gives by itself are told apart; whatever else it says gets the general advice."""
    text = str(connect.unavailable("host=db dbname=app password=secret", psycopg.OperationalError(said)))
    assert advice in text
    assert "secret" not in text


def test_a_role_without_connections_left_is_told_as_that(dsn, schema):
    """For real: a role that may have no connection hears that, and not that the server does not run."""
    role = f"role_{schema}"
    with psycopg.connect(dsn, autocommit=True) as admin:
        admin.execute(f"CREATE ROLE {role} LOGIN CONNECTION LIMIT 0".encode())
        try:
            with pytest.raises(DatabaseUnavailable, match="no connection left"):
                Chancy(psycopg.conninfo.make_conninfo(dsn, user=role), schema=schema, discover=False).sync_open()
            with pytest.raises(DatabaseUnavailable, match="no such database"):
                Chancy(psycopg.conninfo.make_conninfo(dsn, dbname=schema), discover=False).sync_open()
        finally:
            admin.execute(f"DROP ROLE {role}".encode())


async def test_a_pool_that_cannot_connect_for_a_moment_waits(chancy, monkeypatch):
    """Too many connections, or a server that starts, are waited out; the caller only hears of it if it lasts."""
    real, failures = pools.connect, 3

    async def failing(dsn, **options):
        nonlocal failures
        failures -= 1
        if failures >= 0:
            raise connect.unavailable(dsn, psycopg.OperationalError("FATAL:  sorry, too many clients already"))
        return await real(dsn, **options)

    chancy.pool._idle.drop()
    monkeypatch.setattr(pools, "connect", failing)
    await chancy.push(ECHO)
    assert failures < 0


async def test_a_pool_whose_connections_are_all_in_use_says_so(new_chancy, monkeypatch):
    """Waiting for a connection that others keep ends with what to do."""
    monkeypatch.setattr(pooling, "SLOT_WITHIN_S", 0.1)
    async with new_chancy(pool_max_size=1) as chancy, chancy.pool.connection():
        with pytest.raises(DatabaseUnavailable, match="pool_max_size"):
            async with chancy.pool.connection():
                pass


# -- how connections are kept ----------------------------------------------------------------


async def test_idle_connections_are_closed_after_a_while(new_chancy, monkeypatch, until):
    """Nobody has needed them for so long: they are closed although nothing happens, and opened again when needed."""
    monkeypatch.setattr(idle, "IDLE_MAX_S", 0.2)
    async with new_chancy() as chancy:
        await hold_several(chancy)
        await until(lambda: not chancy.pool._idle._stack)
        await chancy.push(ECHO)


async def test_sync_idle_connections_are_closed_after_a_while(new_chancy, monkeypatch, until):
    """The same without asyncio."""
    monkeypatch.setattr(idle, "IDLE_MAX_S", 0.2)
    with new_chancy() as chancy:
        chancy.sync_push(ECHO)
        await until(lambda: not chancy.sync_pool._idle._stack)
        chancy.sync_push(ECHO)


async def test_a_transaction_left_open_is_not_handed_on(chancy, query):
    """Whoever gives a connection back in the middle of a transaction leaves nothing of it to the next."""
    async with chancy.pool.connection() as connection:
        await connection.execute("BEGIN")
        await chancy.push(ECHO, connection=connection)
    async with chancy.pool.connection() as connection:
        assert connection.info.transaction_status == psycopg.pq.TransactionStatus.IDLE
    assert stored(query) == 0
