"""What a caller gives to an operation, checked before the database is asked."""

from __future__ import annotations

import difflib
import uuid
from collections.abc import Iterable, Mapping
from typing import Final, TypeAlias, cast

from chancy_core.app.reference import Reference
from chancy_core.config.offers import offers
from chancy_core.errors import InvalidJob, InvalidQueue
from chancy_core.values.fields import check_text, shown
from chancy_core.values.found import Hit
from chancy_core.values.queue import EXECUTOR_GROUP, Queue, executor_words, known_executor
from chancy_core.values.ranges import RUN_S

Ref: TypeAlias = Reference | uuid.UUID | str

# `threds` for `threaded`. Words that are less alike may be what a package of the workers offers.
ALIKE: Final = 0.7


def identifier_of(ref: Ref) -> uuid.UUID:
    """The id of a job, however it is named. Raises InvalidJob if that is none."""
    return ref.identifier if isinstance(ref, Reference) else Reference(ref).identifier


def identifiers_of(refs: Iterable[Ref]) -> list[uuid.UUID]:
    """The ids of several jobs. Raises InvalidJob if `refs` is a single one, or nothing that has references in it."""
    # A text would be read as ids of one letter each.
    if isinstance(refs, str | bytes | Mapping) or not isinstance(refs, Iterable):
        raise InvalidJob(f"refs is {shown(refs)}: give a list of references or ids, as in [reference].")
    return [identifier_of(ref) for ref in refs]


def hits_or_ids_of(refs: Iterable[Ref] | Iterable[Hit]) -> list[uuid.UUID] | list[Hit]:
    """The jobs that an action is about, by their ids or as they were found. Raises InvalidJob, as `identifiers_of`."""
    if not isinstance(refs, Iterable) or isinstance(refs, str | bytes | Mapping):
        return identifiers_of(refs)
    listed = list(refs)
    hits = [one for one in listed if isinstance(one, Hit)]
    if hits and len(hits) == len(listed):
        return hits
    return identifiers_of(cast("list[Ref]", listed))


def check_timeout(timeout: object) -> None:
    """Raise InvalidJob unless these are seconds to wait at most, or None; what is below zero is over already."""
    if timeout is None:
        return
    # What is not a number of a clock, such as infinity, is refused by the one loop or by the other, or never ends.
    if not isinstance(timeout, int | float) or isinstance(timeout, bool) or not abs(timeout) <= RUN_S.high:
        raise InvalidJob(f"timeout is {shown(timeout)}: give seconds, or None to wait as long as it takes.")


def check_queue_name(name: object) -> None:
    """Raise InvalidQueue unless this may be a queue's name, also one that somebody has written by hand."""
    if isinstance(name, Queue):
        raise InvalidQueue(f"The queue is given as {shown(name)}: give its name, {name.name!r}.")
    try:
        check_text("The queue's name", name)
    except InvalidJob as error:
        raise InvalidQueue(str(error)) from None


def check_flag(name: str, value: object) -> None:
    """Raise InvalidQueue unless this is True or False: `purge_jobs="no"` would be as good as True."""
    if not isinstance(value, bool):
        raise InvalidQueue(f"{name} is {shown(value)}: give True or False.")


def check_executor(queue: Queue) -> None:
    """Raise InvalidQueue if the queue's executor is a slip for one that comes with Chancy.

    Any other word may be offered by a package that is installed where the workers are, and not here.
    """
    word = queue.executor
    if "." in word or known_executor(word) is not None:
        return
    meant = difflib.get_close_matches(word.lower(), executor_words(), n=1, cutoff=ALIKE)
    if meant and word not in offers(EXECUTOR_GROUP).names:
        raise InvalidQueue(
            f"Queue {queue.name!r}: executor is {shown(word)}, which neither comes with Chancy nor is offered by a "
            f"package that is installed here. Did you mean {meant[0]!r}? Else give the import path of its class."
        )
