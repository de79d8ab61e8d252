"""What this plugin raises."""

from __future__ import annotations

from chancy import ChancyError


class NotLeader(ChancyError, RuntimeError):  # noqa: N818 -- reads as what it is
    """This process does not lead, or does no longer: leave the work to the leader."""
