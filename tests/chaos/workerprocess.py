"""Workers as an operator starts them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, Self

from chaos import work
from chaos.waiting import PATIENCE_S, until

ROOT: Final = Path(__file__).parents[2]


class WorkerProcess:
    """`chancy worker` in a process of its own. Its log is in `log`.

    Args:
        folder: where it runs, and logs.
        tag: its name, and what its own queue asks for.
        ledger: the file in which its jobs note that they ran.
        settings: variables, such as CHANCY_DSN.
        prefix: a command to run it by.

    Attributes:
        tag: what its own queue asks for.
        written_off: whether others may rightly have taken it for dead: what it had not written is nobody's fault.
    """

    def __init__(
        self,
        folder: Path,
        tag: str,
        *,
        ledger: Path,
        settings: Mapping[str, str],
        prefix: Sequence[str] = (),
    ) -> None:
        self.tag = tag
        self.queue = f"own-{tag}"
        self.written_off = False
        self.log = folder / f"{tag}.log"
        variables = {
            **{name: value for name, value in os.environ.items() if not name.startswith("CHANCY_")},
            "PYTHONPATH": os.pathsep.join([str(ROOT / "tests"), str(ROOT / "tests/shared"), str(ROOT)]),
            work.LEDGER: str(ledger),
            "CHANCY_DISCOVER": "false",
            "CHANCY_WORKER_NAME": tag,
            **settings,
        }
        command = [*prefix, sys.executable, "-m", "chancy_core.cli", "worker", "--tag", tag, "--concurrency", "40"]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=variables, cwd=folder
            )

    def said(self) -> str:
        """What it has logged so far."""
        return self.log.read_text(errors="replace")

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    async def ready(self) -> Self:
        """Wait until it works."""

        def started() -> bool:
            assert self.alive, f"{self.tag} ended with {self.process.returncode}: {self.said()[-2000:]}"
            return "worker_started" in self.said()

        await until(started, f"{self.tag} starts")
        return self

    async def ended(self, within_s: float = PATIENCE_S) -> int:
        """Wait for its end; its exit code."""
        await until(lambda: not self.alive, f"{self.tag} ends", within_s)
        return self.process.returncode

    def end(self) -> None:
        """Make sure that it is gone."""
        if self.alive:
            self.process.send_signal(signal.SIGCONT)
            self.process.kill()
        self.process.wait()
