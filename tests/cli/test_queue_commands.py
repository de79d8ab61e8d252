"""`chancy queue declare` begins with what the settings say; an unknown queue is told with all ways to make it."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from chancy import Job, Queue, Worker
from chancy_core.cli.group import chancy as command
from chancy_core.errors import UnknownQueue

FILE = """
[queues.mail]
concurrency = 3
tags = ["big"]
executor = "threaded"
polling_interval = 2
"""


@pytest.fixture
def run(dsn, schema, tmp_path):
    """Runs the command with that file of settings."""
    file = tmp_path / "chancy.toml"
    file.write_text(FILE)

    def call(*arguments: str):
        return CliRunner().invoke(command, ["--dsn", dsn, "--schema", schema, "--config", str(file), *arguments])

    return call


async def test_declaring_ignored_what_the_settings_say(chancy, run):
    """The table is where it begins; options win over it, one by one."""
    done = run("queue", "declare", "mail", "--concurrency", "7")
    assert done.exit_code == 0, done.output
    told = "queue mail declared, as these options say, and otherwise as chancy.toml says"
    assert done.output.splitlines()[-1] == told
    wanted = Queue("mail", concurrency=7, tags=["big"], executor="threaded", polling_interval=2)
    assert await chancy.get_queue("mail") == wanted
    done = run("queue", "declare", "mail", "--tag", "small", "--tag", "tiny")
    assert done.output.splitlines()[-1] == "queue mail exists otherwise: --upsert changes it"
    done = run("queue", "declare", "mail", "--tag", "small", "--tag", "tiny", "--executor", "auto", "--upsert")
    assert done.exit_code == 0, done.output
    assert await chancy.get_queue("mail") == Queue("mail", concurrency=3, tags=["small", "tiny"], polling_interval=2)


async def test_a_queue_that_stands_in_no_settings_is_as_usual(chancy, run):
    """And nothing is said of any."""
    done = run("queue", "declare", "other", "--rate-limit-window", "2")
    assert done.output == "queue other declared\n"
    assert await chancy.get_queue("other") == Queue("other", rate_limit_window=2)


async def test_what_was_declared_on_the_command_line_stays(chancy, run, new_chancy):
    """A worker with the same settings does not undo it; one with others does."""
    assert run("queue", "declare", "mail", "--concurrency", "7").exit_code == 0
    mail = {"concurrency": 3, "tags": ["big"], "executor": "threaded", "polling_interval": 2}
    async with new_chancy(queues={"mail": mail}) as same, Worker(same):
        assert (await same.get_queue("mail")).concurrency == 7
    async with new_chancy(queues={"mail": {**mail, "concurrency": 4}}) as changed, Worker(changed):
        assert (await changed.get_queue("mail")).concurrency == 4


async def test_looking_declares_nothing_and_says_what_is_to_come(chancy, run, query):
    """`queue list` with a file that has a queue which nobody has opened with yet."""
    done = run("queue", "list")
    assert done.exit_code == 0, done.output
    assert "mail stands in chancy.toml and is not declared yet" in done.output
    assert query("SELECT name FROM {s}.queues") == [("default",)]
    assert run("queue", "declare", "mail").exit_code == 0
    assert "not declared yet" not in run("queue", "list").output


async def test_a_push_on_the_command_line_finds_the_queues_of_the_settings(chancy, run, query):
    """It is an application that opens."""
    done = run("push", "a.b", "--queue", "mail")
    assert done.exit_code == 0, done.output
    assert query("SELECT queue FROM {s}.jobs") == [("mail",)]


async def test_an_unknown_queue_was_told_with_one_way_to_make_it(chancy, run):
    """In code, in the file, on the command line; and the nearest that there is."""
    await chancy.declare(Queue("mail"))
    for name, key in (("mial", "mial"), ("a.b", '"a.b"')):
        with pytest.raises(UnknownQueue) as caught:
            await chancy.push(name, Job(func="a.b"))
        told = str(caught.value)
        assert f"await chancy.declare(Queue({name!r})) in code" in told
        assert f"a table [queues.{key}] in chancy.toml" in told
        assert f"`chancy queue declare {name}` on the command line" in told
    assert "Did you mean 'mail'?" in run("queue", "pause", "mial").output


async def test_a_name_that_no_queue_can_have_is_told_as_that(chancy):
    """Nobody is sent to declare what is refused then."""
    with pytest.raises(UnknownQueue, match="It cannot be declared either: names of queues have 1 to 100 letters"):
        await chancy.push("two words", Job(func="a.b"))
