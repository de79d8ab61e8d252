"""Executors: run one job, return an `Outcome`."""

from chancy_core.executors.base import Executor, ExecutorSettings, StopReason
from chancy_core.executors.context import JobContext
from chancy_core.executors.control import Control
from chancy_core.executors.load import load_executor

__all__ = ["Control", "Executor", "ExecutorSettings", "JobContext", "StopReason", "load_executor"]
