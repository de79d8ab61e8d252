"""An executor that writes down each run in a file before it begins, so that a kill cannot undo the record."""

import os
from pathlib import Path
from typing import Any

from chancy_core.executors import ExecutorSettings, Report
from chancy_core.executors.auto import AutoExecutor
from chancy_core.values.queuedjob import QueuedJob

EXECUTOR = "ledger.LedgerExecutor"


class LedgerExecutor(AutoExecutor):
    """Runs jobs as usual; `path` is the file."""

    def __init__(self, settings: ExecutorSettings, *, path: str) -> None:
        super().__init__(settings)
        # One write of a short line to a file opened so is atomic, whoever else writes to it.
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    async def run(self, job: QueuedJob) -> Report:
        os.write(self._file, f"{job.id} {job.claims} {job.attempts} {self.settings.worker}\n".encode())
        return await super().run(job)

    async def close(self) -> None:
        await super().close()
        os.close(self._file)


def read(path: Path) -> list[dict[str, Any]]:
    """The runs that were begun, in order."""
    runs = []
    for line in path.read_text().splitlines():
        id_, claims, attempts, worker = line.split()
        runs.append({"id": id_, "claims": int(claims), "attempts": int(attempts), "worker": worker})
    return runs
