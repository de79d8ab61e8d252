"""Pauses that end by themselves: how long, or until when; what is over already is no pause."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from click.testing import CliRunner
from support import WITHIN_S

from chancy import Chancy, Job, Queue, State, Worker
from chancy_core.cli.group import chancy as command
from chancy_core.errors import InvalidJob, InvalidQueue
from chancy_core.worker import heartbeat

ECHO = Job(func="jobs.echo")


@pytest.fixture
def run(dsn, schema):
    def call(*arguments: str):
        return CliRunner().invoke(command, ["--dsn", dsn, "--schema", schema, "queue", *arguments])

    return call


def left_s(queue: Queue) -> float:
    assert queue.resume_at is not None
    return (queue.resume_at - datetime.now(UTC)).total_seconds()


async def test_a_length_of_time_was_no_time_to_resume_at(chancy, monkeypatch):
    """It counts from now, by the database's clock, and the queue resumes by itself."""
    monkeypatch.setattr(heartbeat, "LOOK_EVERY_S", 0.1)
    await chancy.pause_queue("default", resume_at=timedelta(hours=2))
    found = await chancy.get_queue("default")
    assert found.state == "paused"
    assert 7000 < left_s(found) <= 7210
    await chancy.pause_queue("default", resume_at=timedelta(seconds=0.5))
    async with Worker(chancy):
        assert (await (await chancy.push(ECHO)).wait(timeout=WITHIN_S)).state is State.SUCCEEDED


def test_without_asyncio_too(new_chancy):
    """The same."""
    with new_chancy() as chancy:
        chancy.sync_pause_queue("default", resume_at=timedelta(days=1))
        assert chancy.sync_get_queue("default").state == "paused"


@pytest.mark.parametrize(
    ("resume_at", "told"),
    [
        (
            datetime(2001, 1, 1, tzinfo=UTC),
            r"resume_at is 2001-01-01 00:00:00\+00:00, which is over: the database's clock",
        ),
        (datetime.now(UTC) - timedelta(seconds=1), "which is over"),
        (timedelta(0), r"resume_at is datetime.timedelta\(0\): give how long from now, seconds above 0"),
        (timedelta(seconds=-1), "give how long from now"),
        (timedelta(days=100_000), r"at most 315,360,000 \(ten years\)"),
        (datetime(2030, 1, 1), "without a time zone"),  # noqa: DTZ001
        (date(2030, 1, 1), "give a datetime with a time zone"),
        (3600, r"resume_at is 3600: give how long from now, as timedelta\(seconds=3600\), or a datetime"),
        ("2h", "give a datetime with a time zone"),
        (True, "give a datetime with a time zone"),
    ],
)
async def test_a_pause_that_is_over_was_none(chancy, resume_at, told):
    """It is refused, with what to give, and the queue is as it was; so is whatever is no time."""
    with pytest.raises(InvalidQueue, match=told):
        await chancy.pause_queue("default", resume_at=resume_at)
    assert (await chancy.get_queue("default")).state == "active"


async def test_a_queue_that_is_declared_paused_until_a_moment_that_is_over_is_refused(chancy):
    """It would be active; until one to come it is paused."""
    over, to_come = (datetime.now(UTC) + timedelta(hours=hours) for hours in (-1, 1))
    with pytest.raises(InvalidQueue, match="which is over"):
        await chancy.declare(Queue("mail", state=Queue.State.PAUSED, resume_at=over))
    with pytest.raises(InvalidQueue, match="and the queue is not paused"):
        await chancy.declare(Queue("mail", resume_at=to_come))
    assert [queue.name for queue in await chancy.get_all_queues()] == ["default"]
    await chancy.declare(Queue("mail", state="paused", resume_at=to_come))
    assert (await chancy.get_queue("mail")).resume_at == to_come


def test_a_length_is_no_moment_of_a_job_or_a_queue():
    """It would count from the moment at which the value was made, which is not that of the push."""
    for field in ("scheduled_at", "expires_at"):
        with pytest.raises(InvalidJob, match=rf"{field} is .*, which is no moment: give a datetime with"):
            Job(func="a.b", **{field: timedelta(hours=1)})
    with pytest.raises(InvalidQueue, match="which is no moment"):
        Queue("q", state=Queue.State.PAUSED, resume_at=timedelta(hours=1))


@pytest.mark.parametrize(
    ("options", "least_s", "most_s"),
    [
        (["--for", "2h"], 7000, 7210),
        (["--for", "90s"], 30, 100),
        (["--for", "1 d"], 86_000, 86_410),
        (["--until", "2090-01-31T08:00+01:00"], 1e9, 1e11),
    ],
    ids=str,
)
async def test_a_pause_on_the_command_line(chancy: Chancy, run, options, least_s, most_s):
    """As long as it says, or until then."""
    done = run("pause", "default", *options)
    assert done.exit_code == 0, done.output
    found = await chancy.get_queue("default")
    assert least_s < left_s(found) <= most_s
    assert done.output.startswith("queue default paused until 20")
    assert "default" in run("list").output


@pytest.mark.parametrize(
    ("options", "code", "told"),
    [
        (["--for", "2"], 1, "--for is '2': give a whole number and a unit"),
        (["--for", "-2h"], 1, "--for is '-2h'"),
        (["--for", "0s"], 1, "give how long from now"),
        (["--for", "forever"], 1, "leave it out"),
        (["--for", ""], 1, "--for is ''"),
        (["--for", "99w", "--until", "2030-01-31T08:00+01:00"], 2, "--until and --for exclude each other"),
        (["--for", "5000w"], 1, "ten years"),
        (["--until", "tomorrow"], 1, "--until 'tomorrow' is not a time: write 2030-01-31T08:00+01:00."),
        (["--until", ""], 1, "--until '' is not a time"),
        (["--until", "2030-01-31T08:00"], 1, "without a time zone"),
        (["--until", "2001-01-31T08:00+01:00"], 1, "which is over"),
    ],
    ids=str,
)
async def test_a_wrong_pause_on_the_command_line_pauses_nothing(chancy: Chancy, run, options, code, told):
    """In one line that says what to write."""
    done = run("pause", "default", *options)
    assert done.exit_code == code, done.output
    assert told in done.output
    assert "Traceback" not in done.output
    assert (await chancy.get_queue("default")).state == "active"
