"""What an application's pools have in common, with asyncio and without."""

from __future__ import annotations

from typing import Any, Final

from chancy_core.errors import DatabaseUnavailable, NotOpen
from chancy_core.store.connect import CONNECT_TIMEOUT_S
from chancy_core.store.tries import DEADLINE_S

# How long to wait for one that others use.
SLOT_WITHIN_S: Final = CONNECT_TIMEOUT_S * 2
# Whoever cannot be asked to begin anew gets a connection that has just answered, if it was idle for longer than this.
SURE_AFTER_S: Final = 1.0
SURE_WITHIN_S: Final = 3.0
# Whoever has little time still waits so long for an answer.
DEADLINE_MIN_S: Final = 1.0
# What callers ask themselves may take as long as it takes. But whoever is cancelled meanwhile does not wait for a
# server that says nothing, which only a connection with a deadline knows how to do.
CALLERS_DEADLINE_S: Final = 86_400.0
# And the end of their transactions: a commit may wait for a standby.
COMMIT_WITHIN_S: Final = 60.0
# Answers whether the connection leads to a server that takes changes.
SURE: Final = b"SHOW transaction_read_only"


def deadline_s(within_s: float | None) -> float:
    """How long the server may be silent while somebody waits who has so much time."""
    return DEADLINE_S if within_s is None else min(DEADLINE_S, max(within_s, DEADLINE_MIN_S))


class BasePool:
    """What both have.

    Attributes:
        dsn: where the database is.
        max_size: how many connections it has at most.
        options: how each of them is opened.
        is_open: whether it may be used.
    """

    def __init__(self, dsn: str, *, max_size: int, application_name: str, pooler: bool) -> None:
        self.dsn: Final = dsn
        self.max_size: Final = max_size
        self.options: Final[dict[str, Any]] = {"application_name": application_name, "pooler": pooler}
        self.is_open = False

    def check_open(self) -> None:
        """Raise NotOpen unless it is open."""
        if not self.is_open:
            raise NotOpen("This Chancy has been closed, and its connections with it.")

    def all_in_use(self) -> DatabaseUnavailable:
        """The error for whoever waited for one in vain."""
        return DatabaseUnavailable(
            f"All {self.max_size} connections of the pool have been in use for {SLOT_WITHIN_S:g} s: give them back "
            "sooner, or raise pool_max_size."
        )
