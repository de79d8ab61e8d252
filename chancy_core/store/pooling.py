"""What an application's pools have in common, with asyncio and without."""

from __future__ import annotations

import time
import weakref
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, Generic, Protocol, TypeVar

import psycopg

from chancy_core.errors import DatabaseUnavailable, NotOpen
from chancy_core.store.bounded import BoundedAsyncConnection, BoundedConnection
from chancy_core.store.connect import CONNECT_TIMEOUT_S
from chancy_core.store.idle import Idle, close
from chancy_core.store.tries import DEADLINE_S
from chancy_core.store.weather import Fault, fault_of

C = TypeVar("C", BoundedAsyncConnection, BoundedConnection)

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
TAKES_CHANGES: Final = ("off",)


def deadline_s(within_s: float | None) -> float:
    """How long the server may be silent while somebody waits who has so much time."""
    return DEADLINE_S if within_s is None else min(DEADLINE_S, max(within_s, DEADLINE_MIN_S))


class Timer(Protocol):
    """Something that will be called later."""

    def cancel(self) -> None:
        """Let it not be called."""
        ...


class BasePool(ABC, Generic[C]):
    """What both have: all that needs no waiting.

    Attributes:
        dsn: where the database is.
        max_size: how many connections it has at most.
        options: how each of them is opened.
        is_open: whether it may be used.
    """

    # Lets somebody else have a slot: one for each connection that may be open.
    _free_slot: Callable[[], None]

    def __init__(self, dsn: str, *, max_size: int, application_name: str, pooler: bool) -> None:
        self.dsn: Final = dsn
        self.max_size: Final = max_size
        self.options: Final[dict[str, Any]] = {"application_name": application_name, "pooler": pooler}
        self.is_open = False
        self._idle: Final[Idle[C]] = Idle()
        self._cleaning: Timer | None = None
        # One that nobody closed takes its connections with it, at the end of the process too.
        weakref.finalize(self, self._idle.drop)

    def open_now(self) -> None:
        """Let it be used. Nothing is connected yet."""
        self.is_open = True

    def close_now(self) -> None:
        """Close every connection; those that are in use, once they are given back."""
        self.is_open = False
        cleaning, self._cleaning = self._cleaning, None
        if cleaning is not None:
            cleaning.cancel()
        self._idle.drop()

    def drop_idle(self) -> None:
        """Close the connections that nobody uses now. Whoever needs one afterwards gets a new one."""
        self._idle.drop()

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

    @contextmanager
    def _in_use(self, connection: C) -> Iterator[None]:
        try:
            yield
        except BaseException as error:
            self._judge(connection, error)
            raise
        finally:
            self._give_back(connection)

    def _is_fresh(self, connection: C) -> bool:
        """Whether it answered a moment ago. Otherwise it is asked, and has little time for that."""
        if time.monotonic() - connection.idle_since < SURE_AFTER_S:
            return True
        connection.deadline_s = SURE_WITHIN_S
        return False

    def _judge(self, connection: C, error: BaseException) -> None:
        if isinstance(error, psycopg.Error) and fault_of(error) is Fault.GONE:
            self._discard(connection)

    def _discard(self, connection: C) -> None:
        # Those that were opened before are likely to be no better, and are cheap to open again.
        close(connection)
        self._idle.drop()

    def _give_back(self, connection: C) -> None:
        if self.is_open:
            self._idle.put(connection)
            if self._cleaning is None:
                self._clean()
        else:
            close(connection)
        self._free_slot()

    def cleaner(self) -> Callable[[], None]:
        """Calls `_clean`, if somebody has this pool by then: a timer is no reason to keep it."""
        pool = weakref.ref(self)

        def clean() -> None:
            there = pool()
            if there is not None:
                there._clean()  # noqa: SLF001 -- its own

        return clean

    def _clean(self) -> None:
        left_s = self._idle.drop_unused()
        self._cleaning = None if left_s is None or not self.is_open else self._later(left_s)

    @abstractmethod
    def _later(self, left_s: float) -> Timer:
        """Have `_clean` called in so many seconds, as `cleaner` does."""
