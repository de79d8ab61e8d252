"""`chancy jobs QUERY`: finding jobs from a terminal."""

from __future__ import annotations

import asyncio

import msgspec
import pytest
from commands import COLUMNS
from support import WITHIN_S

from chancy import Job, Queue, Worker


@pytest.fixture
async def pushed(chancy):
    """Three jobs: one that failed, one that succeeded, one that waits in another queue."""
    await chancy.declare(Queue("mail", tags=["nobody"]))
    async with Worker(chancy):
        failed = await chancy.push(
            Job(func="jobs.fail", kwargs={"message": "no answer from\nthe " + "far " * 60 + "end"})
        )
        fine = await chancy.push(Job(func="jobs.echo", kwargs={"value": {"user": 7}}))
        for reference in (failed, fine):
            await reference.wait(timeout=WITHIN_S)
    waiting = await chancy.push(Job(func="jobs.noop", queue="mail", meta={"tenant": "acme"}, priority=-3))
    return [str(reference) for reference in (waiting, fine, failed)]


def ids(done):
    return [line.split()[0] for line in done.out.splitlines()[1:]]


async def test_the_jobs_are_listed_the_newest_first(run, pushed):
    """All of them; those of a query; those that a term leaves out; by their ids."""
    waiting, fine, failed = pushed

    async def found(*query):
        done = await asyncio.to_thread(run, "jobs", *query)
        assert done.code == 0, done.err
        return ids(done)

    assert await found() == pushed
    assert await found("state:failed") == [failed]
    assert await found("state:finished", "-state:failed") == [fine]
    assert await found("-state:failed func:jobs.*") == [waiting, fine]
    assert await found("kwargs.value.user:7") == [fine]
    assert await found(failed, waiting) == [waiting, failed]


async def test_a_row_is_a_line_and_whole_in_a_pipe(run, pushed):
    """However long the error is, and whatever is in it."""
    done = await asyncio.to_thread(run, "jobs", "state:failed")
    heading, line = done.out.splitlines()
    assert heading.split() == ["id", "state", "func", "queue", "since", "problem"]
    assert "ValueError: no answer from the " + "far " * 60 + "end" in line
    wanted = "id,priority,kwargs.value.user,meta.tenant"
    done = await asyncio.to_thread(run, "jobs", "-state:failed", "--columns", wanted)
    assert [line.split()[1:] for line in done.out.splitlines()[1:]] == [["-3", "acme"], ["0", "7"]]


async def test_in_a_terminal_a_job_has_two_lines_at_most(run, pushed):
    """Its id is whole, so that it can be copied; what went wrong is cut at the edge."""
    done = await asyncio.to_thread(run.terminal, "jobs", "state:failed")
    first, second = done.out.splitlines()
    assert first.split() == [pushed[2], "failed", *first.split()[2:4], "ago", "jobs.fail"]
    assert second.startswith("  ValueError: no answer from the far")
    assert second.endswith("…")
    assert max(len(first), len(second)) <= COLUMNS
    assert "\x1b[" not in (await asyncio.to_thread(run.terminal, "jobs", env={"NO_COLOR": "1"})).raw


async def test_a_line_of_json_for_each_job(run, pushed):
    """Every field, for `jq` and the like."""
    done = await asyncio.to_thread(run, "jobs", "--json")
    documents = [msgspec.json.decode(line) for line in done.out.splitlines()]
    assert [document["id"] for document in documents] == pushed
    assert [document["state"] for document in documents] == ["pending", "succeeded", "failed"]
    assert documents[2]["errors"][0]["type"] == "ValueError"
    assert (await asyncio.to_thread(run, "jobs", "--json", "--columns", "id")).code == 2


async def test_a_list_that_goes_on_says_how(run, pushed):
    """The line on stderr is the command that shows the rest, the query's quotes included."""
    done = await asyncio.to_thread(run, "jobs", "--limit", "2", '-error:"so what"')
    assert ids(done) == pushed[:2]
    assert done.err == f"There are more: chancy jobs '-error:\"so what\"' --after {pushed[1]}\n"
    rest = await asyncio.to_thread(run, "jobs", "--after", pushed[1])
    assert (ids(rest), rest.err) == (pushed[2:], "")


async def test_many_are_listed_page_by_page(chancy, run, monkeypatch):
    """More than one page has."""
    await chancy.push_many([Job(func="jobs.noop") for _ in range(1200)])
    done = await asyncio.to_thread(run, "jobs", "--limit", "1100", "--columns", "id")
    assert len(set(ids(done))) == 1100
    assert "There are more" in done.err


async def test_nothing_found_says_where_nothing_is(run, pushed, schema):
    """The query, the schema and the database; an empty schema says so, too."""
    done = await asyncio.to_thread(run, "jobs", "func:nobody.*")
    assert (done.code, done.out) == (0, "")
    assert f"func:nobody.* finds no job in schema {schema!r} at " in done.err


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["stat:failed"], 1, "Did you mean 'state'"),
        (["state:nope"], 1, "InvalidFilter: At character 7"),
        (["--columns", "id,stat"], 2, "'stat' is no column. Did you mean 'state'?"),
        (["--limit", "0"], 2, "'0': give a whole number from 1 to 1,000,000"),
        (["--after", "yesterday"], 2, "'yesterday' is not a valid UUID"),
        (["--within", "0"], 2, "give seconds"),
        (["since:never"], 1, "'never' is no time"),
        (["x" * 10_000], 1, "4,096"),
    ],
)
def test_what_cannot_be_looked_for_is_told(run, arguments, code, told):
    """In a line that names the place and what to write, before anything is asked."""
    done = run("jobs", *arguments, env={"CHANCY_DSN": "postgresql://127.0.0.1:1/none"})
    assert (done.code, told in done.words) == (code, True), done.words
