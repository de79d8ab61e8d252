"""Without an SDK nothing is recorded or touched, and what comes along is passed on. Broken ones break nothing."""

from __future__ import annotations

import subprocess
import sys

import pytest
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import NonRecordingSpan, NoOpTracer, SpanContext, TraceFlags

from chancy import Job, Worker
from chancy_otel import Otel, containment, push, run

JOB = Job(func="otel_jobs.carried")
CALLER = SpanContext(7, 8, is_remote=False, trace_flags=TraceFlags(1))


@pytest.fixture(params=["no provider", "a provider that does nothing"])
def no_sdk(request, monkeypatch):
    """As in a process in which nobody has set a provider, or one that does nothing."""
    for module in (push, run):
        monkeypatch.setattr(module, "TRACER", NoOpTracer())
        monkeypatch.setattr(module, "silent", lambda: request.param == "no provider")


async def test_without_an_sdk_jobs_are_stored_as_they_are(run_one, no_sdk):
    """No meta, no span, and nothing is put round a run."""
    job = await run_one(JOB)
    assert (job.state, job.meta) == ("succeeded", {})
    assert int(job.result["span"], 16) == 0
    assert Otel().on_push([JOB]) is None
    assert Otel().around_job(job) is None


@pytest.mark.parametrize("relation", ["link", "parent"])
async def test_without_an_sdk_a_callers_context_goes_on_through_the_job(new_chancy, no_sdk, relation):
    """It is in the job's meta, and current while the job runs."""
    async with new_chancy(Otel(relation=relation)) as chancy, Worker(chancy):
        with trace.use_span(NonRecordingSpan(CALLER)):
            reference = await chancy.push(JOB)
        job = await reference.wait(timeout=60)
    assert job.meta == {"otel": {"traceparent": f"00-{7:032x}-{8:016x}-01"}}
    assert (int(job.result["trace"], 16), int(job.result["span"], 16)) == (7, 8)


@pytest.mark.parametrize("relation", ["link", "parent"])
async def test_what_is_not_sampled_is_not_recorded_and_says_so(new_chancy, monkeypatch, spans, relation):
    """A sampler's no travels with the job, and holds for the job's own spans."""
    tracer = TracerProvider(sampler=ALWAYS_OFF).get_tracer("off")
    for module in (push, run):
        monkeypatch.setattr(module, "TRACER", tracer)
        monkeypatch.setattr(module, "silent", lambda: False)
    async with new_chancy(Otel(relation=relation)) as chancy, Worker(chancy):
        job = await (await chancy.push(Job(func="otel_jobs.on_the_loop"))).wait(timeout=60)
    assert int(job.meta["otel"]["traceparent"][-2:], 16) & TraceFlags.SAMPLED == 0
    assert int(job.result["span"], 16) != 0
    assert not spans.all


async def test_a_tracer_that_raises_stops_no_push_and_no_run(new_chancy, monkeypatch, caplog):
    """That is logged, once in a while, and the job runs untouched."""

    class Broken(NoOpTracer):
        def start_span(self, *args, **kwargs):
            raise RuntimeError("sampler out of order")

    for module in (push, run):
        monkeypatch.setattr(module, "TRACER", Broken())
        monkeypatch.setattr(module, "silent", lambda: False)
    monkeypatch.setattr(containment, "_reported_at", float("-inf"))
    async with new_chancy() as chancy, Worker(chancy):
        job = await (await chancy.push(JOB)).wait(timeout=60)
    assert (job.state, job.meta) == ("succeeded", {})
    assert not chancy.plugins.failures
    assert [record.getMessage() for record in caplog.records if "span_failed" in record.getMessage()]


def test_the_api_is_all_that_is_needed():
    """A process that uses the plugin imports no SDK, and its tracer does nothing."""
    code = (
        "import sys; from chancy import Job; from chancy_otel import Otel; from chancy_otel.tracer import silent; "
        "assert silent(); "
        "assert Otel().on_push([Job(func='a.b')]) is None; "
        "assert not [name for name in sys.modules if name.startswith('opentelemetry.sdk')]"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_an_empty_context_is_no_context():
    """The API has no name for that: a context without anything in it is false."""
    assert not Context()
