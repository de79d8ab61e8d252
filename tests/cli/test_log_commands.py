"""What the command logs, and that no job silences it."""

# ruff: noqa: ASYNC220 -- a process that is started takes no time

from __future__ import annotations

import asyncio
import json
import logging
import os
import pty
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from support import IMPORT_PATH, WITHIN_S, until

from chancy import Job, Queue
from chancy_core.cli.group import chancy as command

RUDE = ("raises_beside", "configures", "configures_root", "forces", "disables", "breaks", "takes_stderr")


NOWHERE = "postgresql://ann:hunter2@127.0.0.1:1/app?connect_timeout=2"


def said(*options: str, worker: tuple[str, ...] = (), terminal: bool = False, folder: Path, **variables: str) -> str:
    """What `chancy worker` says of a database that is not there."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CHANCY_")}
    started = [sys.executable, "-m", "chancy_core.cli", "--dsn", NOWHERE, *options, "worker", *worker]
    ours, theirs = pty.openpty()
    try:
        with (folder / "stderr").open("w+b") as file:
            done = subprocess.run(
                started,
                check=False,
                stderr=theirs if terminal else file,
                env={**environment, **variables},
                cwd=folder,
                timeout=WITHIN_S,
            )
            file.seek(0)
            found = os.read(ours, 100_000) if terminal else file.read()
    finally:
        os.close(ours)
        os.close(theirs)
    assert done.returncode == 1
    assert b"hunter2" not in found
    return found.decode()


@pytest.mark.parametrize(
    ("how", "is_json"),
    [
        ({}, True),
        ({"terminal": True}, False),
        ({"worker": ("--log-format", "console")}, False),
        ({"worker": ("--log-format", "json"), "terminal": True}, True),
        ({"CHANCY_LOG_FORMAT": "console"}, False),
        ({"CHANCY_LOG_FORMAT": "json", "terminal": True}, True),
    ],
)
def test_lines_are_json_unless_it_is_a_terminal_or_somebody_says_so(how, is_json, tmp_path):
    """The option, the variable, or what standard error is; also for the line that says why it cannot start."""
    found = said(**how, folder=tmp_path, CHANCY_NONSENSE="1")
    lines = found.splitlines()
    if is_json:
        events = [json.loads(line) for line in lines]
        assert [event["event"] for event in events] == ["variable_ignored", "command_failed"]
        assert events[1]["type"] == "DatabaseUnavailable"
    else:
        assert "WARNING variable_ignored" in lines[0]
        assert lines[-1].startswith(("DatabaseUnavailable: ", "\x1b[31mDatabaseUnavailable:"))


def test_a_file_sets_the_format_and_an_option_is_stronger(tmp_path):
    """As for every setting; `chancy --log-format` before the command does the same."""
    (tmp_path / "chancy.toml").write_text('[chancy]\nlog_format = "console"\n')
    assert said(folder=tmp_path).startswith("DatabaseUnavailable: ")
    assert json.loads(said("--log-format", "json", folder=tmp_path))["event"] == "command_failed"


def test_a_format_that_there_is_not_is_refused(tmp_path, monkeypatch):
    """With those that there are."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CHANCY_LOG_FORMAT", "yaml")
    done = CliRunner().invoke(command, ["config"])
    assert done.exit_code == 1
    assert "CHANCY_LOG_FORMAT" in done.output
    assert '"auto", "json" or "console"' in done.output


async def test_no_job_silences_the_worker(chancy, dsn, schema, tmp_path):
    """`chancy worker` tells of everything after each of them, in lines of JSON, once."""
    path = tmp_path / "worker.log"
    with path.open("wb") as out:
        worker = subprocess.Popen(
            [sys.executable, "-m", "chancy_core.cli", "--dsn", dsn, "--schema", schema, "worker"],
            stdin=subprocess.DEVNULL,
            stderr=out,
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": IMPORT_PATH, "CHANCY_DISCOVER": "false"},
        )

    def events(name: str) -> list[dict[str, Any]]:
        lines = path.read_text().splitlines(keepends=True)
        return [line for line in map(json.loads, (one for one in lines if one.endswith("\n"))) if line["event"] == name]

    try:
        for number, name in enumerate(RUDE):
            job = await (await chancy.push(Job(func=f"rude_jobs.{name}"))).wait(timeout=WITHIN_S)
            assert job.state == "succeeded", job.errors
            queue = f"after-{number}"
            await chancy.declare(Queue(queue))
            await until(lambda queue=queue: [one for one in events("queue_served") if one["queue"] == queue])
        worker.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(worker.wait, WITHIN_S) == 0
    finally:
        worker.kill()
        worker.wait()
    (thread, unraisable) = events("exception_not_caught")
    assert (thread["thread"], "ValueError: in a thread" in thread["exception"]) == ("beside", True)
    assert "__del__" in unraisable["raised_in"]
    assert len(events("worker_started")) == len(events("worker_stopping")) == len(events("worker_stopped")) == 1


async def test_a_program_of_ones_own_is_not_silenced_by_a_dict_config(dsn, schema, chancy):
    """There, logging is the program's; but no `disable_existing_loggers` by the way ends its events."""
    done = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "own_program",
        dsn,
        schema,
        "rude_jobs.configures",
        "jobs.noop",
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": IMPORT_PATH},
    )
    _, said = await asyncio.wait_for(done.communicate(), WITHIN_S)
    assert done.returncode == 0, said
    assert b"INFO own_program.py event_written after='rude_jobs.configures'" in said
    assert b"INFO worker.py worker_stopped" in said


@pytest.mark.parametrize("level", ["debug", "error"])
def test_a_command_in_a_program_that_goes_on_set_its_level_for_good(dsn, schema, level):
    """Django's `call_command` runs commands in a process that has other things to do, and events of its own."""
    logger = logging.getLogger("chancy")
    logger.setLevel(logging.INFO)
    done = CliRunner().invoke(command, ["--dsn", dsn, "--schema", schema, "--log-level", level, "migrate"])
    assert (done.exit_code, logger.level) == (0, logging.INFO)
    done = CliRunner().invoke(command, ["--dsn", dsn, "--schema", schema, "--log-level", level, "job", "nothing"])
    assert (done.exit_code, logger.level) == (1, logging.INFO)
