"""A run as it stands: values to look at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import msgspec

from chancy.plugin import nearest
from chancy_workflow.errors import InvalidWorkflow

ENDED: Final = frozenset({"succeeded", "failed", "cancelled", "expired", "skipped"})


class StepStatus(msgspec.Struct, frozen=True, kw_only=True):
    """A step of a run as it stands.

    Attributes:
        name: its name.
        kind: `job`, `map`, `wait`; `group` is an included workflow, `gate` its beginning.
        state: `waiting` for the steps before it; `open`: it waits for its signal, or the jobs of a map run;
            `pushed`: its job waits or runs; `succeeded`, `failed`, `cancelled`, `expired`, `skipped`.
        job_id: its job.
        note: why it failed or was cancelled.
        after: the steps before it, with their conditions.
        waits_for: those of them that have not ended.
        begun_at: when its job was pushed, or it began to wait for its signal.
        due_at: until when it waits for its signal.
        ended_at: when it ended.
        parts: of a map: how many jobs are in which state.
        past: what became of it in the attempts of the run before this one.
        result: what it returned; None if the status was asked for without results, too.
    """

    name: str
    kind: str
    state: str
    job_id: UUID | None = None
    note: str | None = None
    after: Mapping[str, str] = {}
    waits_for: Sequence[str] = ()
    begun_at: datetime | None = None
    due_at: datetime | None = None
    ended_at: datetime | None = None
    parts: Mapping[str, int] = {}
    past: Sequence[Mapping[str, Any]] = ()
    result: Any = None


class RunStatus(msgspec.Struct, frozen=True, kw_only=True):
    """A run as it stands.

    Attributes:
        id: the run.
        name: its workflow.
        state: `running`, `succeeded`, `failed` or `cancelled`.
        unique_key: its unique key, or None.
        stopping: what it was stopped by: `failure`, `cancel`, or `now`, by a cancel that leaves nothing out; or None.
        note: why it was stopped.
        attempt: which attempt this is, counted from 1: each retry is one more.
        past: the attempts before this one.
        created_at: when it was pushed.
        ended_at: when it ended.
        steps: its steps by their names, in the order in which they were added; parts of maps left out.
    """

    id: UUID
    name: str
    state: str
    unique_key: str | None
    stopping: str | None
    note: str | None
    attempt: int
    past: Sequence[Mapping[str, Any]]
    created_at: datetime
    ended_at: datetime | None
    steps: Mapping[str, StepStatus]

    @property
    def ended(self) -> bool:
        """Whether it has ended."""
        return self.state != "running"

    def result(self, name: str) -> Any:
        """What a step returned: of a map the list, in order. None unless it has succeeded.

        Raises:
            InvalidWorkflow: there is no such step.
        """
        if name not in self.steps:
            raise InvalidWorkflow(
                f"The run of {self.name!r} has no step {name!r:.120}.{nearest(str(name), self.steps)}"
            )
        return self.steps[name].result

    def to_dict(self) -> dict[str, Any]:
        """Every field by its name, as what JSON has."""
        found: dict[str, Any] = msgspec.to_builtins(self)
        return found

    def __str__(self) -> str:
        from chancy_workflow.drawing import status_text  # noqa: PLC0415 -- for people

        return status_text(self)
