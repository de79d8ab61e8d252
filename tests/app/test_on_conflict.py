"""A push whose unique key is taken: it returns what is there, or is refused, or replaces it while it waits."""

from __future__ import annotations

import asyncio
import pickle
from datetime import UTC, datetime, timedelta
from functools import partial

import psycopg
import pytest
from support import WITHIN_S, until

from chancy import Backoff, Job, Limit, Queue, Reference, Worker
from chancy.errors import InvalidJob, UniqueKeyTaken, UnknownQueue

KEYED = Job(func="jobs.echo", unique_key="k")
RAISE = KEYED.with_on_conflict("raise")
REPLACE = KEYED.with_on_conflict("replace")


def later(seconds: float = 3600) -> datetime:
    return datetime.now(UTC) + timedelta(seconds=seconds)


async def in_state(reference: Reference, state: str) -> bool:
    return (await reference.get()).state == state


def says(job: Job) -> dict[str, object]:
    """What a job says of itself, without its key."""
    fields = set(Job.__struct_fields__) - {"unique_key", "on_conflict"}
    return {name: value for name, value in job.to_dict().items() if name in fields}


async def test_a_taken_key_is_refused_with_key_job_and_state(chancy):
    """With "raise", the error names the key, the id of the job that is there, and its state; nothing is stored."""
    first = await chancy.push(RAISE)
    assert first.created
    for push in (partial(chancy.push, RAISE), partial(chancy.push, KEYED, on_conflict="raise")):
        with pytest.raises(UniqueKeyTaken, match=rf"'k'.*{first}.*pending.*on_conflict='existing'") as raised:
            await push()
        error = raised.value
        assert (error.unique_key, error.job_id, error.state) == ("k", first.identifier, "pending")
    assert await chancy.count_jobs() == {"default": {"pending": 1}}
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), again.job_id, again.state) == (str(error), error.job_id, "pending")


def test_a_taken_key_is_refused_without_asyncio(new_chancy, dsn):
    """So it is by `sync_push`, in bulk, and in the caller's transaction, which goes on."""
    with new_chancy() as chancy, psycopg.connect(dsn) as connection:
        chancy.sync_migrate()
        chancy.sync_push(RAISE)
        with pytest.raises(UniqueKeyTaken):
            chancy.sync_push(RAISE)
        with pytest.raises(UniqueKeyTaken):
            chancy.sync_push_many([KEYED.with_unique_key("l"), RAISE])
        with pytest.raises(UniqueKeyTaken):
            chancy.sync_push(RAISE, connection=connection)
        other = chancy.sync_push(KEYED.with_unique_key("m"), connection=connection)
        connection.commit()
        assert chancy.sync_get_job(other) is not None
        assert chancy.sync_count_jobs() == {"default": {"pending": 2}}


async def test_a_bulk_push_with_a_taken_key_stores_none(chancy):
    """All or none: a job that is refused takes the others of its call with it, also if they share the key."""
    await chancy.push(KEYED)
    with pytest.raises(UniqueKeyTaken, match="'k'"):
        await chancy.push_many([Job("jobs.echo"), KEYED.with_unique_key("l"), RAISE])
    with pytest.raises(UniqueKeyTaken, match="'n'"):
        await chancy.push_many([KEYED.with_unique_key("n")] * 2, on_conflict="raise")
    assert await chancy.count_jobs() == {"default": {"pending": 1}}


async def test_of_those_pushed_together_only_the_refused_one_fails(chancy):
    """Pushes that are written together, with and without `raise`, have each an answer of its own."""
    found = await asyncio.gather(
        *(chancy.push(job) for job in (RAISE, RAISE, KEYED, RAISE, REPLACE, RAISE.with_unique_key("l"))),
        return_exceptions=True,
    )
    assert [type(one).__name__ for one in found] == [
        "Reference",
        "UniqueKeyTaken",
        "Reference",
        "UniqueKeyTaken",
        "Reference",
        "Reference",
    ]
    assert [one.created for one in found if isinstance(one, Reference)] == [True, False, False, True]


async def test_what_waits_is_replaced_by_all_that_the_push_says(chancy):
    """With "replace", a job that has not been started gets arguments, priority, time and everything else anew."""
    await chancy.declare(Queue("q"))
    first = await chancy.push(KEYED.with_scheduled_at(later()))
    other = Job(
        func="jobs.add",
        queue="q",
        kwargs={"a": 1, "b": 2},
        priority=-5,
        max_attempts=7,
        scheduled_at=later(7200),
        limits=[Limit(Limit.Type.TIME, 3)],
        unique_key="k",
        meta={"m": 1},
        backoff=Backoff.fixed(3),
        keep_result=False,
        expires_at=later(9000),
        retry_on=("ValueError",),
        give_up_on=("KeyError",),
        on_conflict="replace",
    )
    second = await chancy.push(other)
    assert (second, second.created, second.replaced) == (first, False, True)
    found = await first.get()
    assert says(found) == says(other)
    assert (found.state, found.unique_key) == ("scheduled", "k")
    third = await chancy.push(KEYED, on_conflict="replace")
    assert third == first
    found = await first.get()
    assert (says(found), found.state) == (says(KEYED), "pending")
    assert await chancy.count_jobs() == {"default": {"pending": 1}}


async def test_debounced_pushes_run_once_with_the_latest_arguments(chancy):
    """Pushes that replace each other and put it off each time make one run, of the last one."""
    references = [
        await chancy.push(REPLACE.with_kwargs(value=n).with_scheduled_at(later(600 - n * 60))) for n in range(10)
    ]
    assert len(set(references)) == 1
    async with Worker(chancy):
        last = await chancy.push(REPLACE.with_kwargs(value="last"))
        job = await last.wait(timeout=WITHIN_S)
    assert (job.result, job.attempts, last) == ("last", 1, references[0])


async def test_one_that_may_be_started_now_after_all_is_started_at_once(new_chancy, chancy):
    """A worker hears of a job that was replaced, although its id is older than what it has claimed."""
    async with Worker(chancy):
        old = await chancy.push(KEYED.with_scheduled_at(later()))
        for _ in range(3):
            await (await chancy.push(Job("jobs.echo"))).wait(timeout=WITHIN_S)
        await chancy.push(REPLACE.with_kwargs(value=1))
        # Long before the queue is polled for what nobody told of.
        assert (await old.wait(timeout=WITHIN_S)).result == 1


async def test_what_runs_is_not_replaced(chancy):
    """A running job keeps its arguments; the push is refused, and the error says how one may wait meanwhile."""
    async with Worker(chancy, grace_s=0):
        first = await chancy.push(Job(func="jobs.sleep", unique_key="k"))
        await until(partial(in_state, first, "running"))
        with pytest.raises(UniqueKeyTaken, match=rf"'k'.*{first}.*running.*unique_while='waiting'") as raised:
            await chancy.push(REPLACE)
        assert raised.value.state == "running"
        with pytest.raises(UniqueKeyTaken):
            await chancy.push_many([REPLACE])
        await first.cancel()
        await first.wait(timeout=WITHIN_S)
        assert (await chancy.push(REPLACE)).created


async def test_what_waits_for_its_next_attempt_begins_anew_when_it_is_replaced(chancy):
    """A retrying job that is replaced has all of its attempts again, and keeps its errors."""
    failing = Job(func="jobs.fail", unique_key="k", max_attempts=2, backoff=Backoff.fixed(600))
    async with Worker(chancy):
        first = await chancy.push(failing)
        await until(partial(in_state, first, "retrying"))
        again = await chancy.push(REPLACE.with_kwargs(value=3))
        assert (again, again.replaced) == (first, True)
        job = await first.wait(timeout=WITHIN_S)
    assert (job.state, job.result, job.attempts, len(job.errors)) == ("succeeded", 3, 1, 1)


async def test_a_replacement_for_a_queue_that_nobody_declared_is_refused(chancy):
    """The job that is there stays as it is."""
    first = await chancy.push(KEYED.with_kwargs(value=1))
    with pytest.raises(UnknownQueue, match="'nowhere'"):
        await chancy.push("nowhere", REPLACE)
    assert (await first.get()).kwargs == {"value": 1}


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("on_conflict", "ignore", "'existing'.*'raise'.*'replace'"),
        ("on_conflict", None, "'existing'.*'raise'.*'replace'"),
        ("on_conflict", True, "'existing'.*'raise'.*'replace'"),
        ("unique_while", "running", "'live'.*'waiting'"),
        ("unique_while", ["live"], "'live'.*'waiting'"),
    ],
)
async def test_a_word_that_is_none_is_refused_with_those_there_are(chancy, field, value, said):
    """Both words are checked where they are given, with a key and without."""
    with pytest.raises(InvalidJob, match=f"{field} is .*{said}"):
        Job("jobs.echo", **{field: value})
    if field == "on_conflict" and value is not None:
        with pytest.raises(InvalidJob, match=said):
            await chancy.push(KEYED, on_conflict=value)
        with pytest.raises(InvalidJob, match=said):
            await chancy.push_many([KEYED], on_conflict=value)


async def test_what_a_job_says_of_its_key_comes_back_with_it(chancy):
    """Both words are stored with a job that has a key, so that it can be pushed again as it was."""
    job = KEYED.with_unique_key("w", unique_while="waiting", on_conflict="raise")
    found = await (await chancy.push(job)).get()
    assert (found.unique_key, found.unique_while, found.on_conflict) == ("w", "waiting", "raise")
    assert found.to_dict()["unique_while"] == "waiting"
    plain = await (await chancy.push(Job("jobs.echo"), on_conflict="replace")).get()
    assert (plain.unique_while, plain.on_conflict) == ("live", "existing")
