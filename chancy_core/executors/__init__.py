"""Executors: run one job, and report what it returned or raised."""

from chancy_core.executors.base import Executor, ExecutorSettings, StopReason
from chancy_core.executors.context import JobContext
from chancy_core.executors.control import Control
from chancy_core.executors.elsewhere import JobRunner, RunSettings, run_job
from chancy_core.executors.load import load_executor
from chancy_core.executors.report import Report

__all__ = [
    "Control",
    "Executor",
    "ExecutorSettings",
    "JobContext",
    "JobRunner",
    "Report",
    "RunSettings",
    "StopReason",
    "load_executor",
    "run_job",
]
