"""Signals: those that tell a worker to stop."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

# SIGHUP comes when a terminal is closed; a supervisor that means "reload" by it starts the worker again.
STOP_SIGNALS: Final = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGINT", "SIGHUP") if hasattr(signal, name))

# A loop lets signals wake it once it heeds one itself. This one is ignored by default, and nobody sends it.
WAKES: Final = getattr(signal, "SIGURG", None)


@contextmanager
def heeded(told: Callable[[], None]) -> Iterator[None]:
    """For the length of the block, call `told` on the running loop at each of these signals."""
    loop = asyncio.get_running_loop()
    installed = []
    for number in STOP_SIGNALS:
        if signal.getsignal(number) is signal.SIG_IGN:
            # As `nohup` has it.
            continue
        try:
            loop.add_signal_handler(number, told)
        except (NotImplementedError, RuntimeError, ValueError):
            # Not the main thread, or not a Unix: whoever runs the worker there stops it with `shut_down`.
            continue
        installed.append(number)
    try:
        yield
    finally:
        for number in installed:
            loop.remove_signal_handler(number)


def heeded_to_the_end(hear: Callable[[], None]) -> None:
    """Call `hear` at each of these signals, until `unheeded` or the end of the process.

    Only on the main thread's loop, which alone hears of signals: on another one this does nothing.

    It is called where the interpreter hears of them, not on the loop: a job may be blocking that. And a loop that ends
    gives its own signals back to their default, by which one that comes a moment later would kill the process.
    """

    def hear_signal(_number: int, _frame: FrameType | None) -> None:
        hear()

    if not _in_main_thread():
        return
    if WAKES is not None:
        # Else the interpreter, which is about to fall asleep when a signal comes, hears of it when something wakes it.
        asyncio.get_running_loop().add_signal_handler(WAKES, _nothing)
    for number in STOP_SIGNALS:
        # As `nohup` has it.
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, hear_signal)


def _nothing() -> None: ...


@contextmanager
def put_back() -> Iterator[None]:
    """After the block, these signals are heeded as before it."""
    before = {number: signal.getsignal(number) for number in STOP_SIGNALS}
    try:
        yield
    finally:
        if _in_main_thread():
            for number, handler in before.items():
                # None: it was set by somebody who is not Python.
                if handler is not None:
                    signal.signal(number, handler)


def unheeded() -> None:
    """Ignore these signals from now on: the process has done what it was told to, and ends by itself.

    One that comes while the interpreter ends would kill it, and its exit code would say that it was killed: early in
    its end, the interpreter sets signals that have a handler back to their default. It leaves ignored ones ignored.
    """
    if _in_main_thread():
        for number in STOP_SIGNALS:
            signal.signal(number, signal.SIG_IGN)


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()
