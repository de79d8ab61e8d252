"""Bulk pushes of few jobs: one statement, and all that larger ones promise."""

from __future__ import annotations

import psycopg
import pytest
from pushed import ECHO, count, losing

from chancy import Job, Plugin, Queue, hookimpl
from chancy_core.errors import InvalidJob, UnknownQueue
from chancy_core.store import flow
from chancy_core.store.lines import FEW_MAX, PART_BYTES
from chancy_core.store.statements import statement


@pytest.fixture
def steps(monkeypatch, schema) -> list[str]:
    """What was asked of the database, by kind; without what is told the workers of earlier pushes, a moment later."""
    found: list[str] = []
    telling = statement("notify", schema)

    def noted(answer):
        async def later(cursor, step):
            if not isinstance(step, flow.Pause) and getattr(step, "text", b"") != telling:
                found.append(type(step).__name__)
            return await answer(cursor, step)

        def now(cursor, step):
            found.append(type(step).__name__)
            return answer(cursor, step)

        return later if answer is flow._answer else now

    for name in ("_answer", "_answer_sync"):
        monkeypatch.setattr(flow, name, noted(getattr(flow, name)))
    return found


@pytest.mark.parametrize("number", [1, 2, 10, FEW_MAX])
async def test_few_jobs_are_stored_by_one_statement(chancy, new_chancy, steps, number):
    """Ten jobs took six round trips; what a call costs is mostly those."""
    await chancy.push(ECHO)
    steps.clear()
    jobs = [ECHO.with_kwargs(value=n).with_priority(n) for n in range(number)]
    references = await chancy.push_many(jobs)
    assert steps == ["Query"]
    assert [job.kwargs["value"] for job in await chancy.get_jobs(references)] == list(range(number))
    with new_chancy() as other:
        steps.clear()
        found = other.sync_push_many("default", *jobs)
        assert steps == ["Query"]
        assert [job.priority for job in other.sync_get_jobs(found)] == list(range(number))


@pytest.mark.parametrize(
    "jobs",
    [
        [ECHO] * (FEW_MAX + 1),
        [ECHO.with_kwargs(value="x" * (PART_BYTES // 3))] * 4,
        [ECHO, ECHO.with_unique_key("k")],
    ],
    ids=["many", "large", "unique"],
)
async def test_what_is_more_than_that_is_copied(chancy, steps, jobs):
    """Beyond, the server is what a push waits for, and COPY costs it a third."""
    steps.clear()
    references = await chancy.push_many(jobs)
    assert "CopyIn" in steps
    assert len(set(references)) == len(jobs)
    assert [job.kwargs for job in await chancy.get_jobs(references)] == [job.kwargs for job in jobs]


async def test_few_jobs_are_stored_all_or_none(chancy, new_chancy):
    """Whichever of them is bad, and whatever is wrong with it."""
    bad = ECHO.with_kwargs(value={1, 2})
    with pytest.raises(InvalidJob, match=r"Job 2 of push_many: kwargs\['value'\] is a set.* None of them was stored\."):
        await chancy.push_many([ECHO, ECHO, bad, ECHO])
    with pytest.raises(UnknownQueue, match="'nowhere' was never declared"):
        await chancy.push_many([ECHO, ECHO.with_queue("nowhere")])
    with new_chancy() as other:
        with pytest.raises(InvalidJob, match="Job 1 of push_many"):
            other.sync_push_many([ECHO, bad])
        with pytest.raises(UnknownQueue):
            other.sync_push_many("nowhere", [ECHO] * 3)
    assert await count(chancy) == 0


async def test_a_queue_that_somebody_else_has_deleted_takes_no_few_jobs(chancy, new_chancy):
    """What a process has seen of a queue before is not believed later."""
    await chancy.declare(Queue("short"))
    await chancy.push_many("short", [ECHO] * 3)
    async with new_chancy() as other:
        await other.delete_queue("short", purge_jobs=True)
    with pytest.raises(UnknownQueue):
        await chancy.push_many("short", [ECHO] * 3)
    assert await count(chancy) == 0


async def test_few_jobs_that_the_database_refuses_are_none_of_them_stored(chancy, dsn):
    """A trigger, an encoding, an index: nobody can say which job it was, and all of them are the caller's again."""
    with psycopg.connect(dsn, autocommit=True) as admin:
        schema = chancy.settings.schema
        admin.execute(
            f"""
            CREATE FUNCTION {schema}.refuse() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN
                IF NEW.kwargs->>'value' = 'bad' THEN
                    RAISE EXCEPTION 'not this one' USING ERRCODE = '22000';
                END IF;
                RETURN NEW;
            END $$;
            CREATE TRIGGER refuse BEFORE INSERT ON {schema}.jobs FOR EACH ROW EXECUTE FUNCTION {schema}.refuse()
            """
        )
    jobs = [ECHO, ECHO.with_kwargs(value="bad"), ECHO]
    with pytest.raises(InvalidJob, match=r"one of the jobs of push_many: not this one\. None of them was stored"):
        await chancy.push_many(jobs)
    assert await count(chancy) == 0


class Counting(Plugin):
    name = "counting"

    def __post_init__(self):
        self.seen: list[int] = []

    @hookimpl
    def on_push(self, jobs):
        self.seen.append(len(jobs))
        return [job.with_unique_key(f"k{number}") for number, job in enumerate(jobs)] if len(jobs) == 2 else None


async def test_plugins_see_few_jobs_once_whichever_way_they_go(new_chancy):
    """Also if a plugin gives them keys, or if they are too large, so that they go the other way after all."""
    plugin = Counting()
    large = ECHO.with_kwargs(value="x" * PART_BYTES)
    async with new_chancy(plugins=[plugin]) as chancy:
        await chancy.migrate()
        await chancy.push_many([ECHO] * 3)
        await chancy.push_many([ECHO] * 2)
        await chancy.push_many([large] * 4)
        assert plugin.seen == [3, 2, 4]
        assert await count(chancy) == 9


@pytest.mark.parametrize("when", ["before", "after"])
async def test_few_jobs_whose_answer_is_lost_are_stored_once(chancy, new_chancy, monkeypatch, when):
    """Their ids tell whether they were stored, as with a single push."""

    for name in ("_answer", "_answer_sync"):
        monkeypatch.setattr(flow, name, losing(getattr(flow, name), when))
    jobs = [Job(func="jobs.echo", kwargs={"value": n}) for n in range(5)]
    references = await chancy.push_many(jobs)
    assert [job.kwargs["value"] for job in await chancy.get_jobs(references)] == list(range(5))
    with new_chancy() as other:
        other.sync_push_many(jobs)
    assert await count(chancy) == 10
