"""Commands in a thread of a program that goes on, as a web application's request runs them: no signals there."""

from __future__ import annotations

import asyncio
import signal

import pytest
from click.testing import CliRunner

from chancy import Chancy, Job, State
from chancy_core.cli.group import chancy as command
from chancy_core.worker.signals import STOP_SIGNALS


@pytest.fixture
def handlers():
    """What signals do is as before when the test has ended, and nothing else was seen in between."""
    before = {number: signal.getsignal(number) for number in STOP_SIGNALS}
    yield
    assert {number: signal.getsignal(number) for number in STOP_SIGNALS} == before


@pytest.mark.usefixtures("handlers")
@pytest.mark.parametrize(
    "words",
    [
        ("config",),
        ("status",),
        ("jobs", "--json"),
        ("push", "os.getcwd"),
        ("retry", "state:failed", "--yes"),
        ("db", "psql", "--", "--version"),
        ("worker", "--until-idle"),
        ("worker", "--until-idle", "--processes", "2"),
    ],
    ids=" ".join,
)
async def test_a_command_in_a_thread_asked_for_the_main_one(chancy: Chancy, dsn, schema, words):
    """It had a traceback: only the main thread may say what signals do."""
    reference = await chancy.push(Job(func="json.loads", kwargs={"s": "{"}))
    done = await asyncio.to_thread(CliRunner().invoke, command, ["--dsn", dsn, "--schema", schema, *words])
    assert (done.exit_code, done.exception) == (0, None), done.output
    job = await chancy.get_job(reference)
    assert job is not None
    assert job.state is (State.FAILED if "worker" in words else State.PENDING)
