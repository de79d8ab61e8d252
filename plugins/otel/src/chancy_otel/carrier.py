"""The context of a push, in the jobs' meta and out of it again."""

from __future__ import annotations

import copy
from typing import Any, Final

from msgspec.structs import force_setattr
from opentelemetry import propagate
from opentelemetry.context import Context

from chancy import Job

#: Where in a job's meta the context is, under the names of the configured propagators: `traceparent` and so on.
KEY: Final = "otel"

Carrier = dict[str, str]


def injected(context: Context) -> Carrier:
    """What travels of a context; empty if there is nothing to propagate."""
    carrier: Carrier = {}
    propagate.inject(carrier, context)
    return carrier


def extracted(meta: dict[str, Any]) -> Context | None:
    """The context that a job brought with it; None if it brought none."""
    carried = meta.get(KEY)
    if not isinstance(carried, dict):
        return None
    # Meta is anybody's: a propagator trips over what is not text, and the attempt would fail for it.
    carrier = {name: value for name, value in carried.items() if isinstance(value, str)}
    # Not into the current context: the worker's own is whatever it was started in.
    return propagate.extract(carrier, Context()) or None


def carrying(job: Job, carrier: Carrier) -> Job:
    """The job with this context in its meta, unless it has one already: that is somebody's choice."""
    if KEY in job.meta:
        return job
    # `with_meta` would check once more what has been checked, which takes ten times as long; bulk pushes feel that.
    changed = copy.copy(job)
    force_setattr(changed, "meta", {**job.meta, KEY: carrier})
    return changed
