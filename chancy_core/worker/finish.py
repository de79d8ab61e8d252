"""Finish: outcomes are buffered and written in batches, each fenced; a failed write is repeated, never dropped."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec
import psycopg

from chancy_core.job import Outcome, State
from chancy_core.log import log
from chancy_core.plugins import HookAbandoned, PluginHost
from chancy_core.store import Store, run
from chancy_core.store.codec import encode_errors, plain_array, sparse_array
from chancy_core.store.flow import AsyncConnection, Flow
from chancy_core.store.session import WorkerConnection
from chancy_core.store.weather import is_weather
from chancy_core.worker.duty import FIRST_PAUSE_S, LONGEST_PAUSE_S

# One statement's worth: beyond this, a larger batch saves little and delays the first of it.
BATCH_MAX: Final = 1000
# When so many outcomes wait to be written, claiming waits too.
CONGESTED_AT: Final = 4000
# A job that fails for ever must not grow for ever: the first error and the latest ones are kept.
ERRORS_KEPT: Final = 20
# How often a batch is tried with the plugins in its transaction, once one of them may have spoilt it.
TELLINGS_MAX: Final = 3
# A plugin's statement ends on the server after so many milliseconds, a little more than plugins have. The server looks
# for its client only between statements: without this, a worker that is killed meanwhile would leave its jobs locked.
_BEFORE_TELLING: Final = b"SAVEPOINT chancy_outcomes; SET LOCAL statement_timeout = 6000"
_AFTER_TELLING: Final = b"RELEASE SAVEPOINT chancy_outcomes; SET LOCAL statement_timeout TO DEFAULT"


class Finisher:
    """Writes outcomes. `put` never blocks; `run` is the duty.

    Args:
        store: the statements.
        connection: a connection for this duty alone.
        plugins: told of accepted outcomes, in the transaction that records them and after it.
        retry_due: called with the shortest delay, in seconds, of the retries just written.
        sweep: called when a run was given back that somebody wanted cancelled.
        worker: the worker, for plugins.
        written: called with each batch that was written.
    """

    def __init__(
        self,
        store: Store,
        connection: WorkerConnection,
        plugins: PluginHost,
        retry_due: Callable[[float], None],
        sweep: Callable[[], None],
        worker: Any,
        written: Callable[[Sequence[Outcome]], None],
    ) -> None:
        self._store = store
        self._connection = connection
        self._retry_due = retry_due
        self._sweep = sweep
        self._written = written
        self._plugins = plugins
        self._worker = worker
        self._failed_tellings = 0
        #: Outcomes that were refused, because the run was no longer the job's latest; by queue.
        self.stale: Final[Counter[str]] = Counter()
        self._buffer: list[Outcome] = []
        # What the database refuses in every form waits here for a better day, so that it holds up nobody.
        self._refused: list[Outcome] = []
        self._filled = asyncio.Event()
        self._relieved = asyncio.Event()
        self._relieved.set()
        self._empty = asyncio.Event()
        self._empty.set()

    def put(self, outcome: Outcome) -> None:
        """Take an outcome, to be written within moments."""
        self._buffer.append(outcome)
        if not self._filled.is_set():
            self._filled.set()
            self._empty.clear()
        if len(self._buffer) >= CONGESTED_AT:
            self._relieved.clear()

    async def room(self) -> None:
        """Wait while more outcomes are waiting to be written than is good."""
        await self._relieved.wait()

    async def drained(self) -> None:
        """Wait until everything has been written."""
        await self._empty.wait()

    def known(self) -> set[tuple[uuid.UUID, int]]:
        """The runs whose outcomes have not been written yet."""
        return {(outcome.job.id, outcome.job.claims) for outcome in (*self._buffer, *self._refused)}

    @property
    def waiting(self) -> int:
        """How many outcomes have not been written yet."""
        return len(self._buffer) + len(self._refused)

    async def run(self) -> None:
        """Write what comes, for ever. What could not be written stays in front."""
        pause_s = FIRST_PAUSE_S
        while True:
            await self._filled.wait()
            batch = self._buffer[:BATCH_MAX]
            try:
                await self._write_each_if_need_be(batch)
            except Exception as error:  # noqa: BLE001 -- outcomes are kept whatever happens
                level = log.warning if is_weather(error) else log.error
                level(
                    "finish_failed",
                    outcomes=len(self._buffer),
                    error=str(error),
                    retry_in_s=pause_s,
                )
                await asyncio.sleep(pause_s)
                pause_s = min(pause_s * 2, LONGEST_PAUSE_S)
                continue
            pause_s = FIRST_PAUSE_S
            del self._buffer[: len(batch)]
            self._written(batch)
            if len(self._buffer) < CONGESTED_AT:
                self._relieved.set()
            if not self._buffer:
                self._filled.clear()
                self._empty.set()

    async def _write_each_if_need_be(self, batch: list[Outcome]) -> None:
        try:
            await self._write(batch)
        except (psycopg.Error, UnicodeError) as error:
            if is_weather(error):
                raise
            # Something in one outcome cannot be stored. It must not hold up the others, nor be lost itself.
            if len(batch) > 1:
                for outcome in batch:
                    await self._write_each_if_need_be([outcome])
            else:
                await self._write_plain(batch[0], error)

    async def _write_plain(self, outcome: Outcome, problem: Exception) -> None:
        try:
            await self._write([_plain(outcome, problem)])
        except (psycopg.Error, UnicodeError) as error:
            if is_weather(error):
                raise
            log.error("outcome_refused", job=str(outcome.job.id), error=str(error), retry_in_s=LONGEST_PAUSE_S)
            self._refused.append(outcome)
            asyncio.get_running_loop().call_later(LONGEST_PAUSE_S, self._put_again, outcome)

    def _put_again(self, outcome: Outcome) -> None:
        self._refused.remove(outcome)
        self.put(outcome)

    async def _write(self, batch: list[Outcome]) -> None:
        # Sorted by id: whoever locks several rows locks them in this order.
        batch = sorted(batch, key=lambda outcome: outcome.job.id.int)
        ended = [outcome for outcome in batch if outcome.state.finished]
        back = [outcome for outcome in batch if not outcome.state.finished]
        if self._plugins.has("on_complete") and self._failed_tellings < TELLINGS_MAX:
            accepted = await self._write_and_tell(batch, ended, back)
        elif not back:
            accepted = await self._connection.run(self._finish(ended))
        elif not ended:
            accepted = await self._connection.run(self._release(back))
        else:
            async with self._connection.transaction() as connection:
                accepted = await self._record(connection, ended, back)
        self._failed_tellings = 0
        recorded, stale = _parted(batch, accepted)
        if stale:
            self._report_stale(stale)
        if recorded and self._plugins.has("on_recorded"):
            self._plugins.on_recorded(tuple(recorded), self._worker)
        delays = [outcome.delay_s for outcome in back if outcome.delay_s is not None]
        if delays:
            self._retry_due(min(delays))

    async def _record(self, connection: AsyncConnection, ended: list[Outcome], back: list[Outcome]) -> list[uuid.UUID]:
        accepted = await run(connection, self._finish(ended)) if ended else []
        return accepted + await run(connection, self._release(back)) if back else accepted

    async def _write_and_tell(self, batch: list[Outcome], ended: list[Outcome], back: list[Outcome]) -> list[uuid.UUID]:
        """Record a batch, and let the plugins write what they have to say of it in the same transaction.

        Each plugin has a savepoint, so its failure is its own. One that spoils the transaction itself, by ending it or
        closing the connection, cannot be told from a lost database; after a few tries the batch is written without.
        """
        telling = False
        abandoned: HookAbandoned | None = None
        try:
            async with self._connection.transaction() as connection:
                accepted = await self._record(connection, ended, back)
                telling = True
                await connection.execute(_BEFORE_TELLING, prepare=False)
                try:
                    await self._plugins.on_complete(list(_parted(batch, accepted)[0]), connection)
                except HookAbandoned as error:
                    abandoned = error
                    raise
                # Proof that the transaction is still the one that recorded the outcomes: psycopg would leave a
                # transaction that a plugin has rolled back, or a connection that it has closed, without a word.
                await connection.execute(_AFTER_TELLING, prepare=False)
        except Exception as error:
            if abandoned is not None:
                # Whose fault it is, is known, and that plugin is not told of the next try.
                raise abandoned from error
            if telling:
                self._failed_tellings += 1
                self._plugins.blame("on_complete", error)
            raise
        return accepted

    def _finish(self, outcomes: Sequence[Outcome]) -> Flow[list[uuid.UUID]]:
        rows = yield self._store.query(
            "finish_jobs",
            id=plain_array(o.job.id.hex for o in outcomes),
            claims=plain_array(o.job.claims for o in outcomes),
            state=plain_array(o.state for o in outcomes),
            result=sparse_array([o.result.decode() if o.result is not None else None for o in outcomes]),
            errors=sparse_array([_errors(o) for o in outcomes]),
            note=sparse_array([o.note for o in outcomes]),
            run_s=plain_array(o.run_s for o in outcomes),
            peak=sparse_array([o.peak_bytes for o in outcomes]),
            meta=sparse_array([o.meta.decode() if o.meta is not None else None for o in outcomes]),
        )
        return [row[0] for row in rows]

    def _release(self, outcomes: Sequence[Outcome]) -> Flow[list[uuid.UUID]]:
        rows = yield self._store.query(
            "release_jobs",
            id=[o.job.id for o in outcomes],
            claims=[o.job.claims for o in outcomes],
            delay_s=[o.delay_s for o in outcomes],
            refund=[0 if o.attempt_spent else 1 for o in outcomes],
            errors=[_errors(o) for o in outcomes],
            note=[o.note for o in outcomes],
            meta=[o.meta.decode() if o.meta is not None else None for o in outcomes],
        )
        queues = {o.job.queue for o in outcomes if o.state is State.PENDING}
        if queues:
            yield from self._store.notify([f"back:{queue}" for queue in sorted(queues)])
        if any(cancelled for _, cancelled in rows):
            self._sweep()
        return [row[0] for row in rows]

    def _report_stale(self, outcomes: Sequence[Outcome]) -> None:
        self.stale.update(outcome.job.queue for outcome in outcomes)
        # Each belongs to someone else by now: rescued, or already written by a try whose answer was lost.
        log.warning(
            "outcomes_stale",
            count=len(outcomes),
            jobs=[str(outcome.job.id) for outcome in outcomes[:5]],
        )


def _parted(batch: list[Outcome], accepted: list[uuid.UUID]) -> tuple[list[Outcome], list[Outcome]]:
    """Those of a batch that were accepted, and the others: nearly always none, and then nobody looks for each."""
    if len(accepted) == len(batch):
        return batch, []
    ids = set(accepted)
    return [o for o in batch if o.job.id in ids], [o for o in batch if o.job.id not in ids]


def _errors(outcome: Outcome) -> str | None:
    if outcome.error is None:
        return encode_errors(outcome.job.errors) if outcome.job.errors else None
    errors = [*outcome.job.errors, outcome.error]
    if len(errors) > ERRORS_KEPT:
        errors = [errors[0], *errors[-(ERRORS_KEPT - 1) :]]
    return encode_errors(errors)


def _plain(outcome: Outcome, problem: Exception) -> Outcome:
    """The outcome in ASCII, without what the database could not take."""
    error = outcome.error
    if error is not None:
        error = msgspec.structs.replace(
            error,
            message=json.dumps(error.message)[1:-1],
            traceback=json.dumps(error.traceback)[1:-1],
        )
    note = None if outcome.note is None else json.dumps(outcome.note)[1:-1]
    reason = json.dumps(str(problem).splitlines()[0])[1:-1]
    return msgspec.structs.replace(
        outcome,
        result=None,
        error=error,
        note=f"The result was not kept: the database refused it: {reason}" if outcome.result else note,
    )
