"""Chancy: a job queue on PostgreSQL. What users import; all of it lives in `chancy_core`."""

from chancy_core.app import Chancy
from chancy_core.errors import ChancyError
from chancy_core.job import Backoff, Job, JobError, Limit, QueuedJob, State, job
from chancy_core.queue import Queue
from chancy_core.reference import Reference
from chancy_core.worker import Worker

__all__ = [
    "Backoff",
    "Chancy",
    "ChancyError",
    "Job",
    "JobError",
    "Limit",
    "Queue",
    "QueuedJob",
    "Reference",
    "State",
    "Worker",
    "job",
]
