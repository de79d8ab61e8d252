"""The tracer of this process."""

from __future__ import annotations

from importlib.metadata import version
from typing import Final

from opentelemetry import trace
from opentelemetry.trace import ProxyTracerProvider

from chancy_otel.attributes import SCHEMA_URL

# Until the application sets a TracerProvider this one does nothing; from then on it is that provider's. It belongs to
# the process and not to the plugin, which is pickled into child processes.
TRACER: Final = trace.get_tracer("chancy_otel", version("chancy-otel"), schema_url=SCHEMA_URL)


def silent() -> bool:
    """Whether nobody has set a TracerProvider in this process: a quick answer, since then it is asked for every job."""
    return isinstance(trace.get_tracer_provider(), ProxyTracerProvider)
