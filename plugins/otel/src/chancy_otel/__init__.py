"""OpenTelemetry spans for Chancy's pushes and runs."""

from chancy_otel.plugin import Otel

__all__ = ["Otel"]
