"""Chancy: a job queue on PostgreSQL. What users import; all of it lives in `chancy_core`.

What belongs to a name is imported when the name is first used: a module that only defines jobs needs no driver, and an
application that only pushes needs no worker.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from chancy_core.app import Chancy
    from chancy_core.app.reference import Reference, References
    from chancy_core.errors import ChancyError, JobStopped
    from chancy_core.executors import JobContext
    from chancy_core.hookspecs import hookimpl
    from chancy_core.plugins import Budget, Plugin, Tick
    from chancy_core.store import Migration, read_migrations, statement
    from chancy_core.store.pools import Pool
    from chancy_core.store.syncpools import SyncPool
    from chancy_core.values.acted import Acted
    from chancy_core.values.backoff import Backoff
    from chancy_core.values.decorating import JobFunction, job
    from chancy_core.values.ended import Ended, Ending
    from chancy_core.values.failures import FailureGroup, Failures
    from chancy_core.values.found import Count, Hit, Hits, Page
    from chancy_core.values.job import Job, Limit
    from chancy_core.values.jobfilter import JobFilter
    from chancy_core.values.provided import Provider, provides
    from chancy_core.values.queue import Queue, UnreadableQueue
    from chancy_core.values.queuedjob import Cancellation, JobError, Outcome, Progress, QueuedJob, State
    from chancy_core.values.spans import Span
    from chancy_core.values.verdicts import Cancel, Retry, Snooze, Verdict
    from chancy_core.values.workerinfo import (
        PluginStatus,
        RunInfo,
        UnableStatus,
        UnservedStatus,
        WorkerInfo,
        WorkerStatus,
    )
    from chancy_core.worker import Stopped, Worker

__all__ = [
    "Acted",
    "Backoff",
    "Budget",
    "Cancel",
    "Cancellation",
    "Chancy",
    "ChancyError",
    "Count",
    "Ended",
    "Ending",
    "FailureGroup",
    "Failures",
    "Hit",
    "Hits",
    "Job",
    "JobContext",
    "JobError",
    "JobFilter",
    "JobFunction",
    "JobStopped",
    "Limit",
    "Migration",
    "Outcome",
    "Page",
    "Plugin",
    "PluginStatus",
    "Pool",
    "Progress",
    "Provider",
    "Queue",
    "QueuedJob",
    "Reference",
    "References",
    "Retry",
    "RunInfo",
    "Snooze",
    "Span",
    "State",
    "Stopped",
    "SyncPool",
    "Tick",
    "UnableStatus",
    "UnreadableQueue",
    "UnservedStatus",
    "Verdict",
    "Worker",
    "WorkerInfo",
    "WorkerStatus",
    "hookimpl",
    "job",
    "provides",
    "read_migrations",
    "statement",
]

# The same as above, for Python; a test holds them together.
_HOMES: Final = {
    "chancy_core.app": ("Chancy",),
    "chancy_core.values.acted": ("Acted",),
    "chancy_core.values.backoff": ("Backoff",),
    "chancy_core.values.decorating": ("JobFunction", "job"),
    "chancy_core.errors": ("ChancyError", "JobStopped"),
    "chancy_core.executors": ("JobContext",),
    "chancy_core.hookspecs": ("hookimpl",),
    "chancy_core.values.ended": ("Ended", "Ending"),
    "chancy_core.values.failures": ("FailureGroup", "Failures"),
    "chancy_core.values.found": ("Count", "Hit", "Hits", "Page"),
    "chancy_core.values.job": ("Job", "Limit"),
    "chancy_core.values.jobfilter": ("JobFilter",),
    "chancy_core.values.spans": ("Span",),
    "chancy_core.values.queuedjob": ("Cancellation", "JobError", "Outcome", "Progress", "QueuedJob", "State"),
    "chancy_core.plugins": ("Budget", "Plugin", "Tick"),
    "chancy_core.values.queue": ("Queue", "UnreadableQueue"),
    "chancy_core.app.reference": ("Reference", "References"),
    "chancy_core.store": ("Migration", "read_migrations", "statement"),
    "chancy_core.values.provided": ("Provider", "provides"),
    "chancy_core.values.verdicts": ("Cancel", "Retry", "Snooze", "Verdict"),
    "chancy_core.worker": ("Stopped", "Worker"),
    "chancy_core.store.pools": ("Pool",),
    "chancy_core.store.syncpools": ("SyncPool",),
    "chancy_core.values.workerinfo": (
        "PluginStatus",
        "RunInfo",
        "UnableStatus",
        "UnservedStatus",
        "WorkerInfo",
        "WorkerStatus",
    ),
}
_HOME_OF: Final = {name: home for home, names in _HOMES.items() for name in names}


if not TYPE_CHECKING:  # where it would make any name a good one

    def __getattr__(name: str) -> Any:
        if name not in _HOME_OF:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        found = globals()[name] = getattr(import_module(_HOME_OF[name]), name)
        return found


def __dir__() -> list[str]:
    return sorted(__all__)
