"""`chancy worker --processes N` and `--watch`: workers that are kept alive by one process."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from subprocess import Popen
from typing import Any

import pytest
from commands import ENDS_WITHIN_S, IMPORT_PATH, Commands
from support import until

from chancy import Chancy, Job


class Started:
    """A worker that has been started, and what it has written so far."""

    def __init__(self, process: Popen[str]) -> None:
        self.process = process
        self.lines: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        self.lines.extend(iter(self.process.stderr.readline, ""))

    def events(self, name: str) -> list[dict[str, Any]]:
        return [event for event in map(json.loads, list(self.lines)) if event["event"] == name]

    def ended(self) -> int:
        code = self.process.wait(ENDS_WITHIN_S)
        self._reader.join(ENDS_WITHIN_S)
        return code


@pytest.fixture
def start(run: Commands) -> Iterator[Callable[..., Started]]:
    """Starts workers, which end with the test."""
    running = []

    def begin(*options: str, env: dict[str, str] | None = None) -> Started:
        running.append(Started(run.start("--log-level", "info", "worker", *options, env=env)))
        return running[-1]

    yield begin
    for started in running:
        started.process.kill()
        started.ended()


def lives(pid: int) -> bool:
    """Whether that process runs; one that has ended, and that nobody has asked yet how, does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def begun(started: Started, count: int) -> list[dict[str, Any]]:
    """The starts of so many workers, once they have begun.

    A worker may have begun before the one that keeps it alive has come to say that it was started.
    """
    for event in ("worker_started", "process_started"):
        await until(lambda event=event: len(started.events(event)) >= count)
    return started.events("process_started")


async def test_so_many_workers_run_and_stop_with_the_one_that_was_told(chancy: Chancy, start):
    """Each is a worker of its own; the signal is passed on, and the code is 0."""
    started = start("--processes", "2", "--name", "web")
    starts = await begun(started, 2)
    assert sorted(event["process"] for event in starts) == [1, 2]
    names = [worker.name for worker in await chancy.get_workers()]
    assert (len(names), all(name.startswith("web.") for name in names)) == (2, True)
    assert {event["process"] for event in started.events("worker_started")} == {1, 2}
    started.process.send_signal(signal.SIGTERM)
    assert started.ended() == 0
    assert await chancy.get_workers() == []
    assert not any(lives(event["pid"]) for event in starts)


async def test_one_that_is_killed_is_started_again(chancy: Chancy, start, tmp_path):
    """What it ran is taken back, and the pause before the next start grows."""
    started = start("--processes", "2")
    starts = await begun(started, 2)
    os.kill(starts[0]["pid"], signal.SIGKILL)
    await begun(started, 3)
    again = await until(lambda: started.events("process_started")[2:])
    (ended,) = started.events("process_ended")
    assert (ended["process"], ended["reason"]) == (starts[0]["process"], "killed by SIGKILL")
    assert (again[0]["process"], ended["again_in_s"]) == (starts[0]["process"], 0.5)
    assert lives(starts[1]["pid"])
    os.kill(again[0]["pid"], signal.SIGKILL)
    await until(lambda: len(started.events("process_ended")) == 2)
    assert started.events("process_ended")[1]["again_in_s"] == 1.0


async def test_told_twice_they_hand_back_what_runs(chancy: Chancy, start, tmp_path):
    """As one worker does; the code is that of the worst of them."""
    noted = tmp_path / "noted"
    started = start("--processes", "2", "--grace", "600")
    await begun(started, 2)
    reference = await chancy.push(Job(func="cli_jobs.sleep", kwargs={"path": str(noted)}))
    await until(noted.exists)
    started.process.send_signal(signal.SIGTERM)
    await until(lambda: started.events("worker_stopping"))
    started.process.send_signal(signal.SIGTERM)
    assert started.ended() == 4
    job = await chancy.get_job(reference)
    assert (job.state, job.attempts) == ("pending", 0)


async def test_workers_end_when_their_supervisor_was_killed(chancy: Chancy, start):
    """They would have run on for ever, and nobody would have known of them."""
    started = start("--processes", "2")
    starts = await begun(started, 2)
    started.process.kill()
    await until(lambda: not any(lives(event["pid"]) for event in starts))
    assert await chancy.get_workers() == []


async def test_lines_of_several_processes_are_whole(chancy: Chancy, start):
    """However long they are: each is one document of JSON, and says whose it is."""
    started = start("--processes", "2", "--concurrency", "20")
    await begun(started, 2)
    await chancy.push_many([Job(func="cli_jobs.shout") for _ in range(100)])
    await until(lambda: len(started.lines) > 100 and len(started.events("attempt_failed")) == 100)
    assert {event["process"] for event in started.events("attempt_failed")} <= {1, 2}
    assert max(map(len, started.lines)) > 4096


async def test_a_database_that_is_down_at_the_start_ends_it_once(run: Commands):
    """With the line of one worker, and its code."""
    done = run("worker", "--processes", "2", env={"CHANCY_DSN": "postgresql://127.0.0.1:1/none"})
    assert done.code == 1
    assert "Cannot connect to PostgreSQL at 127.0.0.1:1" in done.err
    assert "process_ended" not in done.err


async def test_wrong_settings_are_told_once(run: Commands, tmp_path):
    """Before any process is started."""
    (tmp_path / "chancy.toml").write_text("[worker]\nlease = 3\n")
    done = run("worker", "--processes", "3")
    assert (done.code, done.err.count("lease")) == (1, done.err.count("lease"))
    assert "process_started" not in done.err


async def test_changed_code_is_run(chancy: Chancy, start, tmp_path):
    """A job of the same name does what the file says by now; the worker of before has ended."""
    pytest.importorskip("watchfiles")
    noted = tmp_path / "noted"
    code = "def f():\n    with open({path!r}, 'a') as file:\n        file.write({text!r})\n"
    (tmp_path / "changing.py").write_text(code.format(path=str(noted), text="old "))
    started = start("--watch")
    first = (await begun(started, 1))[0]["pid"]
    await (await chancy.push(Job(func="changing.f"))).wait(timeout=60)

    # Whatever looks at files may begin to look a moment after the worker does.
    async def changed() -> bool:
        (tmp_path / "changing.py").write_text(code.format(path=str(noted), text="new "))
        return bool(started.events("code_changed"))

    await until(changed)
    assert started.events("code_changed")[0]["files"] == ["changing.py"]
    await begun(started, 2)
    await until(lambda: not lives(first))
    await (await chancy.push(Job(func="changing.f"))).wait(timeout=60)
    assert noted.read_text() == "old new "
    started.process.send_signal(signal.SIGINT)
    assert started.ended() == 0


@pytest.mark.parametrize("options", [("--processes", "2"), ()], ids=["processes", "one"])
@pytest.mark.parametrize("late", ["task", "atexit"])
async def test_told_again_while_it_ends_it_has_still_ended_well(chancy: Chancy, start, options, late):
    """Its work is done and recorded: a signal that comes while tasks and the interpreter end changes nothing."""
    started = start(*options, "--setup", f"cli_jobs:told_again_at_{late}")
    await until(lambda: len(started.events("worker_started")) >= (2 if options else 1))
    started.process.send_signal(signal.SIGTERM)
    assert started.ended() == 0
    assert len(started.events("told_again")) == (2 if options else 1)


async def test_a_supervisor_told_again_while_it_ends_has_still_ended_well(chancy: Chancy, start, tmp_path):
    """Also between the end of the last of its processes and that of the loop, which forgets its signals."""
    (tmp_path / "sitecustomize.py").write_text(
        "import asyncio, atexit, os, signal, sys\n"
        "close = asyncio.SelectorEventLoop.close\n"
        "def close_and_tell(self):\n"
        "    close(self)\n"
        "    os.kill(os.getpid(), signal.SIGTERM)\n"
        "if '--place' not in sys.orig_argv:\n"
        "    asyncio.SelectorEventLoop.close = close_and_tell\n"
        "    atexit.register(os.kill, os.getpid(), signal.SIGTERM)\n"
    )
    started = start("--processes", "1", env={"PYTHONPATH": f"{tmp_path}{os.pathsep}{IMPORT_PATH}"})
    await until(lambda: started.events("worker_started"))
    started.process.send_signal(signal.SIGTERM)
    assert started.ended() == 0
