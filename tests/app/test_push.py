"""Pushing: what is stored, when, and in how few statements."""

from __future__ import annotations

import asyncio
import uuid
from enum import Enum

import pytest
from pushed import ECHO, count

from chancy import Job, Queue, Reference, State, job
from chancy_core.app import pushing
from chancy_core.errors import UnknownQueue
from chancy_core.store import flow


@job(queue="default", priority=7)
async def decorated(*, value: int = 3) -> int:
    return value


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
