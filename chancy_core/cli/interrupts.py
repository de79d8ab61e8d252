"""Ctrl-C, at any moment: the command ends, and nobody is shown a traceback.

Python makes an exception of it, which comes up wherever the program happens to be. In the middle of an import, or when
the interpreter ends, nothing is there to catch it and nothing is to be cleaned up: there the signal does what it does
to other programs, it ends this one.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

# What a shell says of a program that SIGINT has ended.
INTERRUPTED: Final = 130


def end_at_once() -> None:
    """From now on the signal ends the process; unless somebody has it ignored, as `nohup` does."""
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.SIG_DFL)


def heed() -> None:
    """From now on the signal is an exception, if it would have ended the process."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@contextmanager
def ending_at_once() -> Iterator[None]:
    """Within this, the signal ends the process; after it, it is heeded as before. In the main thread."""
    before = signal.getsignal(signal.SIGINT)
    end_at_once()
    try:
        yield
    finally:
        # None: it was set by somebody who is not Python.
        if before is not None and before is not signal.SIG_IGN:
            signal.signal(signal.SIGINT, before)
