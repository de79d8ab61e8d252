"""Spans, as tests ask for them."""

from __future__ import annotations

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter


class Spans:
    """What has been recorded."""

    def __init__(self, exporter: InMemorySpanExporter) -> None:
        self._exporter = exporter

    def named(self, start: str) -> list[ReadableSpan]:
        """Those whose name starts so, in the order of their ends."""
        return [span for span in self._exporter.get_finished_spans() if span.name.startswith(start)]

    def one(self, start: str) -> ReadableSpan:
        """The only one whose name starts so."""
        (span,) = self.named(start)
        return span

    @property
    def all(self) -> list[ReadableSpan]:
        """Every one."""
        return list(self._exporter.get_finished_spans())


def same(context, span) -> bool:
    """Whether a span context, of a parent or a link, is that of a span."""
    own = span.context
    return context is not None and (context.trace_id, context.span_id) == (own.trace_id, own.span_id)
