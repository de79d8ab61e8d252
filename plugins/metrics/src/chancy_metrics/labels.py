"""Which queues have a name of their own in the metrics, and which are `other`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

OTHER: Final = "other"


class QueueLabels:
    """The values of the label `queue`: never more than `most` names, and `other`.

    Each value is a dozen series for ever, so a program that makes up queues must not make up labels. Where a worker has
    read which queues are declared, only those have names. An application without a worker cannot know; there the first
    ones that it pushes to do.

    Args:
        most: how many queues have a name.
    """

    def __init__(self, most: int) -> None:
        self._most: Final = most
        self._shown: set[str] = set()
        self._closed = False

    def declare(self, names: Iterable[str]) -> None:
        """These are the declared queues; from now on no other gets a name just by being pushed to."""
        for name in sorted(names):
            self.admit(name)
        self._closed = True

    def admit(self, queue: str) -> str:
        """The label of a queue that is known to be declared."""
        if queue in self._shown:
            return queue
        if len(self._shown) >= self._most:
            return OTHER
        self._shown.add(queue)
        return queue

    def of(self, queue: str) -> str:
        """The label of any queue."""
        if queue in self._shown:
            return queue
        return OTHER if self._closed else self.admit(queue)

    @property
    def shown(self) -> list[str]:
        """The queues that have a name."""
        return sorted(self._shown)
