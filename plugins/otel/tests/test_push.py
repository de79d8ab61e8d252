"""A push is one span, and its context travels with the jobs."""

from __future__ import annotations

import psycopg
import pytest
from opentelemetry import baggage, trace
from opentelemetry import context as contexts
from opentelemetry.trace import SpanKind, StatusCode
from otel_support import same

from chancy import Job, Queue
from chancy_otel import Otel

JOB = Job(func="otel_jobs.carried")
tracer = trace.get_tracer(__name__)


def traceparent(span) -> str:
    return f"00-{span.context.trace_id:032x}-{span.context.span_id:016x}-{int(span.context.trace_flags):02x}"


async def test_a_push_is_a_span_below_the_callers_and_its_context_is_in_the_job(new_chancy, spans):
    """The span is a producer's, says what the conventions want, and the stored job names it, beside its own meta."""
    async with new_chancy() as chancy:
        with tracer.start_as_current_span("request"):
            reference = await chancy.push(JOB.with_meta(tenant=7))
        job = await reference.get()
    span = spans.one("push")
    assert (span.name, span.kind, span.status.status_code) == ("push default", SpanKind.PRODUCER, StatusCode.UNSET)
    assert same(span.parent, spans.one("request"))
    assert dict(span.attributes) == {
        "messaging.system": "chancy",
        "messaging.operation.name": "push",
        "messaging.operation.type": "send",
        "messaging.destination.name": "default",
        "messaging.chancy.func": "otel_jobs.carried",
    }
    assert job.meta == {"tenant": 7, "otel": {"traceparent": traceparent(span)}}
    assert JOB.meta == {}
    assert span.instrumentation_scope.name == "chancy_otel"


@pytest.mark.parametrize("way", ["push", "sync_push", "push_many", "sync_push_many", "transaction"])
async def test_every_way_to_push_is_seen(new_chancy, spans, dsn, way):
    """Each of them records one span and sends its context along."""
    async with new_chancy() as chancy, await psycopg.AsyncConnection.connect(dsn) as connection:
        with new_chancy() as blocking:
            match way:
                case "push":
                    reference = await chancy.push(JOB)
                case "sync_push":
                    reference = blocking.sync_push(JOB)
                case "push_many":
                    reference = (await chancy.push_many([JOB]))[0]
                case "sync_push_many":
                    reference = blocking.sync_push_many([JOB])[0]
                case _:
                    reference = await chancy.push(JOB, connection=connection)
                    await connection.commit()
        job = await chancy.get_job(reference)
    assert job.meta["otel"] == {"traceparent": traceparent(spans.one("push"))}
    assert "messaging.batch.message_count" not in spans.one("push").attributes


async def test_a_bulk_push_is_one_span_for_each_five_thousand_jobs(new_chancy, spans):
    """A span says how many jobs it stands for, and what all of them have in common; each job names its own span."""
    async with new_chancy() as chancy:
        await chancy.declare(Queue("mail"))
        references = await chancy.push_many([JOB] * 5000 + [JOB.with_queue("mail")] * 3)
        first, last = [await references[at].get() for at in (0, -1)]
    big, small = spans.named("push")
    assert (big.name, small.name) == ("push default", "push mail")
    assert [span.attributes["messaging.batch.message_count"] for span in (big, small)] == [5000, 3]
    assert first.meta["otel"] == {"traceparent": traceparent(big)}
    assert last.meta["otel"] == {"traceparent": traceparent(small)}


async def test_a_push_to_several_queues_names_none(new_chancy, spans):
    """What does not hold for all jobs of a push is not said of it."""
    async with new_chancy() as chancy:
        await chancy.declare(Queue("mail"))
        await chancy.push_many([JOB, Job(func="otel_jobs.fail", queue="mail")])
    span = spans.one("push")
    assert span.name == "push"
    assert not {"messaging.destination.name", "messaging.chancy.func"} & set(span.attributes)


async def test_a_context_that_a_job_brings_stays_and_is_linked(new_chancy, spans):
    """Somebody's own creation context is not replaced, as the conventions want; the push links to it, once."""
    own = {"traceparent": f"00-{7:032x}-{8:016x}-01"}
    async with new_chancy() as chancy:
        references = await chancy.push_many([JOB.with_meta(otel=own), JOB.with_meta(otel=own), JOB])
        jobs = [await reference.get() for reference in references]
    span = spans.one("push")
    assert [job.meta["otel"] for job in jobs] == [own, own, {"traceparent": traceparent(span)}]
    (link,) = span.links
    assert (link.context.trace_id, link.context.span_id) == (7, 8)


async def test_baggage_travels_too(new_chancy, spans):
    """What the configured propagators carry is carried, baggage by default."""
    token = contexts.attach(baggage.set_baggage("customer", "a b"))
    try:
        async with new_chancy() as chancy:
            job = await (await chancy.push(JOB)).get()
    finally:
        contexts.detach(token)
    assert job.meta["otel"] == {"traceparent": traceparent(spans.one("push")), "baggage": "customer=a+b"}


async def test_without_propagation_no_job_is_touched(new_chancy, spans):
    """`propagate = false` still records pushes, and stores jobs as they are."""
    async with new_chancy(Otel(propagate=False)) as chancy:
        job = await (await chancy.push(JOB)).get()
    assert job.meta == {}
    assert spans.one("push")
