"""Unserved: the queues that a worker should serve and does not, and why; each reason is logged once."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Final

from chancy_core.errors import InvalidQueue, nearest
from chancy_core.log import log
from chancy_core.store.workers import Registration
from chancy_core.values.queue import Queue
from chancy_core.values.serving import unmet
from chancy_core.values.workerinfo import UnservedStatus

# So many tags are shown.
TAGS_SHOWN: Final = 5


class Unserved:
    """The queues that one worker does not serve, as of its last look at the declarations.

    Args:
        registration: which queues it was told to serve, and its tags.
    """

    def __init__(self, registration: Registration) -> None:
        self._registration: Final = registration
        # Why each queue that cannot be served is not, now and at the look before.
        self._refused: dict[str, str] = {}
        self._refused_before: dict[str, str] = {}
        # And those that it was told to serve, and waits for: why, and what may have been meant.
        self._awaited: dict[str, tuple[str, str]] = {}

    @property
    def again(self) -> bool:
        """Whether there is any that is to be tried again, although nobody declares it anew."""
        return bool(self._refused)

    def look_again(self) -> None:
        """A new look begins."""
        self._refused_before, self._refused = self._refused, {}

    def refuse(self, queue: str, error: BaseException) -> None:
        """A queue cannot be served, because of this."""
        why = str(error) or type(error).__name__
        self._refused[queue] = why
        # Once for each reason, not every few seconds.
        if self._refused_before.get(queue) != why:
            details = {} if isinstance(error, InvalidQueue) else {"exc_info": error}
            log.error("queue_not_served", queue=queue, error=why, **details)

    def compare(self, queues: Sequence[Queue], others: Collection[str]) -> None:
        """Compare what it was told to serve with what is declared.

        Args:
            queues: the queues that are declared.
            others: the names of those that cannot be read.
        """
        before, self._awaited = self._awaited, dict(self._found(queues, others))
        for queue, (why, hint) in self._awaited.items():
            # What may have been meant changes with every declaration.
            if before.get(queue, ("", ""))[0] != why:
                log.warning("queue_not_served", queue=queue, error=f"{why}{hint}")

    def status(self) -> list[UnservedStatus]:
        """All of them, for people to look at."""
        found = {**{queue: why + hint for queue, (why, hint) in self._awaited.items()}, **self._refused}
        return [UnservedStatus(queue=queue, problem=why) for queue, why in sorted(found.items())]

    def _found(self, queues: Sequence[Queue], others: Collection[str]) -> Iterator[tuple[str, tuple[str, str]]]:
        _, tags, names = self._registration
        if names is None:
            return
        known = [*(queue.name for queue in queues), *others]
        for name in unmet(names, known):
            called = "no queue has a name like it" if "*" in name else "nobody has declared it"
            yield name, (f"This worker is to serve it, and {called}: it waits for that.", nearest(name, known))
        for queue in queues:
            # By its own name: a pattern is not meant for each that it fits.
            if queue.name in names and queue.name not in self._refused and not queue.serves(tags):
                why = f"This worker is to serve it, and has no tag that matches one of {_shown(queue.tags)}."
                yield queue.name, (why, " Give it one, chancy worker --tag TAG, or declare the queue with other tags.")


def _shown(tags: Sequence[str]) -> str:
    return f"{', '.join(map(repr, tags[:TAGS_SHOWN]))}{', …' if len(tags) > TAGS_SHOWN else ''}"
