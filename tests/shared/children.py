"""Workers in processes of their own, for tests; none outlives its test."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from support import IMPORT_PATH, SHARED


class Child:
    """A worker process. Its log is in `log`."""

    def __init__(self, log: Path, dsn: str, schema: str, *, worker: dict[str, Any], **settings: Any) -> None:
        self.log = log
        options = {"dsn": dsn, "schema": schema, "worker": worker, **settings}
        with log.open("ab") as stderr:
            self.process = subprocess.Popen(
                [sys.executable, str(SHARED / "child_worker.py"), json.dumps(options)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=stderr,
                env={**os.environ, "PYTHONPATH": IMPORT_PATH},
            )
        self.name = ""

    def ready(self) -> str:
        """Wait until it works; its name."""
        self.name = self.process.stdout.readline().decode().strip()
        assert self.name, f"the worker did not start: {self.said()}"
        return self.name

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def wait(self, within_s: float = 120.0) -> int:
        """Wait until it has ended; its exit code."""
        return self.process.wait(within_s)

    def said(self) -> str:
        """What it has logged so far."""
        return self.log.read_text()

    def end(self) -> None:
        """Make sure that it is gone."""
        if self.alive:
            self.process.kill()
        self.process.wait()
        self.process.stdout.close()


@contextmanager
def nursery(folder: Path, dsn: str, schema: str) -> Iterator[Any]:
    """Starts workers that are gone at the end of the block: `new(worker={…}, **settings)`."""
    children: list[Child] = []

    def new(*, worker: dict[str, Any] | None = None, **settings: Any) -> Child:
        child = Child(folder / f"child-{len(children)}.log", dsn, schema, worker=worker or {}, **settings)
        children.append(child)
        return child

    try:
        yield new
    finally:
        for child in children:
            child.end()
