"""A Dask cluster of several processes on this machine."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

HERE = Path(__file__).parent
DASK = [sys.executable, "-m", "dask"]
QUIET = {"DASK_DISTRIBUTED__WORKER__MEMORY__TERMINATE": "False", "DASK_LOGGING__DISTRIBUTED": "error"}


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


class ClusterProcesses:
    """A scheduler, and a process whose nannies keep two Dask workers of one thread each."""

    def __init__(self, logs: Path) -> None:
        self.port = free_port()
        self.address = f"tcp://127.0.0.1:{self.port}"
        self.logs = logs
        self.scheduler: subprocess.Popen[bytes] | None = None
        self.workers: subprocess.Popen[bytes] | None = None

    def _start(self, name: str, *arguments: str) -> subprocess.Popen[bytes]:
        path = os.pathsep.join([str(HERE), os.environ.get("PYTHONPATH", "")])
        with (self.logs / f"{name}.log").open("ab") as log:
            return subprocess.Popen(
                [*DASK, *arguments],
                env={**os.environ, **QUIET, "PYTHONPATH": path},
                cwd=self.logs,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def start_scheduler(self) -> None:
        self.scheduler = self._start(
            "scheduler", "scheduler", "--host", "127.0.0.1", "--port", str(self.port), "--no-dashboard", "--no-show"
        )

    def start_workers(self, *options: str) -> None:
        self.workers = self._start(
            "workers", "worker", self.address, "--nworkers", "2", "--nthreads", "1", "--no-dashboard", *options
        )

    def kill_scheduler(self) -> None:
        _kill(self.scheduler)

    def kill_workers(self) -> None:
        _kill(self.workers)


def _kill(process: subprocess.Popen[bytes] | None) -> None:
    if process is not None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@contextmanager
def running(logs: Path) -> Iterator[ClusterProcesses]:
    processes = ClusterProcesses(logs)
    processes.start_scheduler()
    processes.start_workers()
    try:
        yield processes
    finally:
        processes.kill_workers()
        processes.kill_scheduler()
