"""A span for a push, and its context for the jobs."""

from __future__ import annotations

from typing import Final

from opentelemetry import context as contexts
from opentelemetry import trace
from opentelemetry.trace import Link, Span, SpanKind

from chancy import Job
from chancy_otel.attributes import push_attributes, span_name
from chancy_otel.carrier import KEY, carrying, extracted, injected
from chancy_otel.tracer import TRACER, silent

# As many as the SDK keeps by default.
LINKS_MAX: Final = 128


def pushed(jobs: list[Job], *, propagate: bool) -> list[Job] | None:
    """Record a push.

    One span for all of its jobs: the conventions would have a further one for each, and a push of 5,000 would make
    5,001.

    Returns:
        The jobs, with the span's context in their meta; None if they are to stay as they are.
    """
    if not jobs:
        return None
    context = contexts.get_current()
    if not silent():
        span = _recorded(jobs, linked=propagate)
        # A tracer that records nothing gives whichever span is current, if any.
        if span.get_span_context().is_valid:
            context = trace.set_span_in_context(span, context)
    if not propagate or not context:
        return None
    carrier = injected(context)
    return [carrying(job, carrier) for job in jobs] if carrier else None


def _recorded(jobs: list[Job], *, linked: bool) -> Span:
    attributes = push_attributes(jobs)
    own = [job for job in jobs if KEY in job.meta] if linked else []
    span = TRACER.start_span(
        span_name(attributes), kind=SpanKind.PRODUCER, attributes=attributes, links=_links(own) if own else None
    )
    # The hook is called before the jobs are stored, and nobody tells when they are: it marks the moment.
    span.end()
    return span


def _links(jobs: list[Job]) -> list[Link]:
    """To the contexts that some jobs brought with them, each once."""
    found: dict[tuple[int, int], Link] = {}
    for job in jobs:
        if len(found) == LINKS_MAX:
            break
        carried = trace.get_current_span(extracted(job.meta) or contexts.Context()).get_span_context()
        if carried.is_valid:
            found[carried.trace_id, carried.span_id] = Link(carried)
    return list(found.values())
