"""Executors: run one job, return an `Outcome`."""

from chancy_core.executors.base import Executor, ExecutorSettings, StopReason
from chancy_core.executors.load import load_executor

__all__ = ["Executor", "ExecutorSettings", "StopReason", "load_executor"]
