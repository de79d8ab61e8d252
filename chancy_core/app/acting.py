"""An action on many jobs: count them, then act on those in batches, each in a transaction of its own."""

from __future__ import annotations

import time
import uuid
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from msgspec.structs import replace

from chancy_core.app.course import Ask, Course, Rest
from chancy_core.errors import InvalidFilter
from chancy_core.store import acts, looking
from chancy_core.store.filters import states
from chancy_core.store.snapshot import Batch, Snapshot
from chancy_core.values.acted import Acted, Heard
from chancy_core.values.found import Hit
from chancy_core.values.jobfilter import JobFilter
from chancy_core.values.queuedjob import State

if TYPE_CHECKING:
    from chancy_core.app.chancy import Chancy

# A batch takes some 20 ms, and holds its locks no longer: claims step over what it has locked.
BATCH: Final = 500
# While workers run jobs, they have the database after each batch for so many times as long: so they keep four fifths of
# their pace, even where two cores are all there is.
REST: Final = 1.5
# After so many batches it is looked whether they do.
LOOK_EVERY: Final = 4
# So many are found in one go, and for so long, until progress is told.
_FOUND_AT_ONCE: Final = 20_000
_LOOK_S: Final = 0.5
# How long it is looked, at the end, for jobs that came meanwhile.
_LOOK_AGAIN_S: Final = 1.0


# Jobs by their ids, or as they were found.
Named: TypeAlias = "Sequence[uuid.UUID] | Sequence[Hit]"
_WAITING: Final = (State.SCHEDULED, State.PENDING, State.RETRYING)
_LIVE: Final = (*_WAITING, State.RUNNING)
_ENDED: Final = (State.FAILED, State.CANCELLED)
_FINISHED: Final = (*_ENDED, State.SUCCEEDED)
# To which jobs each can be done, and to which it is done for a filter that names no state.
STATES: Final = {
    "cancel_jobs": (_LIVE, _LIVE),
    "retry_jobs": (_FINISHED, _ENDED),
    "delete_jobs": (_FINISHED, _FINISHED),
    "update_jobs": (_WAITING, _WAITING),
}


class Verb(NamedTuple):
    """Something that is done to jobs.

    Attributes:
        name: what the operation is called.
        act: does it to a batch.
    """

    name: str
    act: acts.Act


def narrowed(name: str, wanted: JobFilter) -> JobFilter:
    """The same filter, of those only that this can be done to. Raises InvalidFilter if these are none."""
    possible, unless_named = STATES[name]
    left = [state for state in states(wanted) if state in (possible if wanted.states else unless_named)]
    if not left:
        raise InvalidFilter(
            f"{name}: the filter {str(wanted)[:60]!r} leaves no jobs that this can be done to: those that are "
            f"{', '.join(possible)}."
        )
    return replace(wanted, states=tuple(left))


def on_filter(chancy: Chancy, verb: Verb, wanted: JobFilter, *, dry_run: bool, progress: Heard | None) -> Course[Acted]:
    """Act on the jobs that a filter finds, and on no other."""
    wanted = narrowed(verb.name, wanted)
    return _on_filter(chancy, verb, wanted, dry_run=dry_run, progress=progress)


def _on_filter(
    chancy: Chancy, verb: Verb, wanted: JobFilter, *, dry_run: bool, progress: Heard | None
) -> Course[Acted]:
    snapshot = Snapshot()
    after: uuid.UUID | None = None
    while True:
        find = partial(looking.find_hits, chancy.store, wanted, limit=_FOUND_AT_ONCE, after=after, within_s=_LOOK_S)
        hits, after = yield Ask(find, repeatable=True)
        snapshot.add(hits)
        acted = Acted(found=len(snapshot), counted=after is None)
        if _stops(progress, acted):
            return replace(acted, stopped=True)
        if after is None:
            break
    if dry_run or not snapshot:
        return acted
    acted = yield from _in_batches(chancy, verb, snapshot.batches(BATCH), acted, progress)
    if acted.stopped:
        return acted
    return replace(acted, new=(yield from _count_new(chancy, wanted, snapshot)))


def on_refs(chancy: Chancy, verb: Verb, asked: Named, *, dry_run: bool, progress: Heard | None) -> Course[Acted]:
    """Act on the jobs that are named."""
    batches = [asked_of(asked[start : start + BATCH]) for start in range(0, len(asked), BATCH)]
    if not dry_run:
        return (yield from _in_batches(chancy, verb, batches, Acted(found=len(asked)), progress))
    found, skipped = 0, Counter[str]()
    for batch in batches:
        look = partial(acts.look, chancy.store, batch, STATES[verb.name][0])
        done = yield Ask(look, repeatable=True)
        found += done.done[acts.FOUND]
        skipped += done.skipped
    return Acted(found=found, skipped=skipped)


def asked_of(named: Named) -> acts.Asked:
    """The same jobs, as the statements take them."""
    hits = [one for one in named if isinstance(one, Hit)]
    return Batch.of(hits) if hits else [one for one in named if not isinstance(one, Hit)]


def _in_batches(
    chancy: Chancy,
    verb: Verb,
    batches: Iterable[acts.Asked],
    acted: Acted,
    progress: Heard | None,
) -> Course[Acted]:
    done, skipped = Counter[str](), Counter[str]()
    took_s, busy = 0.0, False
    for number, batch in enumerate(batches):
        if number % LOOK_EVERY == 0:
            busy = yield Ask(partial(acts.is_busy, chancy.store), repeatable=True)
        if busy and took_s:
            yield Rest(took_s * REST)
        start = time.monotonic()
        try:
            result = yield Ask(partial(verb.act, chancy.store, batch), repeatable=False)
        except Exception as error:
            if done or skipped:
                error.add_note(f"{verb.name} had come as far as this: {acted}.")
            raise
        took_s = time.monotonic() - start
        done += Counter(result.done)
        skipped += Counter(result.skipped)
        acted = replace(acted, done=dict(done), skipped=dict(skipped))
        if _stops(progress, acted) and done.total() + skipped.total() < acted.found:
            return replace(acted, stopped=True)
    return acted


def _count_new(chancy: Chancy, wanted: JobFilter, snapshot: Snapshot) -> Course[int]:
    """How many jobs are found by now that were not found before, as far as there is time to look."""
    new, place, after = 0, 0, None
    until = time.monotonic() + _LOOK_AGAIN_S
    while True:
        find = partial(looking.find_hits, chancy.store, wanted, limit=_FOUND_AT_ONCE, after=after, within_s=_LOOK_S)
        hits, after = yield Ask(find, repeatable=True)
        more, place = snapshot.strangers(hits, place)
        new += more
        if after is None or time.monotonic() > until:
            return new


def _stops(progress: Heard | None, acted: Acted) -> bool:
    return progress is not None and progress(acted) is False
