"""What goes wrong in production, for tests: a worker that is killed, and connections that are lost."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, Self

import psycopg

from chancy_core.app import Chancy
from chancy_core.store.statements import statement

# What begins does so within a second or two; a machine that has other things to do may need much longer.
BEGINS_WITHIN_S: Final = 60.0
ENDS_WITHIN_S: Final = 60.0
LOOK_EVERY_S: Final = 0.02


class WorkerProcess:
    """A worker in a process of its own, which can be killed.

    ```python
    with WorkerProcess(chancy, "--queue", "mail") as worker:
        reference = chancy.sync_push(send_mail)
        worker.kill()
    ```

    It works for the database and the schema of a Chancy, imports what the test can, and has started when the block
    begins. At its end it is gone, and whatever it has started.

    Args:
        chancy: whose jobs it runs. Installed plugins are loaded there, not those that it was given by hand.
        arguments: more arguments of `chancy worker`.
        variables: settings, such as `CHANCY_WORKER_LEASE_S="2"`.

    Attributes:
        pid: its process id.
    """

    def __init__(self, chancy: Chancy, *arguments: str, **variables: str) -> None:
        self._command: Final = [sys.executable, "-m", "chancy_core", "--log-format", "json", "worker", *arguments]
        self._environment: Final = {
            **os.environ,
            "CHANCY_DSN": chancy.dsn,
            "CHANCY_SCHEMA": chancy.settings.schema,
            "CHANCY_DISCOVER": str(chancy.settings.discover).lower(),
            "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
            **variables,
        }
        self._log: Path
        self._process: subprocess.Popen[bytes]
        self.pid: int

    def __enter__(self) -> Self:
        descriptor, name = tempfile.mkstemp(prefix="chancy-worker-", suffix=".log")
        self._log = Path(name)
        with os.fdopen(descriptor, "wb") as log:
            self._process = subprocess.Popen(  # noqa: S603 -- the command is our own
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._environment,
                # What ends it must not end the test.
                start_new_session=True,
            )
        self.pid = self._process.pid
        try:
            self._wait_for("worker_started")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exception: object) -> None:
        self.kill()
        self._log.unlink(missing_ok=True)

    def kill(self) -> None:
        """Kill it, as a machine does that runs out of memory: it gives nothing back, and says nothing."""
        if self._process.poll() is None:
            os.killpg(self.pid, signal.SIGKILL)
        self._process.wait()

    def stop(self) -> int:
        """Stop it in good order. Returns its exit code."""
        self._process.terminate()
        return self._process.wait(ENDS_WITHIN_S)

    def events(self, name: str | None = None) -> list[dict[str, Any]]:
        """What it has logged so far, or those of its events that have a name."""
        return [event for event in _events_in(self._log.read_bytes()) if name in (None, event.get("event"))]

    def _wait_for(self, name: str) -> None:
        until = time.monotonic() + BEGINS_WITHIN_S
        while not self.events(name):
            if self._process.poll() is not None or time.monotonic() > until:
                ended = self._process.poll()
                how = f"it ended with {ended}" if ended is not None else f"not within {BEGINS_WITHIN_S:g} s"
                raise AssertionError(f"The worker did not start: {how}. It said:\n{self._log.read_text()[-2000:]}")
            time.sleep(LOOK_EVERY_S)


def _events_in(log: bytes) -> Iterator[dict[str, Any]]:
    """The events in a log, to which more is added just now: what comes after its last line may be half of one."""
    for line in log.split(b"\n")[:-1]:
        # Jobs print what they like, also what begins as an event does.
        with suppress(ValueError):
            event = json.loads(line)
            if isinstance(event, dict):
                yield event


def lose_connections(chancy: Chancy) -> int:
    """End the sessions that this Chancy, and the workers of its schema, have in the database, as its restart does.

    Those of the tests themselves stay: those that are not Chancy's, and the one that `Jobs` and `AsyncJobs` open for
    their block. So does what has asked nothing of this schema yet.

    Returns:
        How many there were.
    """
    text = statement("end_sessions", chancy.settings.schema, "chancy_core.testing.sql")
    with psycopg.connect(chancy.dsn, autocommit=True) as connection:
        return len(connection.execute(text, {"mention": f'%"{chancy.settings.schema}"%'}).fetchall())
