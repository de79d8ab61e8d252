"""A run is a span, wherever it runs; the job's own spans are below it."""

from __future__ import annotations

import asyncio
import contextvars
import logging
import pickle
from uuid import uuid4

import pytest
from opentelemetry import trace
from opentelemetry.trace import SpanKind, StatusCode
from otel_jobs import Pusher
from otel_support import same

from chancy import Backoff, Chancy, Job, Queue, QueuedJob, Worker
from chancy_otel import Otel

tracer = trace.get_tracer(__name__)

EXECUTORS = [
    pytest.param(Chancy.Executor.Async, "otel_jobs.on_the_loop", id="Async"),
    pytest.param(Chancy.Executor.Threaded, "otel_jobs.in_a_thread", id="Threaded"),
    pytest.param(Chancy.Executor.Auto, "otel_jobs.on_the_loop", id="Auto-async"),
    pytest.param(Chancy.Executor.Auto, "otel_jobs.in_a_thread", id="Auto-sync"),
]


@pytest.mark.parametrize("relation", ["link", "parent"])
@pytest.mark.parametrize(("executor", "func"), EXECUTORS)
async def test_a_run_is_a_span_and_the_jobs_own_are_below_it(new_chancy, spans, executor, func, relation):
    """On every executor it links to the push, as a trace of its own or in the push's, and is current for the job."""
    async with new_chancy(Otel(relation=relation)) as chancy:
        await chancy.declare(Queue("special", executor=executor))
        async with Worker(chancy) as worker:
            with tracer.start_as_current_span("request"):
                reference = await chancy.push("special", Job(func=func, max_attempts=4))
            job = await reference.wait(timeout=60)
    push, run, own = spans.one("push"), spans.one("run"), spans.one("own")
    assert (run.name, run.kind, run.status.status_code) == ("run special", SpanKind.CONSUMER, StatusCode.UNSET)
    assert job.result["span"] == format(run.context.span_id, "016x")
    (link,) = run.links
    assert same(link.context, push)
    if relation == "link":
        assert run.parent is None
        assert run.context.trace_id != push.context.trace_id
    else:
        assert same(run.parent, push)
        assert run.parent.is_remote
    assert same(own.parent, run)
    assert len(spans.named("deeper")) == (1 if func.endswith("on_the_loop") else 0)
    assert all(same(span.parent, own) for span in spans.named("deeper"))
    assert dict(run.attributes) == {
        "messaging.system": "chancy",
        "messaging.operation.name": "run",
        "messaging.operation.type": "process",
        "messaging.destination.name": "special",
        "messaging.message.id": str(job.id),
        "messaging.client.id": worker.name,
        "code.function.name": func,
        "messaging.chancy.func": func,
        "messaging.chancy.attempt": 1,
        "messaging.chancy.max_attempts": 4,
    }
    assert run.start_time <= own.start_time <= own.end_time <= run.end_time


@pytest.mark.parametrize("func", ["otel_jobs.many", "otel_jobs.many_in_threads"])
async def test_runs_beside_each_other_keep_their_contexts_apart(new_chancy, spans, caplog, func):
    """Fifty at a time: each own span is below its own run, and no context is left where it does not belong."""
    async with new_chancy() as chancy, Worker(chancy):
        with caplog.at_level(logging.ERROR, "opentelemetry"):
            references = await chancy.push_many([Job(func=func, kwargs={"number": n}) for n in range(50)])
            ids = [str((await reference.wait(timeout=60)).id) for reference in references]
    runs = {span.attributes["messaging.message.id"]: span for span in spans.named("run")}
    assert len(runs) == 50
    for number, id_ in enumerate(ids):
        own = [span for span in spans.all if span.name == f"own {number}"]
        assert len(own) == 3
        assert all(same(span.parent, runs[id_]) for span in own)
    assert not caplog.records
    assert trace.get_current_span() is trace.INVALID_SPAN


async def test_what_a_job_leaves_current_is_not_there_for_the_next(new_chancy, spans):
    """A job that never ends its own span changes nothing for the runs after it, on one slot, one after the other."""
    async with new_chancy() as chancy:
        await chancy.declare(Queue("single", concurrency=1))
        async with Worker(chancy):
            await (await chancy.push("single", Job(func="otel_jobs.leave_behind"))).wait(timeout=60)
            job = await (await chancy.push("single", Job(func="otel_jobs.on_the_loop"))).wait(timeout=60)
    _, run = spans.named("run")
    assert run.parent is None
    assert job.result["span"] == format(run.context.span_id, "016x")


@pytest.mark.parametrize("propagate", [True, False])
async def test_a_run_does_not_belong_to_what_was_current_when_its_worker_started(new_chancy, spans, propagate):
    """A worker that is opened inside a span has it current for ever; no run is below it."""
    async with new_chancy(Otel(propagate=propagate)) as chancy:
        with tracer.start_as_current_span("start-up"):
            async with Worker(chancy):
                await (await chancy.push(Job(func="otel_jobs.on_the_loop"))).wait(timeout=60)
    run = spans.one("run")
    assert run.parent is None
    assert run.context.trace_id != spans.one("start-up").context.trace_id
    assert len(run.links) == (1 if propagate else 0)


async def test_each_attempt_is_a_span_of_its_own(run_one, spans):
    """All of them link to the one push, and say which attempt they are."""
    job = await run_one(
        Job(func="otel_jobs.third_time_lucky", max_attempts=3, backoff=Backoff.fixed(0.01)),
    )
    assert job.state == "succeeded"
    runs = spans.named("run")
    assert [run.attributes["messaging.chancy.attempt"] for run in runs] == [1, 2, 3]
    assert [run.status.status_code for run in runs] == [StatusCode.ERROR, StatusCode.ERROR, StatusCode.UNSET]
    assert all(same(run.links[0].context, spans.one("push")) for run in runs)


async def test_what_a_job_pushes_is_below_its_run(new_chancy, spans, until):
    """A push inside a run is a child of that run, and so on down the chain."""
    async with new_chancy(Otel(relation="parent")) as chancy, Worker(chancy):
        Pusher.chancy = chancy
        await (await chancy.push(Job(func="otel_jobs.push_another"))).wait(timeout=60)
        await until(lambda: len(spans.named("run")) == 2)
    first, second = spans.named("push")
    runs = {run.attributes["code.function.name"]: run for run in spans.named("run")}
    assert same(runs["otel_jobs.push_another"].parent, first)
    assert same(second.parent, runs["otel_jobs.push_another"])
    assert same(runs["otel_jobs.carried"].parent, second)


@pytest.mark.parametrize("relation", ["link", "parent"])
async def test_baggage_reaches_the_job(run_one, spans, relation):
    """Whatever the relation, what travelled beside the span's context is there."""
    meta = {"otel": {"traceparent": f"00-{7:032x}-{8:016x}-01", "baggage": "customer=acme"}}
    job = await run_one(Job(func="otel_jobs.carried", meta=meta), Otel(relation=relation))
    assert job.result["baggage"] == {"customer": "acme"}
    assert job.result["span"] == format(spans.one("run").context.span_id, "016x")


@pytest.mark.parametrize(
    "rubbish",
    [7, None, [], {}, {"traceparent": 7}, {"traceparent": [None]}, {"traceparent": "x" * 9000}, {"baggage": ";=,="}],
    ids=str,
)
async def test_rubbish_in_the_meta_fails_no_job(run_one, spans, rubbish):
    """Meta is anybody's: what is no context counts as none."""
    job = await run_one(Job(func="otel_jobs.carried", meta={"otel": rubbish}))
    assert job.state == "succeeded"
    assert not spans.one("run").links


async def test_a_run_that_is_thrown_away_with_its_loop_leaves_no_error(spans, caplog):
    """Its coroutine is closed in another context than it was entered in: the span ends, and nothing is logged."""
    plugin = Otel()
    job = QueuedJob(func="otel_jobs.hang", id=uuid4(), state="running")

    async def run():
        with plugin.around_job(job):
            await asyncio.sleep(0)

    coroutine = run()
    contextvars.Context().run(coroutine.send, None)
    with caplog.at_level(logging.ERROR, "opentelemetry"):
        coroutine.close()
    assert spans.one("run").status.status_code is StatusCode.UNSET
    assert spans.one("run").attributes["messaging.chancy.verdict"] == "stopped"
    assert not caplog.records


def test_the_plugin_goes_to_child_processes():
    """It is pickled with its settings, and holds nothing of this process."""
    plugin = pickle.loads(pickle.dumps(Otel(relation="parent", kwargs=("to",), propagate=False)))
    assert (plugin.relation, plugin.kwargs, plugin.propagate) == ("parent", ("to",), False)
