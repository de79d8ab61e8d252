"""What a child process calls before its first job."""

import os
from pathlib import Path

from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter

# Where the children of a test write their spans, one a line.
FILE = "OTEL_TEST_SPANS"


def set_up():
    out = Path(os.environ[FILE]).open("a", encoding="utf-8")  # noqa: SIM115 -- for the life of the process
    exporter = ConsoleSpanExporter(out=out, formatter=lambda span: span.to_json(indent=None) + "\n")
    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(exporter, schedule_delay_millis=3_600_000))
    trace.set_tracer_provider(provider)
