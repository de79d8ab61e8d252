"""Plain functions for children that have their next jobs already: each tells in a file that it was run."""

from __future__ import annotations

import ctypes
import os
import time
from pathlib import Path

from chancy import Limit, job


def marks(path: str, n: int) -> int:
    """Appends its number to a file, in one piece, however many do."""
    fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(fd, f"{n}\n".encode())
    os.close(fd)
    return os.getpid()


def marks_and_waits(path: str, n: int, until: str) -> int:
    """The same, and goes on until there is a file."""
    marks(path, n)
    while not Path(until).exists():
        time.sleep(0.005)
    return os.getpid()


@job(limits=[Limit(Limit.Type.TIME, 3600)])
def limited_marks_and_waits(path: str, n: int, until: str) -> int:
    """The same, with a limit of which a row that was made by its name knows nothing."""
    return marks_and_waits(path, n, until)


def marks_and_dies(path: str, n: int) -> None:
    marks(path, n)
    os._exit(7)


def marks_and_hangs_in_c(path: str, n: int) -> None:
    """In C code that does not let go of the interpreter, so that no thread of its process hears anything."""
    marks(path, n)
    ctypes.PyDLL(None).sleep(3600)


kept = []


def marks_and_grows(path: str, n: int, bytes_: int) -> int:
    marks(path, n)
    kept.append(b"x" * bytes_)
    return os.getpid()
