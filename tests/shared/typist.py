"""Types what a page of the documentation says, into a folder: its files, and its commands, whose output it compares."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from docpages import BLOCK, ENDS_WITHIN_S
from support import IMPORT_PATH

# A look is a process, too, and what it waits for is another one that may only be starting.
LOOK_EVERY_S = 0.3
# After Ctrl-C: a worker has stopped in good order, a dashboard was told to end.
ENDED_WELL = (0, 130)
COLUMNS = "100"
# What is for the reader's machine, and not for that of the tests.
NOT_TYPED = re.compile(r"(?:pip|python3|mkdir|cd|\.|sudo|export PIP_\w+=\S*)\s")
# What may be typed again until it says what the page shows: it only looks.
LOOKS = re.compile(r"cat |chancy (?:job|jobs|why|failures|doctor|cron next) ?")
# What needs no process of its own from its first import on: most of the time of these goes into imports.
FORKED = re.compile(r"chancy |python \w+\.py\b[^|>&;]*$")
ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
# What is another each time, by what it looks like.
VARIES = re.compile(
    r"(?P<id>" + ID.pattern + r")|(?P<worker>\b[\w-]+\.\d+\.[0-9a-f]+\b)|(?P<date>\d{4}-\d\d-\d\d)"
    r"|(?P<clock>\d\d:\d\d:\d\d(?:,\d{3}|(?: [+-]\d{4})?))|(?P<port>localhost:\d+)"
    r"|(?P<span>\+?\d+(?:\.\d+)? ?(?:ms|s|min|h)\b)|(?P<any>…)|(?P<blank>\s+)"
)
LIKE = {
    "worker": r"\S+",
    "date": r"\d{4}-\d\d-\d\d",
    "clock": r"\d\d:\d\d:\d\d(?:,\d{3}|(?: [+-]\d{4})?)",
    "span": r"\+?\d+(?:\.\d+)? ?(?:ms|s|min|h)",
    "port": r"localhost:\d+",
    "any": r"[\s\S]*?",
    "blank": r"\s+",
}


class Typed(NamedTuple):
    """Attributes:
    line: what is typed.
    shows: what the page shows below it, which may be nothing.
    """

    line: str
    shows: str


def typed_in(code: str) -> Iterator[Typed]:
    """The commands of a block of a console."""
    for part in re.split(r"^\$ ", code, flags=re.MULTILINE)[1:]:
        line, _, shows = part.partition("\n")
        yield Typed(line.partition("  #")[0].strip(), shows.strip())


class Typist:
    """Types pages, one after the other, into one folder.

    Args:
        folder: an empty one.
        environment: the variables of everything that is started.
        given: what takes the place of variables that a page exports, because it names the reader's own.
    """

    def __init__(self, folder: Path, environment: Mapping[str, str], given: Mapping[str, str]) -> None:
        self.folder = folder
        path = os.pathsep.join((str(Path(sys.executable).parent), environment["PATH"]))
        self.environment = {
            **{name: value for name, value in environment.items() if name not in ("PYTHONPATH", "NO_COLOR")},
            "PATH": path, "COLUMNS": COLUMNS, "TERM": "xterm", "PYTHONDONTWRITEBYTECODE": "1",
        }  # fmt: skip
        self._given = given
        # Ids of the pages, and what they are here.
        self._ids: dict[str, str] = {}
        self._windows: dict[str, subprocess.Popen[str]] = {}
        self._runner: subprocess.Popen[str] | None = None

    def type(self, page: Path) -> None:
        """Write the files of a page, and type its commands, in their order."""
        for kind, title, _, code in BLOCK.findall(page.read_text()):
            if kind != "console" and "." in title:
                file = self.folder / title
                file.parent.mkdir(exist_ok=True)
                file.write_text(code)
            for typed in typed_in(code) if kind == "console" else ():
                if title:
                    self._in_window(title, typed)
                elif not NOT_TYPED.match(typed.line):
                    self._type(typed)

    def end(self) -> None:
        """Ctrl-C in every window."""
        for name in list(self._windows):
            self._close(name)
        if self._runner is not None:
            self._runner.stdin.close()
            self._runner.wait(ENDS_WITHIN_S)
            self._runner.stdout.close()

    def log(self, name: str) -> str:
        """What a window shows."""
        return (self.folder / f".{name}.log").read_text(errors="replace")

    def _type(self, typed: Typed) -> None:
        exported = re.match(r"export (\w+)=(\S+)$", typed.line)
        if exported:
            name, value = exported.groups()
            self.environment[name] = self._given.get(name, value)
            return
        ends_at = time.monotonic() + ENDS_WITHIN_S
        while True:
            code, said = self._say(ID.sub(lambda found: self._ids[found[0]], typed.line))
            problem = self._compare(typed, code, said)
            if problem is None:
                return
            if not LOOKS.match(typed.line) or time.monotonic() > ends_at:
                raise AssertionError(problem + "".join(f"\n{name}:\n{self.log(name)}" for name in self._windows))
            time.sleep(LOOK_EVERY_S)

    def _compare(self, typed: Typed, code: int, said: str) -> str | None:
        """What is wrong with what a command has said, if anything is."""
        if not typed.shows:
            return None if code == 0 else f"$ {typed.line}\nended with {code}, and said:\n{said}"
        found = self._like(typed.shows).fullmatch(said.strip())
        if found is None:
            return f"$ {typed.line}\nsaid:\n{said}\nwhere the page shows:\n{typed.shows}"
        for name, value in found.groupdict().items():
            self._ids[name[1:].replace("_", "-")] = value
        return None

    def _like(self, shown: str) -> re.Pattern[str]:
        """What matches the text of a page, whatever time it is. An id of the page stands for one id here."""
        parts, last, named = [], 0, set()
        for found in VARIES.finditer(shown):
            parts.append(re.escape(shown[last : found.start()]))
            last = found.end()
            if found.lastgroup != "id":
                parts.append(LIKE[found.lastgroup])
            elif found[0] in self._ids:
                parts.append(re.escape(self._ids[found[0]]))
            else:
                name = "i" + found[0].replace("-", "_")
                parts.append(f"(?P={name})" if name in named else f"(?P<{name}>{ID.pattern})")
                named.add(name)
        return re.compile("".join((*parts, re.escape(shown[last:]))))

    def _say(self, line: str) -> tuple[int, str]:
        if FORKED.match(line):
            words = shlex.split(line)
            return self._ask({"words": words, "folder": str(self.folder), "environment": self.environment})
        done = subprocess.run(
            ["/bin/sh", "-c", line],
            cwd=self.folder, env=self.environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, timeout=ENDS_WITHIN_S, check=False,
        )  # fmt: skip
        return done.returncode, done.stdout

    def _ask(self, command: Mapping[str, object]) -> tuple[int, str]:
        if self._runner is None:
            self._runner = subprocess.Popen(
                [sys.executable, Path(__file__).with_name("typed_commands.py")],
                env={**os.environ, "PYTHONPATH": IMPORT_PATH},
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            )  # fmt: skip
        print(json.dumps(command), file=self._runner.stdin, flush=True)
        told = json.loads(self._runner.stdout.readline())
        return told["code"], told["said"]

    def _in_window(self, name: str, typed: Typed) -> None:
        """Ctrl-C for what runs in a window, and start what the page says there, until that shows what the page does."""
        self._close(name)
        # Tests that run at the same time would want the same port.
        more = ["--port", "0"] if typed.line == "chancy dashboard" else []
        with (self.folder / f".{name}.log").open("w") as log:
            self._windows[name] = subprocess.Popen(
                [sys.executable, "-m", "chancy_core", *shlex.split(typed.line)[1:], *more],
                cwd=self.folder, env=self.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, text=True,
            )  # fmt: skip
        ends_at = time.monotonic() + ENDS_WITHIN_S
        while typed.shows and (problem := self._compare(typed, 0, self.log(name))) is not None:
            assert time.monotonic() < ends_at, problem
            time.sleep(LOOK_EVERY_S)

    def _close(self, name: str) -> None:
        process = self._windows.pop(name, None)
        if process is not None:
            try:
                assert process.poll() is None, self.log(name)
                process.send_signal(signal.SIGINT)
                assert process.wait(ENDS_WITHIN_S) in ENDED_WELL, self.log(name)
            finally:
                process.kill()
                process.wait()
