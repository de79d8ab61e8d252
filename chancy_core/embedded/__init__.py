"""The private PostgreSQL that serves when no database is named. Not for production."""

from chancy_core.embedded.server import EmbeddedServer, acquire

__all__ = ["EmbeddedServer", "acquire"]
