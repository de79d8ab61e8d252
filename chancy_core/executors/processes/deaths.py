"""What is told of a run whose child ended before it did."""

from __future__ import annotations

import signal
from typing import Final

from chancy_core.errors import ChildProcessDied, MemoryLimitExceeded, TimeLimitExceeded
from chancy_core.executors.processes.guard import KillReason
from chancy_core.executors.processes.handle import Child
from chancy_core.executors.processes.runs import Death, Terms
from chancy_core.values.queuedjob import QueuedJob

MIB: Final = 1024 * 1024


def error_of(job: QueuedJob, terms: Terms, child: Child, death: Death) -> Exception:
    """The error of a run whose child ended before it did."""
    match death.killed_for:
        case KillReason.TIME:
            error = TimeLimitExceeded(
                f"{job.func} ran for {death.used_s:.3f} s: its time limit is {terms.time_s:g} s. It went on for "
                f"{terms.grace_s:g} s more, and its process was killed."
            )
            if death.stack:
                error.add_note(f"Where it was when its time was over:\n{death.stack}")
            return error
        case KillReason.MEMORY:
            return MemoryLimitExceeded(
                f"{job.func} held {mib(death.peak_bytes)}: its memory limit is {mib(terms.memory_bytes or 0)}. Its "
                f"process, which held {mib(child.rss_bytes)} before, was killed."
            )
        case KillReason.NOT_STARTED:
            return ChildProcessDied(
                f"{job.func} had not started after {terms.start_within_s:g} s: its module was still being imported, or "
                "its child process set up. The process was killed."
            )
    return ChildProcessDied(f"{job.func} did not end: {_fate(child, death)}.")


def _fate(child: Child, death: Death) -> str:
    if death.problem is not None:
        return death.problem
    if death.code is None or death.code >= 0:
        return f"its child process {child.pid} exited with code {death.code}"
    try:
        name = signal.Signals(-death.code).name
    except ValueError:
        name = f"signal {-death.code}"
    hint = " (not by its worker; the system does that when memory is short)" if name == "SIGKILL" else ""
    return f"its child process {child.pid} was killed by {name}{hint}"


def mib(size: float) -> str:
    """A size, as errors show it."""
    return f"{size / MIB:,.1f} MiB"
