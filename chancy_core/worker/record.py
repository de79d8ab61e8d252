"""Record: write one batch of outcomes, with whatever plugins have to say of it, and find out what became of each."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Collection, Sequence
from operator import attrgetter
from typing import Any, Final, NamedTuple, TypeAlias

from chancy_core.plugins import HookAbandoned, PluginHost
from chancy_core.store import Flow, Store, run
from chancy_core.store.arrays import sparse_array, text_array, unquoted_array
from chancy_core.store.ends import ended_runs, leave_ended
from chancy_core.store.flow import AsyncConnection
from chancy_core.store.options import encode_options
from chancy_core.store.session import WorkerConnection
from chancy_core.store.storedjobs import encode_errors
from chancy_core.store.telling import Telling, telling
from chancy_core.store.write import confirm
from chancy_core.values.notices import Notice
from chancy_core.values.queuedjob import Outcome, State
from chancy_core.worker.rescue import NOTE as RESCUED

RunKey: TypeAlias = tuple[uuid.UUID, int]

# A job that fails for ever must not grow for ever: the first error and the latest ones are kept.
ERRORS_KEPT: Final = 20
# How often a batch is tried with the plugins in its transaction, once one of them may have spoilt it.
TELLINGS_MAX: Final = 3
# How long a write waits for a row, or a table, that somebody has locked; then those rows are left out for now.
LOCKED_S: Final = 0.5
# Telling plugins costs round trips, which many small batches would pay for more often than one. So the next batch comes
# so long after, unless so many outcomes wait before.
GATHER_S: Final = 0.01
GATHER_MAX: Final = 500
# What the connection is set to: a write that was given up must not hold its locks for long.
SETTINGS: Final = {"lock_timeout": f"{LOCKED_S * 1000:.0f}ms", "idle_in_transaction_session_timeout": "15s"}


_number: Final = attrgetter("job.id.int")
# What `finish_jobs` adds to its rows if somebody listens.
_OTHERS_LISTEN: Final = (None,)


class Recorded(NamedTuple):
    """What became of the outcomes of a batch.

    Attributes:
        written: they are recorded.
        stale: somebody else owns the run by now: the job was rescued, or is about to run again.
        locked: somebody has locked the row; they have to be written later.
    """

    written: list[Outcome]
    stale: list[Outcome]
    locked: list[Outcome]


class Recorder:
    """Writes batches, each in one transaction. Whoever calls it decides what follows from a failure.

    Args:
        store: the statements.
        connection: a connection for this duty alone, with `SETTINGS`.
        plugins: told of accepted outcomes, in the transaction that records them.
        worker: the worker's name.
    """

    def __init__(self, store: Store, connection: WorkerConnection, plugins: PluginHost, worker: str) -> None:
        self._store = store
        self._connection = connection
        self._plugins = plugins
        self._worker = worker
        self._failed_tellings = 0
        # When plugins were told of a batch last, by the loop's clock.
        self._told_at = float("-inf")
        # What ended jobs in the latest batch, and what `finish_jobs` had to say of those that it accepted.
        self._sent: Sequence[Outcome] = ()
        self._ended: Sequence[Sequence[Any]] = ()
        #: Whether somebody wanted a run cancelled that the latest batch gave back.
        self.swept = False
        #: Whether jobs have ended in the latest batch that a plugin has yet to be told of.
        self.unheard = False

    async def gather(self, waiting: Callable[[], int]) -> None:
        """Let a batch fill for a moment, if one was told to plugins just now. `waiting`: how many outcomes wait."""
        pause_s = self._told_at + GATHER_S - asyncio.get_running_loop().time()
        if pause_s > 0 and waiting() < GATHER_MAX:
            await asyncio.sleep(pause_s)

    async def write(self, batch: Sequence[Outcome], *, doubtful: Collection[RunKey], skip_locked: bool) -> Recorded:
        """Write a batch: all of it or, if this raises, nothing that is known of.

        Args:
            batch: the outcomes.
            doubtful: runs that were sent before without an answer, so that they may have been recorded.
            skip_locked: leave out the rows that somebody has locked, instead of waiting for them.
        """
        # Whoever locks several rows locks them in the order of their ids.
        ordered = sorted(batch, key=_number)
        self.swept = self.unheard = False
        if self._tells and self._failed_tellings < TELLINGS_MAX:
            accepted = await self._write_and_tell(ordered, skip_locked=skip_locked)
        elif not skip_locked and _all_end_or_none(ordered):
            flow = self._finish(ordered) if ordered[0].state.finished else self._release(ordered)
            accepted = await self._connection.run(flow)
        else:
            async with self._connection.transaction() as connection:
                accepted = await self._record(connection, ordered, skip_locked=skip_locked)
        self._failed_tellings = 0
        if len(accepted) == len(ordered):
            return Recorded(ordered, [], [])
        return await self._sorted_out(ordered, set(accepted), doubtful)

    async def write_bare(self, outcome: Outcome) -> Recorded:
        """Record one outcome that ends its job, without the job's arguments and meta: the last resort."""
        accepted = await self._connection.run(self._finish([outcome], "finish_bare"))
        return Recorded([outcome], [], []) if accepted else await self._sorted_out([outcome], set(), ())

    @property
    def _tells(self) -> bool:
        return self._plugins.has("on_complete") or self._plugins.has("on_end")

    async def _record(
        self, connection: AsyncConnection, batch: list[Outcome], *, skip_locked: bool, here: Sequence[str] = ()
    ) -> list[uuid.UUID]:
        if skip_locked:
            free = set(await run(connection, self._lock(batch)))
            batch = [outcome for outcome in batch if outcome.job.id in free]
        ended = [outcome for outcome in batch if outcome.state.finished]
        back = [outcome for outcome in batch if not outcome.state.finished] if len(ended) < len(batch) else []
        accepted = await run(connection, self._finish(ended, here=here)) if ended else []
        return accepted + await run(connection, self._release(back)) if back else accepted

    async def _write_and_tell(self, batch: list[Outcome], *, skip_locked: bool) -> list[uuid.UUID]:
        """Record a batch, and let the plugins write what they have to say of it in the same transaction.

        Each plugin has a savepoint, so its failure is its own. One that spoils the transaction itself, by ending it or
        closing the connection, cannot be told from a lost database; after a few tries the batch is written without.
        """
        told = False
        abandoned: HookAbandoned | None = None
        self._ended = ()
        try:
            async with self._connection.transaction() as connection:
                here = self._plugins.listening
                accepted = await self._record(connection, batch, skip_locked=skip_locked, here=here)
                if self._ended or (accepted and self._plugins.has("on_complete")):
                    told = True
                    self._told_at = asyncio.get_running_loop().time()
                    async with telling(connection) as now:
                        try:
                            await self._tell(among(batch, accepted), now, here)
                        except HookAbandoned as error:
                            abandoned = error
                            raise
        except Exception as error:
            if abandoned is not None:
                # Whose fault it is, is known, and that plugin is not told of the next try.
                raise abandoned from error
            if told:
                self._failed_tellings += 1
                for hook in ("on_complete", "on_end"):
                    self._plugins.blame(hook, error)
            raise
        return accepted

    async def _tell(self, accepted: Sequence[Outcome], now: Telling, here: Sequence[str]) -> None:
        await self._plugins.on_complete(accepted, now)
        if not self._ended:
            return
        ended, meta = ended_runs(self._sent, self._ended, now.at)
        failed = await self._plugins.on_end(ended, now, here)
        if failed and not now.spoilt:
            await run(now.connection, leave_ended(self._store, failed, ended, meta))
            self.unheard = True

    async def _sorted_out(
        self, batch: Sequence[Outcome], accepted: set[uuid.UUID], doubtful: Collection[RunKey]
    ) -> Recorded:
        """Find out what became of those that were not accepted."""
        recorded = Recorded(among(batch, accepted), [], [])
        left = [outcome for outcome in batch if outcome.job.id not in accepted]
        found = await self._connection.run(self._find(left))
        for outcome in left:
            row = found.get(run_key(outcome))
            if row is not None and row.live and row.worker == self._worker:
                recorded.locked.append(outcome)
            elif row is not None and run_key(outcome) in doubtful and self._is_ours(row, outcome):
                recorded.written.append(outcome)
            else:
                recorded.stale.append(outcome)
        if recorded.written and len(recorded.written) > len(accepted):
            # What was found, rather than answered, need not have reached the standby yet.
            await self._connection.run(confirm())
        return recorded

    def _is_ours(self, row: _Row, outcome: Outcome) -> bool:
        """Whether a row shows what was sent before, without an answer, rather than that somebody rescued the run."""
        if row.note == RESCUED:
            return False
        if outcome.state.finished:
            return not row.live and row.worker == self._worker and row.state == outcome.state
        return row.live and row.worker is None and row.note == outcome.note

    def _lock(self, batch: Sequence[Outcome]) -> Flow[list[uuid.UUID]]:
        rows = yield self._store.query("lock_runs", id=_ids(batch))
        return [row[0] for row in rows]

    def _find(self, batch: Sequence[Outcome]) -> Flow[dict[RunKey, _Row]]:
        rows = yield self._store.query("find_runs", id=_ids(batch))
        return {(id_, claims): _Row(*rest) for id_, claims, *rest in rows}

    def _finish(
        self, outcomes: Sequence[Outcome], statement: str = "finish_jobs", *, here: Sequence[str] = ()
    ) -> Flow[list[uuid.UUID]]:
        """Record what ended jobs. Those plugins are `here` that will be told of it in this transaction."""
        rows = yield self._store.query(
            "finish_told" if here else statement,
            id=_ids(outcomes),
            # Lists, because a generator is entered anew for each outcome.
            claims=unquoted_array([o.job.claims for o in outcomes]),
            state=unquoted_array([o.state for o in outcomes]),
            result=sparse_array([o.result.decode() if o.result is not None else None for o in outcomes]),
            errors=sparse_array([_errors(o) if o.error or o.job.errors else None for o in outcomes]),
            note=sparse_array([o.note for o in outcomes]),
            run_s=unquoted_array([o.run_s for o in outcomes]),
            peak=sparse_array([o.peak_bytes for o in outcomes]),
            meta=sparse_array([o.meta.decode() if o.meta is not None else None for o in outcomes]),
            **({"here": text_array(here)} if here else {}),
        )
        if here:
            self._sent, self._ended = outcomes, rows
            self.unheard = bool(rows) and rows[0][-1]
        elif rows and rows[-1] == _OTHERS_LISTEN:
            rows.pop()
            self.unheard = bool(rows)
        return [row[0] for row in rows]

    def _release(self, outcomes: Sequence[Outcome]) -> Flow[list[uuid.UUID]]:
        more = [o for o in outcomes if o.declared is not None and o.declared.max_attempts > 1]
        if more:
            # By itself, and first: should nothing follow, the job runs still, and may be tried again all the same.
            yield self._store.query(
                "raise_attempts",
                id=[o.job.id for o in more],
                claims=[o.job.claims for o in more],
                most=[o.job.max_attempts for o in more],
            )
        rows = yield self._store.query(
            "release_jobs",
            id=[o.job.id for o in outcomes],
            claims=[o.job.claims for o in outcomes],
            delay_s=[o.delay_s for o in outcomes],
            refund=[0 if o.attempt_spent else 1 for o in outcomes],
            errors=[_errors(o) for o in outcomes],
            note=[o.note for o in outcomes],
            meta=[o.meta.decode() if o.meta is not None else None for o in outcomes],
            options=sparse_array([_options(o) for o in outcomes]),
        )
        queues = {o.job.queue for o in outcomes if o.state is State.PENDING}
        if queues:
            yield from self._store.notify([Notice.back(queue) for queue in sorted(queues)])
        self.swept = self.swept or any(cancelled for _, cancelled in rows)
        return [row[0] for row in rows]


class _Row(NamedTuple):
    """What `find_runs` says of a run."""

    worker: str | None
    state: str
    note: str | None
    live: bool


def run_key(outcome: Outcome) -> RunKey:
    """What names the run of an outcome."""
    return outcome.job.id, outcome.job.claims


def among(batch: Sequence[Outcome], accepted: Collection[uuid.UUID]) -> list[Outcome]:
    """Those of a batch that were accepted: nearly always all, and then nobody looks for each."""
    if len(accepted) == len(batch):
        return list(batch)
    ids = set(accepted)
    return [outcome for outcome in batch if outcome.job.id in ids]


def _ids(outcomes: Sequence[Outcome]) -> str:
    return unquoted_array([f"{o.job.id.int:032x}" for o in outcomes])


def _all_end_or_none(outcomes: Sequence[Outcome]) -> bool:
    """Whether one statement writes them: that for jobs that have ended, or that for those that go back."""
    return len({state.finished for state in {outcome.state for outcome in outcomes}}) == 1


def _errors(outcome: Outcome) -> str | None:
    if outcome.error is None:
        return encode_errors(outcome.job.errors) if outcome.job.errors else None
    errors = [*outcome.job.errors, outcome.error]
    if len(errors) > ERRORS_KEPT:
        errors = [errors[0], *errors[-(ERRORS_KEPT - 1) :]]
    return encode_errors(errors)


def _options(outcome: Outcome) -> str | None:
    """The job's options, if it is to be kept since when nobody could run it, or no longer."""
    since = outcome.job.unrunnable_since
    if outcome.unrunnable and since is None:
        return encode_options(outcome.job, outcome.job.started_at)
    if outcome.attempt_spent and since is not None:
        return encode_options(outcome.job, None)
    return None


def size_of(outcome: Outcome) -> int:
    """About how many bytes of a statement an outcome takes, apart from what all have."""
    size = 0
    if outcome.result is not None:
        size = len(outcome.result)
    if outcome.meta is not None:
        size += len(outcome.meta)
    if outcome.error is not None:
        size += len(outcome.error.traceback) + len(outcome.error.message)
        for error in outcome.job.errors[1 - ERRORS_KEPT :]:
            size += len(error.traceback) + len(error.message)
    return size
