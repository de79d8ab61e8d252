"""Where in its code a job is: what a job that has to be killed cannot say any more."""

from __future__ import annotations

import asyncio
import sys
import traceback
from pathlib import Path
from types import FrameType
from typing import Any, Final

# Frames of what runs the job say nothing about it.
OWN: Final = str(Path(__file__).parent.parent)
TEXT_MAX: Final = 4000


def whereabouts(thread: int, task: asyncio.Task[Any] | None) -> str:
    """The stack of a job, as a traceback shows one; empty if it cannot be told.

    Args:
        thread: in which the job runs.
        task: in which it runs, if it is a coroutine function.
    """
    frames = _suspended(task) if task is not None else []
    if not frames:
        frame = sys._current_frames().get(thread)  # noqa: SLF001 -- the only way to see another thread's
        while frame is not None:
            frames.insert(0, frame)
            frame = frame.f_back
    own = [n for n, frame in enumerate(frames) if frame.f_code.co_filename.startswith(OWN)]
    inside = frames[own[-1] + 1 :] if own else frames
    stack = traceback.StackSummary.extract((frame, frame.f_lineno) for frame in inside)
    return "".join(stack.format())[-TEXT_MAX:]


def _suspended(task: asyncio.Task[Any]) -> list[FrameType]:
    """The frames of a task that waits, from the outside in; none if it runs this moment."""
    frames: list[FrameType] = []
    waiting: Any = task.get_coro()
    while waiting is not None:
        if getattr(waiting, "cr_running", False) or getattr(waiting, "gi_running", False):
            return []
        frame = getattr(waiting, "cr_frame", None) or getattr(waiting, "gi_frame", None)
        if frame is not None:
            frames.append(frame)
        waiting = getattr(waiting, "cr_await", None) or getattr(waiting, "gi_yieldfrom", None)
    return frames
