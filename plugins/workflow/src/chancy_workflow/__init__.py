"""Workflows: graphs of jobs that always end."""

from chancy_workflow.errors import InvalidWorkflow, RunNotFound, RunState
from chancy_workflow.flow import Workflow
from chancy_workflow.kept import Kept
from chancy_workflow.plugin import Workflows
from chancy_workflow.run import Run
from chancy_workflow.status import RunStatus, StepStatus
from chancy_workflow.steps import Step

__all__ = [
    "InvalidWorkflow",
    "Kept",
    "Run",
    "RunNotFound",
    "RunState",
    "RunStatus",
    "Step",
    "StepStatus",
    "Workflow",
    "Workflows",
]
