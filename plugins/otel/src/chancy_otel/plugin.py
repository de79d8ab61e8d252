"""`Otel`: the settings and the hooks."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any, ClassVar, Literal

from chancy import Job, QueuedJob
from chancy.plugin import Plugin, hookimpl
from chancy_otel.containment import contained
from chancy_otel.push import pushed
from chancy_otel.run import running


class Otel(Plugin):
    """OpenTelemetry spans: one for each push, one for each run.

    It needs a TracerProvider, which the application sets, in each process: the application that pushes, the worker, and
    the child processes in which jobs run. Where there is none, nothing is recorded, and what was propagated goes on.

    Attributes:
        propagate: whether the push's context travels in the jobs' meta, under `otel`.
        relation: `link`: a run is a trace of its own, with a link to the push. `parent`: it is part of the trace of the
            push.
        kwargs: the names of kwargs whose values a run's span shows; text, numbers and booleans only.
    """

    name: ClassVar[str] = "otel"

    propagate: bool = True
    relation: Literal["link", "parent"] = "link"
    kwargs: tuple[str, ...] = ()

    @hookimpl
    def on_push(self, jobs: list[Job]) -> list[Job] | None:
        """Record the push, and send its context along."""
        return contained(lambda: pushed(jobs, propagate=self.propagate))

    @hookimpl
    def around_job(self, job: QueuedJob) -> AbstractContextManager[Any] | None:
        """Record the run."""
        parent = self.relation == "parent"
        return contained(lambda: running(job, propagate=self.propagate, parent=parent, kwargs=self.kwargs))
