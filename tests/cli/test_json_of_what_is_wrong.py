"""What a command with `--json` answers when something is missing or wrong: programs read one thing, not two."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from click.testing import CliRunner

from chancy import Chancy, Job
from chancy_core.cli.group import chancy as command

NOBODY = "019a0000-0000-7000-8000-000000000000"


def named(arguments: object) -> str:
    """A case's name: what was typed."""
    return " ".join(arguments) if isinstance(arguments, list) else ""


@pytest.fixture
def refused(dsn: str, schema: str, tmp_path, monkeypatch) -> Callable[..., str]:
    """Runs a command with `--json` that is refused: it prints no document, and says why in its last line."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str, code: int = 1) -> str:
        done = CliRunner().invoke(command, ["--dsn", dsn, "--schema", schema, *arguments, "--json"])
        assert (done.exit_code, done.stdout) == (code, ""), done.output
        return done.stderr.splitlines()[-1]

    return run


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["job", NOBODY], "JobNotFound: "),
        (["job", "x"], "InvalidJob: "),
        (["job", NOBODY, "--cancel"], "JobNotFound: "),
        (["job", NOBODY, "--retry"], "JobNotFound: "),
        (["retry", NOBODY], "JobNotFound: "),
        (["cancel", NOBODY], "JobNotFound: "),
        (["delete", NOBODY], "JobNotFound: "),
        (["move", NOBODY, "--priority", "3"], "JobNotFound: "),
        (["jobs", "state:nope"], "InvalidFilter: "),
        (["failures", "nope:x"], "InvalidFilter: "),
        (["queue", "pause", "nope"], "UnknownQueue: "),
        (["queue", "resume", "nope"], "UnknownQueue: "),
        (["queue", "delete", "nope"], "UnknownQueue: "),
        (["queue", "declare", "a b"], "InvalidQueue: "),
        (["push", "os.getcwd", "--queue", "nope"], "UnknownQueue: "),
        (["push", "os.getcwd", "--kwargs", "{"], "InvalidJob: "),
    ],
    ids=named,
)
def test_what_is_missing_was_half_a_document(chancy: Chancy, refused, arguments, told):
    """Its name and what to do are on standard error, and nothing is on standard output."""
    assert refused(*arguments).startswith(told)


@pytest.mark.parametrize(
    "arguments", [["status"], ["jobs"], ["queues"], ["workers"], ["failures"], ["job", NOBODY]], ids=named
)
def test_a_schema_that_is_not_there_was_an_empty_list(refused, arguments):
    """Nobody has set it up, which is no answer to the question."""
    assert refused(*arguments).startswith("SchemaError: ")


def test_an_option_that_is_wrong_was_half_a_document(chancy: Chancy, refused):
    """The line of the usage, and its code."""
    assert refused("jobs", "--limit", "0", code=2).startswith("Error: Invalid value for '--limit'")


async def test_a_job_that_was_not_brought_back_had_one_of_three_reasons(chancy: Chancy, refused):
    """It says which: here that it still waits, and there that another job has its key by now."""
    waits = await chancy.push(Job("os.getcwd", unique_key="key"))
    last = refused("job", str(waits), "--retry")
    assert last == f"Error: {waits} was not brought back: it has not finished, it is pending."
    assert await chancy.cancel_job(waits)
    await chancy.push(Job("os.getcwd", unique_key="key"))
    last = refused("job", str(waits), "--retry")
    assert last == f"Error: {waits} was not brought back: another job has its unique key, 'key'."
