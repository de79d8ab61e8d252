"""Runs commands for somebody who types a page: each in a terminal, in a process with everything imported.

`typed_commands.py`, with a line of JSON on standard input for each command, `{"words", "folder", "environment"}`, whose
words are `chancy` and its arguments, or `python`, a script and its arguments; it answers each with a line, `{"code",
"said"}`.
"""

from __future__ import annotations

import json
import os
import pty
import re
import runpy
import signal
import sys
from contextlib import suppress
from typing import Any

import importlib_metadata

import chancy_core.cli.group  # noqa: F401 -- once, for all of them
from chancy_core.cli import main

# A command that hangs ends by this signal.
HANGS_AFTER_S = 300
# Colours, and whatever else moves a cursor.
CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b\][^\x07]*\x07")


def typed(words: list[str], folder: str, environment: dict[str, str]) -> dict[str, Any]:
    pid, terminal = pty.fork()
    if pid == 0:
        _be(words, folder, environment)
    said = b""
    with suppress(OSError):  # Linux says so that nobody has the other side open any more
        while part := os.read(terminal, 65_536):
            said += part
    os.close(terminal)
    _, status = os.waitpid(pid, 0)
    text = CONTROL.sub("", said.decode(errors="replace")).replace("\r\n", "\n")
    return {"code": os.waitstatus_to_exitcode(status), "said": text}


def _be(words: list[str], folder: str, environment: dict[str, str]) -> None:
    """Become that command; never returns."""
    code = 1
    try:
        signal.alarm(HANGS_AFTER_S)
        os.chdir(folder)
        os.environ.clear()
        os.environ.update(environment)
        if words[0] == "chancy":
            sys.argv = words
            main()
        else:
            sys.argv, sys.path[0] = words[1:], folder
            runpy.run_path(words[1], run_name="__main__")
            code = 0
    except SystemExit as exit_:
        code = exit_.code if isinstance(exit_.code, int) else int(exit_.code is not None)
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        with suppress(OSError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    for point in importlib_metadata.entry_points(group="chancy"):
        point.load()
    for line in sys.stdin:
        sys.stdout.write(f"{json.dumps(typed(**json.loads(line)))}\n")
        sys.stdout.flush()
