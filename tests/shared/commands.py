"""The `chancy` command as somebody types it: in a terminal of 80 columns, and where there is none."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from support import IMPORT_PATH

ENDS_WITHIN_S = 120
COLUMNS = 80
# Colours, and whatever else moves a cursor.
CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b\][^\x07]*\x07")

# Not in a line of JSON, where an event has that of a job.
TRACEBACK = re.compile(r"^Traceback", re.MULTILINE)


class Done(NamedTuple):
    """A command that has ended.

    Attributes:
        code: its exit code.
        out: what it wrote to stdout; in a terminal to stderr too, without colours.
        err: what it wrote to stderr; in a terminal that is part of `out`.
        raw: in a terminal, what was written, colours included.
    """

    code: int
    out: str
    err: str = ""
    raw: str = ""

    @property
    def json(self) -> Any:
        """The one document that it wrote."""
        return msgspec.json.decode(self.out)

    @property
    def words(self) -> str:
        """What it wrote, with single spaces: wherever a line was broken."""
        return " ".join(f"{self.out} {self.err}".split())


class Commands:
    """Runs `chancy` for a schema.

    Args:
        dsn: the database.
        schema: the schema.
        folder: where it runs.
    """

    def __init__(self, dsn: str, schema: str, folder: Path) -> None:
        self.folder = folder
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("CHANCY_", "COLUMNS"))},
            "CHANCY_DSN": dsn,
            "CHANCY_SCHEMA": schema,
            "CHANCY_DISCOVER": "false",
            "PYTHONPATH": IMPORT_PATH,
            "TERM": "xterm-256color",
        }

    def __call__(self, *arguments: str, given: str | None = None, env: Mapping[str, str] | None = None) -> Done:
        """Run it without a terminal, with this on its stdin."""
        done = subprocess.run(
            self._command(arguments),
            input=given or "",
            env={**self.environment, **(env or {})},
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=ENDS_WITHIN_S,
            check=False,
        )
        assert not TRACEBACK.search(done.stderr), done.stderr
        return Done(done.returncode, done.stdout, done.stderr)

    def start(self, *arguments: str, env: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
        """Start it without a terminal; whoever starts it ends it."""
        return subprocess.Popen(
            self._command(arguments),
            env={**self.environment, **(env or {})},
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def terminal(self, *arguments: str, given: str = "", env: Mapping[str, str] | None = None) -> Done:
        """Run it in a terminal of 80 columns, in which somebody types this."""
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, COLUMNS, 0, 0))
        process = subprocess.Popen(
            self._command(arguments),
            env={**self.environment, **(env or {})},
            cwd=self.folder,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)
        if given:
            os.write(ours, given.encode())
        written = b""
        try:
            while True:
                try:
                    part = os.read(ours, 65_536)
                except OSError:  # Linux says so that nobody has the other side open any more
                    break
                if not part:
                    break
                written += part
            code = process.wait(ENDS_WITHIN_S)
        finally:
            process.kill()
            process.wait()
            os.close(ours)
        raw = written.decode().replace("\r\n", "\n")
        assert not TRACEBACK.search(raw), raw
        return Done(code, CONTROL.sub("", raw), raw=raw)

    def _command(self, arguments: tuple[str, ...]) -> list[str]:
        return [sys.executable, "-m", "chancy_core", *arguments]
