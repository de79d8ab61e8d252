"""What fails is put together by its cause, and workers are shown with what they run."""

from __future__ import annotations

from datetime import UTC, datetime
from importlib.metadata import version

import failing_jobs
import jobs
import pytest
from support import until

from chancy import Backoff, Chancy, Job, Worker
from chancy.errors import InvalidFilter
from chancy_core.values.failures import own_frame

PARSE = Job(func="failing_jobs.parse", kwargs={"text": "no JSON"})
DIVIDE = Job(func="failing_jobs.divide", kwargs={"by": 0})


async def test_failures_are_put_together_by_their_cause(chancy: Chancy):
    """By function, exception, and the innermost line of one's own code, whatever library it called."""
    refs = await chancy.push_many("default", [PARSE] * 5 + [DIVIDE] * 3 + [Job(func="jobs.echo")])
    waiting = await chancy.push(
        Job(func="failing_jobs.divide", kwargs={"by": 0}, max_attempts=2, backoff=Backoff.fixed(3600))
    )
    missing = await chancy.push(Job(func="jobs.fail", kwargs={"message": "x" * 5000}))
    async with Worker(chancy):
        await chancy.wait_for_jobs([*refs, missing], timeout=60)
        await until(lambda: is_retrying(chancy, waiting))
    found = await chancy.find_failures("since:1h")
    assert found.searched_until is None
    assert found.count == 10
    assert [(group.func, group.type, group.count, group.retrying) for group in found.groups] == [
        ("failing_jobs.parse", "JSONDecodeError", 5, 0),
        ("failing_jobs.divide", "ZeroDivisionError", 4, 1),
        ("jobs.fail", "ValueError", 1, 0),
    ]
    parse, divide, long = found.groups
    assert parse.where == "tests/shared/failing_jobs.py:8 in parse"
    assert divide.where == "tests/shared/failing_jobs.py:17 in _divide"
    assert divide.newest == waiting.identifier
    assert parse.message.startswith("Expecting value")
    assert len(long.message) == 300
    assert parse.first_at <= parse.last_at <= datetime.now(UTC)
    assert found.to_dict()["groups"][0]["newest"] == str(parse.newest)
    assert [group.count for group in (await chancy.find_failures("error:zerodivision state:failed")).groups] == [3]
    assert len((await chancy.find_failures(limit=1)).groups) == 1
    assert (await chancy.find_failures("func:nothing")).groups == []
    assert failing_jobs.__file__.endswith("tests/shared/failing_jobs.py")


async def is_retrying(chancy: Chancy, reference) -> bool:
    return (await chancy.get_job(reference)).state == "retrying"


async def test_errors_that_somebody_else_wrote_are_counted_too(chancy: Chancy, query):
    """Whatever is there instead of an error, a message or a moment."""
    for errors in (
        '[{"type": "E", "at": "soon"}]',
        '["text"]',
        "[]",
        '{"type": "E"}',
        "7",
        '[{"at": "2026-01-01"}]',
        "[null]",
    ):
        query(
            "INSERT INTO {s}.finished_jobs (id, queue, func, priority, state, attempts, max_attempts, claims, "
            "created_at, errors) VALUES (gen_random_uuid(), 'default', 'm.f', 0, 'failed', 1, 1, 1, now(), %s)",
            errors,
        )
    found = await chancy.find_failures()
    assert {(group.type, group.where, group.count, group.first_at) for group in found.groups} == {("E", None, 1, None)}


@pytest.mark.parametrize(
    ("frames", "own"),
    [
        (['File "/srv/app/mail.py", line 31, in send'], "srv/app/mail.py:31 in send"),
        (
            ['File "/app/mail.py", line 3, in send', 'File "/usr/lib/python3.11/ssl.py", line 9, in read'],
            "app/mail.py:3 in send",
        ),
        (['File "/v/lib/python3.11/site-packages/httpx/a.py", line 9, in get'], None),
        (['File "<frozen importlib._bootstrap>", line 9, in _find'], None),
        (['File "C:\\\\work\\\\app\\\\mail.py", line 3, in send'], "work/app/mail.py:3 in send"),
        (['  | File "/app/a/b.py", line 3, in <lambda>'], "app/a/b.py:3 in <lambda>"),
        (['File "/app/config.py", line 3'], "app/config.py:3"),
        ([], None),
    ],
)
def test_the_innermost_own_line_of_a_traceback(frames, own):
    """Python, what is installed, and Chancy are not one's own."""
    text = "Traceback (most recent call last):\n" + "".join(f"  {frame}\n    code\n" for frame in frames) + "E: m"
    assert own_frame(text.replace("\\\\", "\\")) == own


async def test_what_somebody_asks_wrongly_is_told(chancy: Chancy):
    """As by find_jobs."""
    with pytest.raises(InvalidFilter, match="Did you mean 'since'"):
        await chancy.find_failures("sinse:2h")


async def test_workers_are_shown_with_what_they_run(chancy: Chancy):
    """Which job, since when, and whether it is to stop; with the version, and how long the lease still runs."""
    jobs.gate.clear()
    reference = await chancy.push(Job(func="jobs.sleep", kwargs={"seconds": 600}, max_attempts=3))
    async with Worker(chancy, grace_s=0) as worker:
        await until(lambda: is_running(chancy, reference))
        (found,) = await chancy.get_workers(runs=True)
        (run,) = found.runs
        assert (run.id, run.func, run.queue, run.attempt, run.cancel_requested) == (
            reference.identifier,
            "jobs.sleep",
            "default",
            1,
            False,
        )
        assert 0 <= run.since_s_ago < 600
        assert found.name == worker.name
        assert found.version == version("chancy-core")
        assert found.lease_left_s > 0
        assert found.to_dict()["runs"][0]["id"] == str(reference)
        assert (await chancy.get_workers())[0].runs is None
        await chancy.cancel_job(reference)
        await reference.wait(timeout=60)
        assert (await chancy.get_workers(runs=True))[0].runs == []


async def is_running(chancy: Chancy, reference) -> bool:
    return (await chancy.get_job(reference)).state == "running"
