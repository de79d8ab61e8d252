"""Pushing: what is stored, when, in which transaction, and in how few statements."""

from __future__ import annotations

import asyncio
import random
import time
import tracemalloc
import uuid
from collections.abc import AsyncIterator
from enum import Enum

import psycopg
import pytest
from psycopg.rows import dict_row
from support import WITHIN_S, until

from chancy import Chancy, Job, Queue, Reference, State, Worker, job
from chancy_core.app import pushing
from chancy_core.errors import InvalidJob, NotOpen, UnknownQueue
from chancy_core.store import Store, flow
from chancy_core.values.notices import Notice

ECHO = Job(func="jobs.echo", kwargs={"value": 1})


@job(queue="default", priority=7)
async def decorated(*, value: int) -> int:
    return value


async def count(chancy: Chancy) -> int:
    return sum(sum(states.values()) for states in (await chancy.count_jobs()).values())


async def test_both_forms_of_push_store_one_job(chancy):
    """push(queue, job) and push(job) store the job, in the queue named or in its own."""
    await chancy.declare(Queue("mail"))
    named = await (await chancy.push("mail", ECHO)).get()
    own = await (await chancy.push(ECHO.with_queue("mail"))).get()
    default = await (await chancy.push(queue="default", job=ECHO)).get()
    assert [found.queue for found in (named, own, default)] == ["mail", "mail", "default"]
    assert {found.state for found in (named, own, default)} == {State.PENDING}


class Place(str, Enum):  # noqa: UP042 -- a StrEnum prints itself as its value
    MAIL = "mail"


class Urgency(int, Enum):
    LOW = 3


async def test_a_member_of_an_enumeration_is_stored_as_its_value(chancy):
    """A queue and a priority that are members of enumerations are their values, in every form of push."""
    await chancy.declare(Queue("mail"))
    to_mail = Job(func="jobs.echo", queue=Place.MAIL, priority=Urgency.LOW, unique_key=Place.MAIL)
    low = Job(func="jobs.echo", priority=Urgency.LOW)
    pushed = [
        await chancy.push(to_mail),
        await chancy.push(Place.MAIL, low),
        *await chancy.push_many([low.with_queue(Place.MAIL)]),
        *await chancy.push_many(Place.MAIL, [low]),
    ]
    found = [await reference.get() for reference in pushed]
    assert [(job.queue, job.priority) for job in found] == [("mail", 3)] * 4
    assert found[0].unique_key == "mail"


async def test_every_field_comes_back_as_it_was_pushed(chancy):
    """A job read from the database equals the job that was pushed, field by field."""
    kwargs = {"text": 'quote " backslash \\ tab \t newline \n ünïcode 🐘', "n": 2**70, "f": 1e16, "l": [1, None, True]}
    pushed = Job(func="jobs.echo", kwargs=kwargs, priority=-5, max_attempts=9, meta={"a": {"b": []}})
    for reference in (await chancy.push(pushed), *(await chancy.push_many([pushed, pushed]))):
        found = await reference.get()
        for field in ("func", "queue", "kwargs", "priority", "max_attempts", "limits", "meta", "unique_key"):
            assert getattr(found, field) == getattr(pushed, field), field
        assert isinstance(found.kwargs["f"], float)


@pytest.mark.parametrize("size", [0, 1, 3, 12_001])
async def test_push_many_takes_any_iterable_and_keeps_its_order(chancy, size):
    """Generators, lists, async generators and single jobs all come back as references in their order."""

    def jobs():
        return (ECHO.with_kwargs(value=i) for i in range(size))

    async def later() -> AsyncIterator[Job]:
        for one in jobs():
            yield one

    for given in (jobs(), list(jobs()), later()):
        references = await chancy.push_many("default", given)
        assert len(references) == size
        ends = [references[0], references[-1]] if size else []
        values = [(await reference.get()).kwargs["value"] for reference in ends]
        assert values == ([0, size - 1] if size else [])
    if 0 < size < 10:
        assert len(await chancy.push_many("default", *jobs())) == size
        assert len(await chancy.push_many(*jobs())) == size


async def test_push_many_is_all_or_none(chancy):
    """A bad job far into a bulk push leaves nothing behind, and the error says which one it is."""

    def jobs():
        for i in range(7000):
            yield ECHO
            if i == 6000:
                yield ECHO.with_kwargs(value={1, 2})

    with pytest.raises(InvalidJob, match=r"Job 6001 of push_many: kwargs\['value'\] is a set"):
        await chancy.push_many("default", jobs())
    assert await count(chancy) == 0


async def test_push_many_reads_as_it_sends(chancy):
    """A long bulk push holds no more than a few chunks of jobs in memory."""
    filler = "x" * 500

    def jobs(n: int):
        return (Job(func="jobs.noop", kwargs={"filler": filler, "i": i}) for i in range(n))

    async def peak_bytes(n: int) -> int:
        tracemalloc.start()
        try:
            assert len(await chancy.push_many("default", jobs(n))) == n
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    await chancy.push_many("default", jobs(10))
    # Two chunks, and five: the one that is sent and the one that is read are all there is.
    assert await peak_bytes(25_000) < 1.3 * await peak_bytes(10_000)


async def test_a_decorated_function_is_accepted_wherever_a_job_is(chancy):
    """A function with @job stays callable, and can be pushed singly and in bulk."""
    assert await decorated(value=3) == 3
    one = await (await chancy.push(decorated)).get()
    (many,) = await chancy.push_many("default", decorated)
    changed = await chancy.push(decorated.job.with_kwargs(value=2))
    assert one.func == "test_push.decorated"
    assert one.priority == 7
    assert (await many.get()).func == one.func
    assert (await changed.get()).kwargs == {"value": 2}


async def test_an_unknown_queue_is_refused_with_the_nearest_name(chancy):
    """A queue nobody declared: an error that names the nearest, singly, in bulk and among concurrent pushes."""
    await chancy.declare(Queue("mailing"))
    for push in (lambda: chancy.push("mailin", ECHO), lambda: chancy.push_many("mailin", [ECHO] * 3)):
        with pytest.raises(UnknownQueue, match="Did you mean 'mailing'"):
            await push()
    assert await count(chancy) == 0
    pushes = [chancy.push("nowhere" if i == 5 else "default", ECHO) for i in range(10)]
    results = await asyncio.gather(*pushes, return_exceptions=True)
    assert [type(r).__name__ for r in results if isinstance(r, Exception)] == ["UnknownQueue"]
    assert await count(chancy) == 9


async def test_concurrent_pushes_are_written_together(chancy, schema):
    """Pushes that arrive while a write is in flight share a transaction: far fewer transactions than pushes."""
    await asyncio.gather(*(chancy.push(ECHO) for _ in range(300)))
    async with chancy.pool.connection() as connection:
        cursor = await connection.execute(f"SELECT count(DISTINCT xmin::text), count(*) FROM {schema}.jobs")
        ((transactions, jobs),) = await cursor.fetchall()
    assert jobs == 300
    assert transactions <= 5


async def test_a_push_cancelled_in_line_stores_nothing(chancy):
    """Whoever is cancelled before the write began has pushed nothing; the others are not disturbed."""
    first = asyncio.create_task(chancy.push(ECHO))
    await asyncio.sleep(0)
    second, third = (asyncio.create_task(chancy.push(ECHO)) for _ in range(2))
    await asyncio.sleep(0)
    second.cancel()
    await asyncio.gather(first, third)
    assert second.cancelled() or second.exception() is None
    with pytest.raises(asyncio.CancelledError):
        await second
    assert await count(chancy) == 2


async def test_a_push_survives_the_loss_of_its_connection(chancy, dsn):
    """A connection that was killed between two pushes is replaced; every job is stored exactly once."""
    await chancy.push(ECHO)
    with psycopg.connect(dsn, autocommit=True) as admin:
        for _ in range(3):
            async with chancy.pool.connection() as connection:
                pid = connection.info.backend_pid
            admin.execute("SELECT pg_terminate_backend(%s)", [pid])
            await chancy.push(ECHO)
    assert await count(chancy) == 4


def test_a_sync_push_survives_the_loss_of_its_connection(new_chancy, dsn):
    """Without asyncio too, a connection that was killed between two pushes is replaced, and what it kept with it."""
    with new_chancy() as chancy, psycopg.connect(dsn, autocommit=True) as admin:
        chancy.sync_migrate()
        for _ in range(3):
            chancy.sync_push(ECHO)
            with chancy.sync_pool.connection() as connection:
                pid = connection.info.backend_pid
            admin.execute("SELECT pg_terminate_backend(%s)", [pid])
        chancy.sync_push(ECHO)
        assert chancy.sync_count_jobs() == {"default": {"pending": 4}}


async def test_a_single_push_is_one_statement_whatever_the_job(chancy, new_chancy, monkeypatch):
    """Plain jobs, loaded ones and unique ones are stored by one statement each, and come back as they were."""
    steps = []
    answer, answer_sync = flow._answer, flow._answer_sync

    async def counted(cursor, step):
        steps.append(step)
        return await answer(cursor, step)

    def counted_sync(cursor, step):
        steps.append(step)
        return answer_sync(cursor, step)

    # No notification is sent later, by itself, which would be counted with a push.
    monkeypatch.setattr(pushing, "NOTIFY_GAP_S", 0.0)
    kinds = [
        ECHO,
        Job(func="jobs.noop", priority=-2, max_attempts=3),
        ECHO.with_meta(a=1),
        ECHO.with_unique_key("k"),
        ECHO.with_retry_on(KeyError),
    ]
    with new_chancy() as other:
        for push in (chancy.push, other.sync_push):
            for pushed in kinds * 2:
                given = pushed if pushed.unique_key is None else pushed.with_unique_key(str(uuid.uuid4()))
                with monkeypatch.context() as patch:
                    patch.setattr(flow, "_answer", counted)
                    patch.setattr(flow, "_answer_sync", counted_sync)
                    steps.clear()
                    reference = push(given)
                    reference = reference if isinstance(reference, Reference) else await reference
                    assert len(steps) == 1
                found = await chancy.get_job(reference)
                for field in given.__struct_fields__:
                    assert getattr(found, field) == getattr(given, field), field


async def test_pushes_while_connections_are_killed_are_stored_once(chancy, dsn):
    """However often the connection is lost in the middle of a push, what was answered is stored, and nothing twice."""
    killed = 0
    dice = random.Random(5)

    async def kill() -> None:
        nonlocal killed
        async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as admin:
            while True:
                cursor = await admin.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE application_name = 'chancy' AND query LIKE %s",
                    [f"%{chancy.settings.schema}%"],
                )
                killed += cursor.rowcount
                # Now and then long enough for a push on a busy machine.
                await asyncio.sleep(dice.uniform(0, 0.2))

    async def push(number: int) -> Reference | None:
        try:
            return await chancy.push(
                ECHO.with_kwargs(value=number).with_unique_key(f"k{number}" if number % 2 else None)
            )
        except psycopg.OperationalError:
            # Lost twice in a row: whether it was stored is for the caller to find out.
            return None

    killing = asyncio.create_task(kill())
    answers: dict[int, Reference | None] = {}
    while killed < 10 or not any(answers.values()):
        numbers = range(len(answers), len(answers) + 10)
        answers |= zip(numbers, await asyncio.gather(*map(push, numbers)), strict=True)
    killing.cancel()
    await asyncio.wait([killing])
    # By a connection of its own: the last kill may just have hit one that the pool would hand out.
    async with await psycopg.AsyncConnection.connect(dsn) as connection:
        cursor = await connection.execute(f"SELECT (kwargs->>'value')::int, id FROM {chancy.settings.schema}.jobs")
        stored = await cursor.fetchall()
    assert len({number for number, _ in stored}) == len(stored)
    answered = {number: answer.identifier for number, answer in answers.items() if answer is not None}
    assert answered
    assert answered.items() <= dict(stored).items()


@pytest.mark.parametrize("unique_key", [None, "k"])
@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_push_whose_answer_is_lost_is_stored_once(chancy, new_chancy, monkeypatch, when, unique_key):
    """Whether the connection was lost before the commit or after it, the push ends well, and the job is there once."""
    job = ECHO.with_unique_key(unique_key)

    def losing(answer):
        lost = False

        def lose(step) -> None:
            nonlocal lost
            if not lost and b"INSERT INTO" in step.text:
                lost = True
                raise psycopg.OperationalError("the connection is lost")

        async def later(cursor, step):
            if when == "before":
                lose(step)
            rows = await answer(cursor, step)
            lose(step)
            return rows

        def now(cursor, step):
            if when == "before":
                lose(step)
            rows = answer(cursor, step)
            lose(step)
            return rows

        return later if answer is flow._answer else now

    monkeypatch.setattr(flow, "_answer", losing(flow._answer))
    reference = await chancy.push(job)
    assert reference.created
    assert (await reference.get()).id == reference.identifier
    assert await count(chancy) == 1
    monkeypatch.setattr(flow, "_answer_sync", losing(flow._answer_sync))
    with new_chancy() as other:
        again = other.sync_push(job)
        assert again.created is (unique_key is None)
        assert (again == reference) is (unique_key == "k")
    assert await count(chancy) == (2 if unique_key is None else 1)


async def test_an_iterable_that_raises_stores_nothing(chancy):
    """An error in the middle of a caller's own generator comes out as it is, and nothing was stored."""

    def broken():
        for _ in range(6000):
            yield ECHO
        raise ZeroDivisionError

    async def broken_later() -> AsyncIterator[Job]:
        for one in broken():
            yield one

    for jobs in (broken, broken_later):
        with pytest.raises(ZeroDivisionError):
            await chancy.push_many("default", jobs())
    with pytest.raises(UnknownQueue):
        await chancy.push_many(ECHO.with_queue("nowhere" if n == 6000 else "default") for n in range(6001))
    assert await count(chancy) == 0


async def test_an_async_iterable_may_use_the_application_itself(chancy):
    """While push_many reads its jobs, they may come from other pushes and reads of the same application."""

    async def echoes() -> AsyncIterator[Job]:
        for _ in range(3):
            reference = await chancy.push(ECHO)
            yield ECHO.with_meta(after=str((await reference.get()).id))

    assert len(await chancy.push_many(echoes())) == 3
    assert await count(chancy) == 6


async def test_push_many_costs_a_round_trip_a_chunk(chancy, monkeypatch):
    """A bulk push sends a few statements for thousands of jobs, with unique keys and without."""
    steps = []
    answer = flow._answer

    async def counted(cursor, step):
        steps.append(step)
        return await answer(cursor, step)

    monkeypatch.setattr(flow, "_answer", counted)
    await chancy.push_many([ECHO] * 5000)
    assert [type(step).__name__ for step in steps] == ["Query", "CopyIn", "Query"]
    steps.clear()
    await chancy.push_many(ECHO.with_unique_key(f"k{n}") for n in range(5000))
    assert len(steps) <= 4
    steps.clear()
    # What is there already needs no more, however long it is.
    await chancy.push_many([ECHO] * 12_000)
    assert [type(step).__name__ for step in steps] == ["Query", "CopyIn", "Query"]


async def test_pushes_without_end_leave_the_connections_to_others_too(new_chancy):
    """With a single connection, a look at a job gets its turn although pushes never pause."""
    async with new_chancy(pool_max_size=1) as chancy:
        await chancy.migrate()
        reference = await chancy.push(ECHO)

        async def pushes():
            while True:
                await chancy.push(ECHO)

        tasks = [asyncio.create_task(pushes()) for _ in range(5)]
        try:
            async with asyncio.timeout(WITHIN_S):
                assert (await reference.get()).state == "pending"
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)


async def test_a_push_cancelled_while_it_is_written_disturbs_nobody(chancy):
    """A push that is cancelled in the middle of its write stores its job or not; its neighbours return theirs."""
    for _ in range(20):
        tasks = [asyncio.create_task(chancy.push(ECHO)) for _ in range(10)]
        await asyncio.sleep(0.001)
        tasks[3].cancel()
        answers = await asyncio.gather(*tasks, return_exceptions=True)
        references = [answer for answer in answers if isinstance(answer, Reference)]
        assert len(references) >= 9
        assert None not in await chancy.get_jobs(references)


# -- in the caller's transaction ---------------------------------------------------------------


@pytest.mark.parametrize("commit", [True, False])
@pytest.mark.parametrize("kind", ["async", "async cursor", "sync", "sync cursor"])
async def test_the_job_exists_if_and_only_if_the_transaction_commits(chancy, dsn, kind, commit):
    """push and push_many write on the caller's connection or cursor, whatever kind it is."""
    if kind.startswith("async"):
        connection = await psycopg.AsyncConnection.connect(dsn, row_factory=dict_row)
        given = connection.cursor() if "cursor" in kind else connection
        await chancy.push(ECHO, connection=given)
        await chancy.push_many([ECHO] * 3, connection=given)
        assert await count(chancy) == 0
        await (connection.commit() if commit else connection.rollback())
        await connection.close()
    else:
        with psycopg.connect(dsn) as connection:
            given = connection.cursor() if "cursor" in kind else connection
            await chancy.push(ECHO, connection=given)
            await chancy.push_many([ECHO] * 3, connection=given)
            assert await count(chancy) == 0
            if not commit:
                connection.rollback()
    assert await count(chancy) == (4 if commit else 0)


async def test_a_bulk_push_cancelled_as_it_begins_to_write_leaves_the_transaction_usable(chancy, dsn, query):
    """What the caller wrote before it can be committed, without any of its jobs."""
    async with await psycopg.AsyncConnection.connect(dsn) as connection:

        def copies(settle_s: float) -> bool:
            # While the loop stands still, the server has time to answer.
            time.sleep(settle_s)
            found = "SELECT 1 FROM pg_stat_activity WHERE pid = %s AND query LIKE 'COPY%%' AND state = 'active'"
            return bool(query(found, connection.info.backend_pid))

        # A busy server may need longer; if it was too slow to be seen, it is given more time.
        for settle_s in (0.003, 0.03, 0.3, 3.0):
            before = await chancy.push(ECHO, connection=connection)
            task = asyncio.create_task(chancy.push_many([ECHO] * 3, connection=connection))
            while not (found := copies(settle_s)) and not task.done():  # noqa: ASYNC110 -- one step at a time
                await asyncio.sleep(0)
            if found:
                break
            await connection.rollback()
        assert found
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await connection.commit()
        assert await before.get()
        assert await count(chancy) == 1


@pytest.mark.parametrize("commit", [True, False])
@pytest.mark.parametrize("kind", ["async", "sync", "without asyncio"])
async def test_a_bulk_push_may_be_the_first_of_its_transaction(chancy, new_chancy, dsn, kind, commit):
    """On a connection that has done nothing yet, push_many begins the caller's transaction and does not commit it."""
    if kind == "async":
        async with await psycopg.AsyncConnection.connect(dsn) as connection:
            await chancy.push_many([ECHO] * 3, connection=connection)
            assert await count(chancy) == 0
            if not commit:
                await connection.rollback()
    else:
        with psycopg.connect(dsn) as connection:
            if kind == "sync":
                await chancy.push_many([ECHO] * 3, connection=connection)
            else:
                with new_chancy() as other:
                    other.sync_push_many([ECHO] * 3, connection=connection)
            assert await count(chancy) == 0
            if not commit:
                connection.rollback()
    assert await count(chancy) == (3 if commit else 0)


async def test_on_an_autocommit_connection_a_push_commits_at_once(chancy, dsn):
    """A connection that autocommits has no transaction to wait for; inside a block of its own it has one."""
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as connection:
        await chancy.push(ECHO, connection=connection)
        await chancy.push_many([ECHO] * 3, connection=connection)
        assert await count(chancy) == 4
        async with connection.transaction(force_rollback=True):
            await chancy.push(ECHO, connection=connection)
            await chancy.push_many([ECHO] * 3, connection=connection)
    assert await count(chancy) == 4


async def test_a_push_in_a_savepoint_shares_its_fate(chancy, dsn):
    """What was pushed inside a savepoint that is rolled back is not there; what was pushed around it is."""
    async with await psycopg.AsyncConnection.connect(dsn) as connection:
        before = await chancy.push(ECHO, connection=connection)
        async with connection.transaction(force_rollback=True):
            inside = [
                await chancy.push(ECHO, connection=connection),
                *(await chancy.push_many([ECHO] * 2, connection=connection)),
            ]
        after = await chancy.push_many([ECHO] * 2, connection=connection)
    found = await chancy.get_jobs([before, *inside, *after])
    assert [job is not None for job in found] == [True, False, False, False, True, True]


async def test_workers_hear_of_a_push_when_it_commits(chancy, dsn):
    """A job pushed in a transaction is not run before the commit, and is run soon after it."""
    async with Worker(chancy), await psycopg.AsyncConnection.connect(dsn) as connection:
        one = await chancy.push(ECHO, connection=connection)
        many = await chancy.push_many([ECHO] * 3, connection=connection)
        await (await chancy.push(ECHO)).wait(timeout=WITHIN_S)
        assert await chancy.get_jobs([one, *many]) == [None] * 4
        await connection.commit()
        finished = await chancy.wait_for_jobs([one, *many], timeout=WITHIN_S)
    assert {job.state for job in finished} == {State.SUCCEEDED}


async def test_a_sync_push_needs_a_sync_connection(new_chancy, dsn):
    """An async connection or iterable given to a sync method is refused with what to use instead."""

    async def later() -> AsyncIterator[Job]:
        yield ECHO

    async with await psycopg.AsyncConnection.connect(dsn) as connection:
        with new_chancy() as chancy:
            for push in (chancy.sync_push, chancy.sync_push_many):
                with pytest.raises(TypeError, match="use the method without sync_"):
                    push(ECHO, connection=connection)
            with pytest.raises(TypeError, match="cannot read an async iterable"):
                chancy.sync_push_many(later())
            assert chancy.sync_count_jobs() == {}


async def test_a_refused_push_leaves_the_callers_transaction_usable(chancy, dsn):
    """After a bulk push that was refused half-way, the caller may go on and commit, and nothing of it is there."""
    async with await psycopg.AsyncConnection.connect(dsn) as connection:
        await chancy.push(ECHO, connection=connection)
        with pytest.raises(InvalidJob):
            await chancy.push_many([ECHO] * 6000 + [ECHO.with_kwargs(value=b"x")], connection=connection)
        with pytest.raises(UnknownQueue):
            await chancy.push("nowhere", ECHO, connection=connection)
        await chancy.push(ECHO, connection=connection)
    assert await count(chancy) == 2


async def test_what_is_no_connection_is_refused(chancy):
    """Anything but a psycopg connection or cursor is refused with what to give instead."""
    with pytest.raises(TypeError, match="give a psycopg 3 connection or cursor"):
        await chancy.push(ECHO, connection=object())


async def test_a_search_path_does_not_matter(chancy, dsn):
    """Statements name their schema: a push works whatever the caller's search_path is."""
    async with await psycopg.AsyncConnection.connect(dsn) as connection:
        await connection.execute("SET search_path = pg_catalog")
        await chancy.push(ECHO, connection=connection)
        await chancy.push_many([ECHO, ECHO.with_unique_key("k")], connection=connection)
    assert await count(chancy) == 3


# -- what is told, and when ----------------------------------------------------------------


async def test_pushes_that_follow_each_other_tell_for_those_before(chancy, monkeypatch):
    """A queue is told with the first push after a gap; that takes a statement of its own only if no push follows."""
    monkeypatch.setattr(pushing, "NOTIFY_GAP_S", 0.02)
    monkeypatch.setattr(pushing, "NOTIFY_LATE_S", 2.0)
    alone: list[list[Notice]] = []
    notify = Store.notify

    def noted(self: Store, notices: list[Notice]) -> flow.Flow[None]:
        alone.append(notices)
        return notify(self, notices)

    monkeypatch.setattr(Store, "notify", noted)
    # Longer than anything may wait to be told.
    until_s = time.monotonic() + 2.5
    while time.monotonic() < until_s:
        await chancy.push(ECHO)
    assert not alone
    await until(lambda: chancy.connections.here.pusher._telling.task is None)
    # Whether the last push told by itself is chance.
    assert alone in ([], [[Notice.ready("default")]])


# -- without asyncio ---------------------------------------------------------------------------


def test_the_sync_twins(new_chancy, dsn):
    """Everything an application needs works without an event loop."""
    with new_chancy() as chancy:
        chancy.sync_migrate()
        chancy.sync_declare(Queue("mail"))
        reference = chancy.sync_push("mail", ECHO)
        assert chancy.sync_get_job(reference).queue == "mail"
        assert reference.sync_get().state == State.PENDING
        assert len(chancy.sync_push_many("mail", (ECHO for _ in range(6001)))) == 6001
        with psycopg.connect(dsn) as connection:
            chancy.sync_push(ECHO, connection=connection)
            chancy.sync_push_many([ECHO], connection=connection.cursor())
            connection.rollback()
        assert chancy.sync_count_jobs() == {"mail": {"pending": 6002}}
        with pytest.raises(UnknownQueue, match="Did you mean 'mail'"):
            chancy.sync_push("mial", ECHO)


async def test_outside_its_block_a_chancy_says_so(new_chancy):
    """A push before opening or after closing is an error that says what to write."""
    chancy = new_chancy()
    with pytest.raises(NotOpen, match="async with"):
        await chancy.push(ECHO)
    async with chancy:
        await chancy.push(ECHO)
    with pytest.raises(NotOpen, match="async with"):
        await chancy.push_many([ECHO])


async def test_a_chancy_may_be_opened_again(new_chancy):
    """Closing and opening again works, and close returns only when everything is written."""
    chancy = new_chancy()
    async with chancy:
        pushes = [asyncio.create_task(chancy.push(ECHO)) for _ in range(50)]
        await asyncio.sleep(0)
    await asyncio.gather(*pushes)
    async with chancy:
        await until(lambda: _fifty(chancy))


async def _fifty(chancy: Chancy) -> bool:
    return await count(chancy) == 50
