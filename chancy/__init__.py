"""Chancy: a job queue on PostgreSQL. What users import; all of it lives in `chancy_core`."""

from chancy_core.app import Chancy
from chancy_core.backoff import Backoff
from chancy_core.decorating import job
from chancy_core.errors import ChancyError, JobStopped
from chancy_core.executors import JobContext
from chancy_core.hookspecs import hookimpl
from chancy_core.job import Cancellation, Job, JobError, Limit, Outcome, Progress, QueuedJob, State
from chancy_core.plugins import Budget, Plugin, Tick
from chancy_core.queue import Queue
from chancy_core.reference import Reference
from chancy_core.store import Migration, read_migrations, statement
from chancy_core.verdicts import Cancel, Retry, Snooze
from chancy_core.worker import Worker

__all__ = [
    "Backoff",
    "Budget",
    "Cancel",
    "Cancellation",
    "Chancy",
    "ChancyError",
    "Job",
    "JobContext",
    "JobError",
    "JobStopped",
    "Limit",
    "Migration",
    "Outcome",
    "Plugin",
    "Progress",
    "Queue",
    "QueuedJob",
    "Reference",
    "Retry",
    "Snooze",
    "State",
    "Tick",
    "Worker",
    "hookimpl",
    "job",
    "read_migrations",
    "statement",
]
