"""What an executor of one's own is made of."""

from chancy_core.executors import (
    Control,
    Executor,
    ExecutorSettings,
    JobContext,
    JobRunner,
    Report,
    RunSettings,
    StopReason,
    run_job,
)
from chancy_core.executors.functions import Functions
from chancy_core.values.raised import Raised

__all__ = [
    "Control",
    "Executor",
    "ExecutorSettings",
    "Functions",
    "JobContext",
    "JobRunner",
    "Raised",
    "Report",
    "RunSettings",
    "StopReason",
    "run_job",
]
