"""Worker processes that fire many schedules and are killed, and the books of what they fired."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

CHILD = Path(__file__).with_name("worker_child.py")
STOPS_WITHIN_S = 120


class Pair:
    """Two workers, `w0` and `w1`; one that is killed is started again. What they say is in `log`."""

    def __init__(self, log: Path, *arguments: object) -> None:
        self.log = log
        self._arguments = [str(argument) for argument in arguments]
        self.kills = 0
        self._processes = {name: self._start(name) for name in ("w0", "w1")}

    def _start(self, name: str) -> subprocess.Popen[bytes]:
        dsn, schema, count, *lease = self._arguments
        with self.log.open("ab") as stderr:
            return subprocess.Popen(
                [sys.executable, str(CHILD), dsn, schema, count, name, *lease], cwd=CHILD.parent, stderr=stderr
            )

    def kill(self, name: str) -> None:
        """Kill one with SIGKILL, and start it again."""
        self._processes[name].kill()
        self._processes[name].wait()
        self._processes[name] = self._start(name)
        self.kills += 1

    def stop(self) -> None:
        for process in self._processes.values():
            process.terminate()
        ends = time.monotonic() + STOPS_WITHIN_S
        for process in self._processes.values():
            try:
                process.wait(max(ends - time.monotonic(), 0.1))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@contextmanager
def pair(log: Path, dsn: str, schema: str, schedules: int, *lease_s: float) -> Iterator[Pair]:
    """Two workers for the length of the block."""
    workers = Pair(log, dsn, schema, schedules, *lease_s)
    try:
        yield workers
    finally:
        workers.stop()


async def all_fired(query: Callable[..., list[Any]], within_s: float = 300.0) -> None:
    """Wait until every schedule has been fired up to the moment of this call, however far behind workers may be.

    Looks now and then: the workers need the machine.
    """
    ((moment,),) = query("SELECT clock_timestamp()")
    deadline = time.monotonic() + within_s
    while True:
        ((late_s,),) = query("SELECT extract(epoch FROM %s - min(next_at))::float8 FROM {s}.cron_schedules", moment)
        if late_s < 0:
            return
        assert time.monotonic() < deadline, f"the latest schedule is {late_s:.1f} s late"
        await asyncio.sleep(0.2)


def check_the_books(query: Callable[..., list[Any]], schedules: int) -> int:
    """Every schedule has fired at each second from its first fire to its last, and each fire has exactly one job.

    Returns:
        How many fires there were.
    """
    ((count, fires, times, left_out),) = query(
        "SELECT count(*), sum(fires), sum(times), sum(length - fires) FROM ("
        "SELECT count(*) AS fires, count(DISTINCT fire_at) AS times, "
        "extract(epoch FROM max(fire_at) - min(fire_at)) + 1 AS length FROM {s}.cron_fires GROUP BY schedule) AS counts"
    )
    pushed = query(
        "SELECT count(*), count(DISTINCT key) FROM ("
        "SELECT meta::text AS key FROM {s}.jobs UNION ALL SELECT meta::text FROM {s}.finished_jobs) AS jobs"
    )
    assert count == schedules
    assert (times, left_out) == (fires, 0)
    assert pushed == [(fires, fires)]
    return int(fires)
