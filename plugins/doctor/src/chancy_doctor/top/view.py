"""What of a picture is shown, and how: sorted, filtered, and with a line that is chosen."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from chancy_doctor.top.picture import FailureRow, Picture, QueueRow

# By what queues are sorted, in turn; what is worst comes first.
SORTS: Final[dict[str, Callable[[QueueRow], Any]]] = {
    "waiting": lambda row: (-row.waiting, row.name),
    "oldest": lambda row: (-(row.oldest_s or 0.0), row.name),
    "running": lambda row: (-row.running, row.name),
    "out": lambda row: (-row.out_s, row.name),
    "name": lambda row: row.name,
}


class View:
    """What somebody wants to see.

    Attributes:
        sort: by what queues are sorted.
        filter: only names that have this in them.
        chosen: the number of the line that is chosen, among queues first and functions then.
        typing: what is being typed for the filter; None: nothing.
        asking: a question that waits for y or n; None: none.
        said: what came of the last key.
        help: whether the keys are explained.
    """

    def __init__(self) -> None:
        self.sort = next(iter(SORTS))
        self.filter = ""
        self.chosen = 0
        self.typing: str | None = None
        self.asking: str | None = None
        self.said = ""
        self.help = False

    def queues(self, picture: Picture) -> list[QueueRow]:
        """The queues that are shown, in their order."""
        found = [row for row in picture.queues if self.filter.lower() in row.name.lower()]
        return sorted(found, key=SORTS[self.sort])

    def failures(self, picture: Picture) -> list[FailureRow]:
        """The functions that are shown."""
        return [row for row in picture.slow.failures if self.filter.lower() in row.func.lower()]

    def next_sort(self) -> None:
        """Sort by the next thing."""
        names = list(SORTS)
        self.sort = names[(names.index(self.sort) + 1) % len(names)]

    def move(self, picture: Picture, step: int) -> None:
        """Choose another line."""
        lines = len(self.queues(picture)) + len(self.failures(picture))
        self.chosen = max(0, min(self.chosen + step, lines - 1))

    def chosen_queue(self, picture: Picture) -> QueueRow | None:
        """The queue that is chosen; None: none is."""
        rows = self.queues(picture)
        return rows[self.chosen] if self.chosen < len(rows) else None

    def chosen_failure(self, picture: Picture) -> FailureRow | None:
        """The function that is chosen; None: none is."""
        number = self.chosen - len(self.queues(picture))
        rows = self.failures(picture)
        return rows[number] if 0 <= number < len(rows) else None
