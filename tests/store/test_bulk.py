"""Bulk pushes: lines of COPY that are made while the server reads, whatever the jobs are."""

from __future__ import annotations

import asyncio
import uuid
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from chancy import Backoff, Job, Limit, Queue
from chancy_core.errors import InvalidJob
from chancy_core.store import flow, lines
from chancy_core.store.ids import RUN_MAX, IdBlock, new_id, suffix
from chancy_core.values.jsonvalue import decode, encode_checked

ECHO = Job(func="jobs.echo", kwargs={"value": 1})


@pytest.mark.parametrize("form", [list, iter])
async def test_jobs_of_all_kinds_in_one_bulk_push(chancy, form):
    """Plain jobs among unique, scheduled and loaded ones, to several queues: each comes back as it was, in order."""
    await chancy.declare(Queue("mail"))
    later = datetime.now(UTC) + timedelta(hours=1)
    kinds = [
        ECHO,
        Job(func="jobs.noop"),
        ECHO.with_kwargs(value="back\\slash \t tab \n line \\N"),
        ECHO.with_kwargs(value=[1.5, None, {"a": ("b",)}]).with_priority(-3),
        ECHO.with_scheduled_at(later),
        ECHO.with_meta(a="\\"),
        ECHO.with_expires_at(later).with_max_attempts(7),
        ECHO.with_limits([Limit(Limit.Type.TIME, 3)]).with_retry_on(ValueError),
        Job(func="jobs.echo", kwargs={"value": 1}, keep_result=False, give_up_on=(KeyError,)),
        ECHO.with_backoff(Backoff.fixed(3)),
    ]
    jobs = [kinds[n % len(kinds)] for n in range(6000)]
    jobs[700] = ECHO.with_unique_key("k")
    jobs[5300] = ECHO.with_unique_key("k").with_kwargs(value="taken")
    jobs[5500:] = [job.with_queue("mail") for job in jobs[5500:]]
    references = await chancy.push_many(form(jobs))
    identifiers = [reference.identifier for reference in references]
    assert [n for n, reference in enumerate(references) if not reference.created] == [5300]
    assert identifiers.pop(5300) == identifiers[700]
    assert identifiers == sorted(set(identifiers))
    found = await chancy.get_jobs(references)
    for pushed, stored in [*zip(jobs, found, strict=True)][:5300]:
        for field in pushed.__struct_fields__:
            assert json_like(getattr(stored, field)) == json_like(getattr(pushed, field)), field
    assert [job.queue for job in found] == [job.queue for job in jobs]


def json_like(value):
    """With lists for tuples."""
    return decode(encode_checked(value, "x")) if isinstance(value, dict) else value


async def test_a_bad_job_ends_the_copy_before_it_is_told(chancy, monkeypatch):
    """What is in a bad job does not reach the server, which would write it into its log; nothing is stored."""
    copied = []
    answer = flow._answer

    async def watched(cursor, step):
        rows = await answer(cursor, step)
        copied.append(type(step).__name__)
        return rows

    monkeypatch.setattr(flow, "_answer", watched)
    with pytest.raises(InvalidJob, match=r"Job 5700 of push_many: kwargs\['value'\] is a bytes"):
        await chancy.push_many([ECHO] * 5700 + [ECHO.with_kwargs(value=b"secret")] + [ECHO] * 10)
    assert copied == ["Query", "CopyIn"]
    assert await chancy.count_jobs() == {}


async def test_the_encoding_of_the_callers_connection_does_not_matter(chancy, dsn):
    """A bulk push on a connection that talks Latin 1 stores every character."""
    async with await psycopg.AsyncConnection.connect(dsn, client_encoding="latin1") as connection:
        (reference,) = await chancy.push_many([ECHO.with_kwargs(value="ü 🐘")], connection=connection)
    assert (await reference.get()).kwargs == {"value": "ü 🐘"}


async def test_the_loop_turns_while_a_list_is_pushed(chancy):
    """However long the list is, other tasks have their turns."""
    turns = 0

    async def count_turns():
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    counting = asyncio.create_task(count_turns())
    await chancy.push_many([ECHO] * 10_000)
    counting.cancel()
    assert turns > 10_000 / lines.PART


def test_the_ids_of_a_bulk_push_grow_with_all_others():
    """However fast jobs are pushed, singly and in bulk, their ids are UUIDv7 that grow, none of them twice."""
    ids = []
    for _ in range(300):
        ids.append(uuid.UUID(new_id()))
        made = IdBlock()
        ids += [uuid.UUID(int=made.first + number) for number in (0, 1, RUN_MAX - 1)]
        assert [str(id_) for id_ in ids[-3:]] == [made.prefix + suffix(number) for number in (0, 1, RUN_MAX - 1)]
    assert ids == sorted(set(ids))
    assert {(id_.version, id_.variant) for id_ in ids} == {(7, uuid.RFC_4122)}
    assert lines.PART <= RUN_MAX
