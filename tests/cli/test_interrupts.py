"""Ctrl-C at any moment of the `chancy` command: no traceback, and a code that says what it was."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from chancy_core.cli.interrupts import ending_at_once

ENDS_WITHIN_S = 120
# Modules that have just been imported when the signal comes, from the first to the last before the command begins.
MOMENTS = [
    "chancy_core.cli.garbage",
    "click",
    "msgspec",
    "psycopg",
    "chancy_core.values.job",
    "chancy_core.config",
    "chancy_core.app",
    "chancy_core.cli.group",
    "rich.table",
]


@pytest.fixture
def start(dsn: str, schema: str, tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts the command, which writes to stderr what it has imported."""
    running = []

    def begin(*arguments: str, module: str = "chancy_core") -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-X", "importtime", "-m", module, *arguments],
            env={**os.environ, "CHANCY_DSN": dsn, "CHANCY_SCHEMA": schema},
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        running.append(process)
        return process

    yield begin
    for process in running:
        process.kill()
        process.communicate()


def interrupted(process: subprocess.Popen[str], moment: str) -> str:
    """Send the signal when a line of stderr ends with `moment`; returns what it still wrote there."""
    late = threading.Timer(ENDS_WITHIN_S, process.kill)
    late.start()
    for line in process.stderr:
        if line.rstrip().endswith(moment):
            break
    else:
        pytest.fail(f"{moment} was not seen")
    late.cancel()
    process.send_signal(signal.SIGINT)
    return process.communicate(timeout=ENDS_WITHIN_S)[1]


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("command", ["worker", "plugins"])
def test_while_the_command_starts_there_is_no_traceback(start, command, moment):
    """Somebody has typed the wrong thing, and says so at once."""
    process = start(command)
    rest = interrupted(process, f" {moment}")
    assert "Traceback" not in rest
    assert "KeyboardInterrupt" not in rest
    # The signal itself, or what the command makes of it; a worker that has come so far stops as it was told.
    assert process.returncode in (-signal.SIGINT, 130, 0), rest


def test_by_its_other_name_it_is_the_same(start):
    """`python -m chancy_core.cli`."""
    process = start("plugins", module="chancy_core.cli")
    assert "Traceback" not in interrupted(process, " psycopg")
    assert process.returncode == -signal.SIGINT


def test_while_the_command_waits_it_says_that_it_was_stopped(start):
    """`chancy push --wait` of a job that nobody runs; 130 is what a shell says of it as well."""
    process = start("push", "a.b", "--wait")
    assert process.stdout.readline().strip()
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=ENDS_WITHIN_S)
    assert process.returncode == 130
    assert told.rstrip().endswith("Stopped.")
    assert "Traceback" not in told


@pytest.mark.parametrize("before", [signal.default_int_handler, signal.SIG_IGN, lambda *_: None])
def test_the_signal_is_heeded_afterwards_as_before(before):
    """Whatever it was set to; one that was ignored stays so."""
    old = signal.signal(signal.SIGINT, before)
    try:
        with ending_at_once():
            within = signal.getsignal(signal.SIGINT)
            assert within is (signal.SIG_IGN if before is signal.SIG_IGN else signal.SIG_DFL)
        assert signal.getsignal(signal.SIGINT) is before
    finally:
        signal.signal(signal.SIGINT, old)
