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
from chancy_core.executors.context import Reporter
from chancy_core.executors.elsewhere import Heard
from chancy_core.executors.functions import Function, Functions, callable_of
from chancy_core.executors.resources import Resources
from chancy_core.plugins.around import Around
from chancy_core.values.declared import Declared
from chancy_core.values.provided import Provider
from chancy_core.values.raised import Raised, Wish
from chancy_core.values.signature import Signature

__all__ = [
    "Around",
    "Control",
    "Declared",
    "Executor",
    "ExecutorSettings",
    "Function",
    "Functions",
    "Heard",
    "JobContext",
    "JobRunner",
    "Provider",
    "Raised",
    "Report",
    "Reporter",
    "Resources",
    "RunSettings",
    "Signature",
    "StopReason",
    "Wish",
    "callable_of",
    "run_job",
]
