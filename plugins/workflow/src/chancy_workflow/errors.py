"""What this plugin raises."""

from __future__ import annotations

from chancy import ChancyError


class InvalidWorkflow(ChancyError, ValueError):  # noqa: N818 -- reads as what it is
    """A workflow that could not be pushed as it is, or a request that its run cannot take: names the step."""


class RunNotFound(ChancyError, LookupError):  # noqa: N818
    """No such run: it was never committed, or it has been deleted since it ended."""


class RunState(ChancyError, RuntimeError):  # noqa: N818
    """A run that is not in the state for what is asked of it: one that still runs cannot be retried."""
