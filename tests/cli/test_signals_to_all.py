"""`chancy worker --processes N` where every process of the service gets the signal, and not the supervisor alone."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import until
from test_processes import begun, lives, start

from chancy import Chancy, Job, Worker
from chancy_core.cli import heeding, logs
from chancy_core.cli.heeding import Heeding, Told
from chancy_core.cli.supervised import Place, Supervisor
from chancy_core.cli.supervising import Supervised
from chancy_core.cli.worker import Beginning, _serve
from chancy_core.worker import Stopped

__all__ = ["start"]

# A process of a supervisor, without a worker. It says that it works, if it is to; told to stop, it ends as it is to, or
# waits; and told to end at once, it ends with 7.
PROCESS = """
import os, signal, socket, sys
says, ends, noted, _, place = sys.argv[1:]
def stop(*_):
    if ends == "SIGKILL":
        os.kill(os.getpid(), signal.SIGKILL)
    if ends != "waits":
        os._exit(int(ends))
if ends != "SIGTERM":
    signal.signal(signal.SIGTERM, stop)
ours = socket.socket(fileno=int(place.split(":")[1]))
ours.sendall(says.encode())
open(noted, "w").close()
os._exit(7 if ours.recv(1) == b"!" else 8)
"""


def heard(pid: int) -> bool:
    """Whether no SIGTERM waits for that process: two that it has not looked at would be one for it."""
    line = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("ShdPnd"))
    return not int(line.split()[1], 16) & 1 << (signal.SIGTERM - 1)


async def test_children_that_were_signalled_too_were_told_twice(chancy: Chancy, start, tmp_path):
    """Running jobs end as after one signal; a second one to the supervisor would still end them at once."""
    noted = tmp_path / "noted"
    started = start("--processes", "1", "--grace", "600")
    (child,) = (event["pid"] for event in await begun(started, 1))
    reference = await chancy.push(Job(func="cli_jobs.sleep", kwargs={"path": str(noted)}))
    await until(noted.exists)
    for pid in (started.process.pid, child, child, child):
        os.kill(pid, signal.SIGTERM)
        await until(lambda: started.events("worker_stopping"))
        await until(lambda pid=pid: heard(pid))
    assert lives(child)
    assert (await chancy.get_job(reference)).state == "running"
    started.process.send_signal(signal.SIGTERM)
    assert started.ended() == 4
    assert (await chancy.get_job(reference)).state == "pending"


@pytest.fixture
def place(monkeypatch) -> Iterator[tuple[socket.socket, Place]]:
    """A supervisor's end of its sockets, and what it tells a process that happens to be this one."""
    monkeypatch.setattr(logs, "_lock", None)
    monkeypatch.setattr(logs, "_process", None)
    ours, theirs = socket.socketpair()
    with ours, Path(os.devnull).open("w") as lock:
        yield ours, Place(1, theirs.detach(), lock.fileno())
    monkeypatch.undo()
    logs.use(logs.AUTO)


async def test_a_worker_whose_supervisor_was_killed_could_not_be_ended_at_once(new_chancy, place, signals, monkeypatch):
    """Its end is no signal: whoever is told of it signals the rest of the service. Then it is as any worker."""
    ends = []
    monkeypatch.setattr(heeding, "end_within", lambda seconds, **_: ends.append(seconds))
    ours, told_place = place
    worker, told, supervisor = Worker(new_chancy()), Told(), Supervisor(told_place)
    heeded = Heeding(worker, told, supervisor)
    heeded.begin()
    for _ in range(3):
        os.kill(os.getpid(), signal.SIGTERM)
        await until(told.is_set)
    ours.close()
    await until(lambda: not supervisor.lives)
    os.kill(os.getpid(), signal.SIGTERM)
    await asyncio.sleep(0)
    assert (worker.stopping, worker.told_twice, ends) == (True, False, [])
    os.kill(os.getpid(), signal.SIGTERM)
    await until(lambda: worker.told_twice)
    assert ends == [heeding.SECOND_ENDS_WITHIN_S]


async def test_a_worker_whose_supervisor_was_killed_as_it_began_left_its_row(chancy: Chancy, new_chancy, place):
    """It says that it works, and nobody is there any more to hear it: it stops in good order."""
    ours, told_place = place

    class Alone(Worker):
        """One whose supervisor is killed when it has just begun."""

        async def start(self) -> None:
            await super().start()
            ours.close()

    worker, told, supervisor = Alone(new_chancy()), Told(), Supervisor(told_place)
    supervisor.heard_by(Heeding(worker, told, supervisor))
    assert await _serve(worker.chancy, worker, told, Beginning((), supervisor, None)) is Stopped.DRAINED
    assert await chancy.get_workers() == []


@pytest.mark.parametrize(
    ("says", "ends", "code"),
    [("", "130", 0), ("", "SIGTERM", 0), ("w", "130", 130), ("w", "3", 3), ("w", "SIGKILL", 137)],
)
async def test_a_process_that_had_not_begun_made_the_stop_a_failure(place, signals, tmp_path, says, ends, code):
    """Ctrl-C to every process finds some of them in the middle of their imports: nothing is left undone there."""
    noted = tmp_path / "noted"
    supervised = Supervised([sys.executable, "-IS", "-c", PROCESS, says, ends, str(noted)], 1)
    running = asyncio.ensure_future(supervised.run())
    await until(noted.exists)
    await until(lambda: supervised._works or not says)
    os.kill(os.getpid(), signal.SIGINT)
    assert await running == code


async def test_changed_code_cut_off_jobs_that_were_coming_to_their_end(place, signals, tmp_path):
    """Told to stop, the processes of `--watch` have their grace time, whatever is saved meanwhile."""
    noted = tmp_path / "noted"
    supervised = Supervised([sys.executable, "-IS", "-c", PROCESS, "w", "waits", str(noted)], 1, watching=True)
    running = asyncio.ensure_future(supervised.run())
    await until(noted.exists)
    supervised.stop()
    await supervised.restart()
    assert not running.done()
    supervised.stop()
    assert await running == 7


async def test_one_that_ended_as_it_was_told_had_the_exit_code_255(place, signals, tmp_path, monkeypatch):
    """Who tells a process to stop must not ask it how it has ended: that can be asked once, and asyncio does."""
    noted, ask, wait = tmp_path / "noted", threading.Event(), os.waitpid

    def waitpid(pid: int, options: int) -> tuple[int, int]:
        # That of asyncio's, which is in a thread up to Python 3.11.
        if threading.current_thread() is not threading.main_thread():
            ask.wait()
        return wait(pid, options)

    monkeypatch.setattr(os, "waitpid", waitpid)
    supervised = Supervised([sys.executable, "-IS", "-c", PROCESS, "w", "3", str(noted)], 1)
    running = asyncio.ensure_future(supervised.run())
    await until(noted.exists)
    await until(lambda: supervised._works)
    pid = supervised._running[1].pid
    os.kill(pid, signal.SIGTERM)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)  # noqa: ASYNC222 -- the loop is not to hear of it first
    supervised.stop()
    ask.set()
    assert await running == 3
