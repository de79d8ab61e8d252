"""Runs many `chancy` commands, each in a process of its own that begins with everything imported.

`forked_commands.py`, with a list of lists of arguments as JSON on standard input; answers with a list of results.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import tempfile
from pathlib import Path
from typing import Any

import chancy_core.cli.group  # noqa: F401 -- once, for all of them
from chancy_core.cli import main

# A command that hangs ends by this signal.
HANGS_AFTER_S = 60


def in_a_process(arguments: list[str]) -> dict[str, Any]:
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err, Path(os.devnull).open() as nothing:
        pid = os.fork()
        if pid == 0:
            signal.alarm(HANGS_AFTER_S)
            for descriptor, stream in enumerate((nothing, out, err)):
                os.dup2(stream.fileno(), descriptor)
            # As the interpreter reads them: bytes that are no UTF-8 become halves of characters.
            sys.argv = ["chancy", *(os.fsdecode(os.fsencode(one)) for one in arguments)]
            code = 1
            try:
                main()
            except SystemExit as exit_:
                code = exit_.code if isinstance(exit_.code, int) else 1
            except BaseException:
                sys.excepthook(*sys.exc_info())
            finally:
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(code)
        _, status = os.waitpid(pid, 0)
        out.seek(0)
        err.seek(0)
        return {
            "code": os.waitstatus_to_exitcode(status),
            "out": out.read().decode(errors="replace"),
            "err": err.read().decode(errors="replace"),
        }


if __name__ == "__main__":
    json.dump([in_a_process(arguments) for arguments in json.load(sys.stdin)], sys.stdout)
