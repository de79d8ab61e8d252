"""What an executor of one's own is made of."""

from chancy_core.executors import Control, Executor, ExecutorSettings, JobContext, Report, StopReason
from chancy_core.executors.functions import Functions

__all__ = ["Control", "Executor", "ExecutorSettings", "Functions", "JobContext", "Report", "StopReason"]
