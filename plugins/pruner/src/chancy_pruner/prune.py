"""One round: make partitions, drop partitions, sweep."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from typing import Final, NamedTuple

import psycopg

from chancy import State
from chancy.plugin import is_outage, log, text_of
from chancy_pruner.drop import drop, expired
from chancy_pruner.make import TooLate, coverage, is_short, make
from chancy_pruner.policy import Retention
from chancy_pruner.store import Partition, PrunerStore
from chancy_pruner.sweep import Walk, swept

ROLE: Final = "let the role that owns the tables run the pruner, or make this one a member of it"
BUSY: Final = "somebody uses the table for long; it is tried again"
LARGE: Final = "its default partition takes longer than hold_s to read; raise hold_s, or wait until it has been pruned"
REPLICA_HINT: Final = (
    "a publication of deletes needs ALTER TABLE … REPLICA IDENTITY FULL for each partition of finished_jobs; or "
    "publish no deletes: WITH (publish = 'insert, update')"
)
CLOCK: Final = "jobs have finished in the future; it is tried again"


class Pace(NamedTuple):
    """How gently to go about it; see the settings of `Pruner`."""

    lock_s: float
    hold_s: float
    batch_rows: int
    pause_s: float


class Pruned(NamedTuple):
    """What a round did.

    Attributes:
        made: new partitions.
        dropped: partitions that are gone.
        deleted: how many jobs were deleted, by (outcome, rule).
        put_off: why something was left undone, by (outcome, what).
    """

    made: list[str]
    dropped: list[str]
    deleted: Counter[tuple[str, str]]
    put_off: dict[tuple[str, str], str]


class Rounds:
    """Prunes one schema, and remembers how far it has walked.

    What it remembers saves work, and is never what makes things right: it may be lost at any time.
    """

    def __init__(self, retentions: Sequence[Retention], pace: Pace) -> None:
        self._retentions = retentions
        self._pace = pace
        self._walks: dict[tuple[str, Retention], Walk] = {}

    async def run(self, store: PrunerStore, *, budget_s: float) -> Pruned:
        """One round. Sweeping ends after `budget_s` seconds, and goes on in the next."""
        until = time.monotonic() + budget_s
        done = Pruned([], [], Counter(), {})
        listed = await store.partitions()
        for retention in self._retentions:
            await self._make(store, retention, listed, done)
            await self._drop(store, retention, listed, done)
        if done.made or done.dropped:
            listed = await store.partitions()
        for retention in self._retentions:
            await self._sweep(store, retention, listed, done, until)
        self._forget(listed)
        return done

    async def _make(self, store: PrunerStore, retention: Retention, listed: Sequence[Partition], done: Pruned) -> None:
        found = coverage(listed, retention.state)
        if found is None or not is_short(retention, found):
            return
        try:
            done.made.extend(await make(store, retention, lock_s=self._pace.lock_s, hold_s=self._pace.hold_s))
        except (psycopg.Error, TooLate) as error:
            _put_off(done, retention.state, "make", _why_not_made(error), error)

    async def _drop(self, store: PrunerStore, retention: Retention, listed: Sequence[Partition], done: Pruned) -> None:
        for one in expired(retention, listed):
            try:
                if await drop(store, one, retention, lock_s=self._pace.lock_s):
                    done.dropped.append(one.name)
            except psycopg.Error as error:
                # Perhaps somebody uses this one alone, such as vacuum.
                why = _why_not(error)
                _put_off(done, retention.state, "drop", why, error)
                if why == ROLE:
                    return

    async def _sweep(
        self,
        store: PrunerStore,
        retention: Retention,
        listed: Sequence[Partition],
        done: Pruned,
        until: float,
    ) -> None:
        droppable = done.put_off.get((retention.state, "drop")) != ROLE
        for partition, rules in swept(retention, listed, droppable=droppable):
            walk = self._walks.setdefault((partition.name, rules), Walk())
            if time.monotonic() < until and walk.is_due():
                try:
                    counts = await self._walk(store, rules, partition, walk, until)
                except psycopg.Error as error:
                    # This partition's, most likely; the others go on.
                    _put_off(done, retention.state, "delete from", _why_not(error), error)
                    continue
                done.deleted.update({(str(retention.state), label): count for label, count in counts.items()})

    async def _walk(
        self, store: PrunerStore, rules: Retention, partition: Partition, walk: Walk, until: float
    ) -> Counter[str]:
        """Delete what is due; if a publication forbids it, once more after what it asks for was done."""
        rows, pause_s = self._pace.batch_rows, self._pace.pause_s
        try:
            return await walk.go(store, rules, partition, batch_rows=rows, pause_s=pause_s, until=until)
        except psycopg.errors.ObjectNotInPrerequisiteState:
            if not await store.may_publish_deletes(partition.name, lock_s=self._pace.lock_s):
                raise
            log.info("replica_identity_set", partition=partition.name)
            return await walk.go(store, rules, partition, batch_rows=rows, pause_s=pause_s, until=until)

    def _forget(self, listed: Sequence[Partition]) -> None:
        names = {one.name for one in listed}
        self._walks = {key: walk for key, walk in self._walks.items() if key[0] in names}


def _why_not_made(error: Exception) -> str:
    if isinstance(error, psycopg.errors.QueryCanceled | TooLate):
        return LARGE
    if isinstance(error, psycopg.errors.CheckViolation):
        # The clock was set forward or back meanwhile, by hours.
        return CLOCK
    return _why_not(error)


def _why_not(error: Exception) -> str:
    """Why something is left undone, for people. Raises what is the weather of the whole database."""
    if isinstance(error, psycopg.errors.InsufficientPrivilege):
        return ROLE
    if isinstance(error, psycopg.errors.LockNotAvailable | psycopg.errors.DeadlockDetected):
        return BUSY
    if isinstance(error, psycopg.errors.ObjectNotInPrerequisiteState):
        return f"{text_of(error)}: {REPLICA_HINT}"
    if is_outage(error):
        raise error
    return f"{text_of(error)}; it is tried again"


def _put_off(done: Pruned, state: State, what: str, why: str, error: Exception) -> None:
    done.put_off[str(state), what] = why
    log.debug("pruning_refused", outcome=str(state), what=what, error=str(error))
