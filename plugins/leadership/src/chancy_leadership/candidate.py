"""What one candidate asks of the database, and what it may believe by the answers.

Does no I/O, and looks at no clock but the one that it is given.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

# The part of a lease for which its holder does not trust itself. It covers the clocks of two machines running apart by
# up to a tenth, and the moment between asking `is_leader` and acting on the answer.
MARGIN: Final = 0.1


class Request(NamedTuple):
    """A statement to be run now.

    Attributes:
        statement: its file in `sql/`.
        params: its parameters.
        asked_at: when it was asked for, before it was sent; by the candidate's clock.
    """

    statement: str
    params: dict[str, Any]
    asked_at: float


class Held(NamedTuple):
    """A lease as its holder sees it: the term, and until when it trusts itself, by its clock."""

    term: int
    until: float


class Candidate:
    """One candidate, under a name that no other has had before it.

    One request at a time: each is answered, or given up, before the next.

    Args:
        holder: its name.
        lease_s: how long a lease is, in seconds.
        clock: seconds that never go back.

    Attributes:
        holder: its name.
        may_hold: whether the row may be its own: it led, or an answer is missing.
    """

    def __init__(self, holder: str, lease_s: float, clock: Callable[[], float]) -> None:
        self.holder: Final = holder
        self.may_hold = False
        self._lease_s: Final = lease_s
        self._clock: Final = clock
        # One value, because other threads read it.
        self._held: Held | None = None
        # The term of a lease that was seen to lie further ahead than one's own would. It may just be longer; the term
        # for which that was found out needs no second look.
        self._suspects: int | None = None
        self._longer: int | None = None

    @property
    def term(self) -> int | None:
        """The term in which it leads now; None: it does not."""
        held = self._held
        return held.term if held is not None and self._clock() < held.until else None

    def ask(self) -> Request:
        """What to ask the database next: to renew the lease that it holds, to be elected, or to shorten a lease."""
        held = self._held
        if held is None and self._suspects is not None:
            return Request("shorten", {"lease_s": self._lease_s}, self._clock())
        self.may_hold = True
        params: dict[str, Any] = {"holder": self.holder, "lease_s": self._lease_s}
        if held is None:
            return Request("elect", params, self._clock())
        return Request("renew", {**params, "term": held.term}, self._clock())

    def answered(self, request: Request, rows: Sequence[tuple[Any, ...]]) -> float:
        """Take the answer.

        The lease in the database began after the request was made; the belief in it ends before it does.

        Returns:
            For how many seconds there is nothing to be gained by asking again, unless it leads.
        """
        if request.statement == "shorten":
            self._longer, self._suspects = (None if rows else self._suspects), None
            return 0.0
        if request.statement == "renew":
            self._take(rows[0][0] if rows else None, request.asked_at)
            return 0.0
        elected, term, _, left_s = rows[0]
        self._take(term if elected else None, request.asked_at)
        if not elected and left_s > self._lease_s and term != self._longer:
            self._suspects = term
            return 0.0
        return max(float(left_s), 0.0)

    def drop(self) -> None:
        """Lead no more, from now on."""
        self._held = None

    def resigned(self) -> None:
        """The row is not its own any more."""
        self.may_hold = False

    def _take(self, term: int | None, asked_at: float) -> None:
        self.may_hold = term is not None
        self._held = None if term is None else Held(term, asked_at + self._lease_s * (1 - MARGIN))
