"""Commands in a thread of a program that goes on, as a web application's request runs them: no signals there."""

from __future__ import annotations

import asyncio
import signal
import sys
import threading

import pytest
from click.testing import CliRunner

from chancy import Job, State
from chancy_core.cli.group import chancy as command
from chancy_core.cli.program import Program
from chancy_core.cli.within import run_program
from chancy_core.worker.signals import STOP_SIGNALS


@pytest.fixture
def handlers():
    """What signals do is as before when the test has ended, and nothing else was seen in between."""
    before = {number: signal.getsignal(number) for number in STOP_SIGNALS}
    yield
    assert {number: signal.getsignal(number) for number in STOP_SIGNALS} == before


@pytest.mark.usefixtures("handlers", "chancy")
@pytest.mark.parametrize(
    "words",
    [
        ("config",),
        ("status",),
        ("jobs", "--json"),
        ("push", "os.getcwd"),
        ("retry", "state:failed", "--yes"),
        ("db", "psql", "--", "--version"),
    ],
    ids=" ".join,
)
async def test_a_command_in_a_thread_asked_for_the_main_one(dsn, schema, words):
    """It had a traceback: only the main thread may say what signals do."""
    done = await asyncio.to_thread(CliRunner().invoke, command, ["--dsn", dsn, "--schema", schema, *words])
    assert (done.exit_code, done.exception) == (0, None), done.output


@pytest.mark.usefixtures("handlers", "chancy")
@pytest.mark.parametrize("where", ["here", "thread"])
@pytest.mark.parametrize("options", [(), ("--processes", "2")], ids=["one", "processes"])
def test_a_worker_ended_a_program_that_was_to_go_on(new_chancy, dsn, schema, where, options):
    """It saw to it that the process ended within seconds, left signals ignored, and took the interpreter's hooks."""
    hooks = sys.excepthook, sys.unraisablehook, threading.excepthook
    reference = new_chancy().sync_push(Job(func="json.loads", kwargs={"s": "{"}))
    program = Program(
        "site", (sys.executable, "-m", "chancy_core"), {"dsn": dsn, "schema": schema, "discover": False}, goes_on=True
    )
    environment = ("--dsn", dsn, "--schema", schema) if options else ()
    ended = []

    def run() -> None:
        with pytest.raises(SystemExit) as end:
            run_program(program, (*environment, "worker", "--until-idle", *options))
        ended.append(end.value.code)

    if where == "here":
        run()
    else:
        thread = threading.Thread(target=run)
        thread.start()
        thread.join()
    assert ended == [0]
    assert (sys.excepthook, sys.unraisablehook, threading.excepthook) == hooks
    assert "chancy-end" not in [thread.name for thread in threading.enumerate()]
    job = new_chancy().sync_get_job(reference)
    assert job is not None
    assert job.state is State.FAILED
