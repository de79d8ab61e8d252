"""Ctrl-C, at any moment: the command ends, and nobody is shown a traceback.

Python makes an exception of it, which comes up wherever the program happens to be. In the middle of an import, or when
the interpreter ends, nothing is there to catch it and nothing is to be cleaned up: there the signal does what it does
to other programs, it ends this one.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from types import FrameType
from typing import Final

# What a shell says of a program that SIGINT has ended.
INTERRUPTED: Final = 130


def end_at_once() -> None:
    """From now on the signal ends the process; unless somebody has it ignored, as `nohup` does."""
    if _in_main_thread() and signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.SIG_DFL)


def heed() -> None:
    """From now on the signal is an exception, if it would have ended the process."""
    if _in_main_thread() and signal.getsignal(signal.SIGINT) is signal.SIG_DFL:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@contextmanager
def ending_at_once() -> Iterator[None]:
    """Within this, the signal ends the process; after it, it is heeded as before."""
    ignored = signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    with nullcontext() if ignored else handled_by(signal.SIG_DFL):
        yield


@contextmanager
def handled_by(handler: Callable[[int, FrameType | None], None] | signal.Handlers) -> Iterator[None]:
    """Within this, the signal does this; after it, what it did before.

    Only the main thread may change that. In others, as where the request of a web application runs a command, this does
    nothing.
    """
    if not _in_main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGINT)
    signal.signal(signal.SIGINT, handler)
    try:
        yield
    finally:
        # None: it was set by somebody who is not Python.
        if before is not None:
            signal.signal(signal.SIGINT, before)


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()
