"""In child processes: the plugin is a copy there, and the provider is the child's own."""

from __future__ import annotations

import json
import os

import otel_child
import pytest
from opentelemetry import trace

from chancy import Chancy, Job, Queue, Worker
from chancy_otel import Otel

tracer = trace.get_tracer(__name__)


@pytest.fixture
def from_children(tmp_path, monkeypatch):
    """Reads what the children have recorded, by name."""
    path = tmp_path / "spans"
    monkeypatch.setenv(otel_child.FILE, str(path))
    return lambda: {(span := json.loads(line))["name"]: span for line in path.read_text().splitlines()}


async def _processed(chancy, job, **options):
    await chancy.declare(Queue("heavy", concurrency=1, executor=Chancy.Executor.Process, executor_options=options))
    async with Worker(chancy):
        return await (await chancy.push("heavy", job)).wait(timeout=60)


@pytest.mark.parametrize("relation", ["link", "parent"])
@pytest.mark.parametrize("func", ["otel_jobs.on_the_loop", "otel_jobs.in_a_thread"])
async def test_a_run_in_a_child_is_a_span_and_the_jobs_own_are_below_it(
    new_chancy, spans, from_children, func, relation
):
    """Linked to the push of this process; recorded by the child, which tells all when it ends."""
    async with new_chancy(Otel(relation=relation)) as chancy:
        job = await _processed(chancy, Job(func=func), initializer="otel_child.set_up")
    push, found = spans.one("push"), from_children()
    run, own = found["run heavy"], found["own"]
    (link,) = run["links"]
    assert _ids(link["context"]) == (push.context.trace_id, push.context.span_id)
    if relation == "link":
        assert run["parent_id"] is None
        assert _ids(run["context"])[0] != push.context.trace_id
    else:
        assert int(run["parent_id"], 16) == push.context.span_id
        assert _ids(run["context"])[0] == push.context.trace_id
    assert own["parent_id"] == run["context"]["span_id"] == f"0x{job.result['span']}"
    assert own["context"]["trace_id"] == run["context"]["trace_id"]
    assert run["kind"] == "SpanKind.CONSUMER"
    assert run["attributes"]["messaging.message.id"] == str(job.id)
    assert not spans.named("run")


@pytest.mark.parametrize("func", ["otel_jobs.fail", "otel_jobs.fail_in_a_thread"])
async def test_what_a_job_raises_in_a_child_is_recorded_there(new_chancy, spans, from_children, func):
    """With the status, the type and the exception event."""
    async with new_chancy() as chancy:
        job = await _processed(chancy, Job(func=func), initializer="otel_child.set_up")
    assert job.errors[0].type == "ValueError"
    run = from_children()["run heavy"]
    assert run["status"] == {"status_code": "ERROR", "description": "ValueError: no"}
    assert run["attributes"]["error.type"] == "ValueError"
    assert [event["name"] for event in run["events"]] == ["exception"]


async def test_a_child_without_a_provider_passes_the_context_on(new_chancy, spans):
    """Nothing is recorded there, and what the job calls belongs to the push."""
    async with new_chancy() as chancy:
        job = await _processed(chancy, Job(func="otel_jobs.in_a_thread"))
    push = spans.one("push")
    assert job.state == "succeeded"
    assert (int(job.result["trace"], 16), int(job.result["span"], 16)) == (push.context.trace_id, push.context.span_id)
    assert job.result["pid"] != os.getpid()


def _ids(context):
    return int(context["trace_id"], 16), int(context["span_id"], 16)
