"""A reason, and an answer of several."""

from __future__ import annotations

from typing import Any, NamedTuple


class Reason(NamedTuple):
    """Why something does not run now.

    Attributes:
        id: what kind of reason it is; it stays the same from release to release.
        what: the reason, in a sentence.
        fix: what to type about it; None where there is nothing to do but wait.
    """

    id: str
    what: str
    fix: str | None = None


class Answer(NamedTuple):
    """What there is to say of a job or a queue.

    Attributes:
        about: what it is, in a line.
        reasons: why it does not run now, or what it does; what has to be mended first comes first.
    """

    about: str
    reasons: list[Reason]

    def to_dict(self) -> dict[str, Any]:
        """As what JSON has."""
        return {"about": self.about, "reasons": [reason._asdict() for reason in self.reasons]}
