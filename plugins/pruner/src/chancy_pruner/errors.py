"""What goes wrong with settings."""

from __future__ import annotations

from chancy import ChancyError


class InvalidRetention(ChancyError, ValueError):  # noqa: N818 -- reads as what it is
    """A setting that says how long to keep jobs, and cannot be meant: names the key and the value."""
