"""What this plugin raises."""

from __future__ import annotations

from chancy import ChancyError


class TermsLost(ChancyError, RuntimeError):  # noqa: N818
    """The row that counts the terms was deleted: nobody can be elected until somebody has put it back."""


class NotLeader(ChancyError, RuntimeError):  # noqa: N818 -- reads as what it is
    """This process does not lead, or does no longer: leave the work to the leader."""
