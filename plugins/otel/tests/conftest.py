"""What these tests share, beyond `chancy.testing`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from otel_support import Spans

from chancy import Chancy, Job, QueuedJob, Worker
from chancy_otel import Otel


@pytest.fixture(scope="session")
def exporter() -> InMemorySpanExporter:
    """Keeps what was recorded. A process has one provider, which cannot be set again."""
    kept = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(kept))
    trace.set_tracer_provider(provider)
    return kept


@pytest.fixture
def spans(exporter: InMemorySpanExporter) -> Iterator[Spans]:
    """The spans of this test."""
    exporter.clear()
    yield Spans(exporter)
    exporter.clear()


@pytest.fixture
def new_chancy(dsn: str, schema: str) -> Callable[..., Chancy]:
    """Makes a Chancy for the test's schema, with this plugin and no other."""

    def new(plugin: Otel | None = None, **settings: Any) -> Chancy:
        return Chancy(dsn, schema=schema, discover=False, plugins=[plugin or Otel()], **settings)

    return new


@pytest.fixture
def run_one(new_chancy: Callable[..., Chancy]) -> Callable[..., Any]:
    """Pushes one job, runs it to its end, and returns it."""

    async def run(job: Job, plugin: Otel | None = None) -> QueuedJob:
        async with new_chancy(plugin) as chancy, Worker(chancy):
            return await (await chancy.push(job)).wait(timeout=60)

    return run
