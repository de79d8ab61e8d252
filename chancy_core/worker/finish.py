"""Finish: outcomes are buffered and written in batches, each fenced; what cannot be written yet is kept."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, Final

from chancy_core.errors import DatabaseUnavailable
from chancy_core.log import log
from chancy_core.plugins import HookAbandoned, PluginHost
from chancy_core.store.weather import Fault, NoAnswer, fault_of, is_weather, text_of
from chancy_core.values.queuedjob import Outcome
from chancy_core.worker.aside import FIRST_ASIDE_S, Aside
from chancy_core.worker.record import Recorded, Recorder, RunKey, run_key, size_of
from chancy_core.worker.sparing import needs_a_second_look, state_of, write_lesser
from chancy_core.worker.telling import News

# One statement's worth: beyond this, a larger batch saves little and delays the first of it.
BATCH_MAX: Final = 1000
# And in bytes: handing these over holds the event loop for about ten milliseconds.
BATCH_MAX_BYTES: Final = 4 << 20
# When so many outcomes wait to be written, or so many bytes of them, claiming waits too.
CONGESTED_AT: Final = 4000
CONGESTED_AT_BYTES: Final = 64 << 20
# Between two tries while the database is out of reach, or cannot.
FIRST_PAUSE_S: Final = 0.1
LONGEST_PAUSE_S: Final = 1.0
# A batch whose connection is lost so often in a row is halved: something in it may be what the server dies of.
LOSSES_BEFORE_HALVING: Final = 3
# An outcome that ends its job is stored without the job's arguments when it has been refused so often in every other
# form, which takes two minutes; or when the worker ends, because then it would be lost. Before, the cause may go away.
REFUSALS_BEFORE_BARE: Final = 10


class Finisher:
    """Writes outcomes. `put` never blocks; `run` is the duty.

    Args:
        recorder: writes a batch.
        plugins: told of accepted outcomes after they have been recorded.
        retry_due: called with the shortest delay, in seconds, of the retries just written.
        sweep: called when a run was given back that somebody wanted cancelled.
        worker: the worker, for plugins.
        written: called with each batch that was written.
        unheard: called when jobs have ended that a plugin has yet to be told of.

    Attributes:
        stale: outcomes that were refused, because the run was no longer the job's latest; by queue.
    """

    def __init__(
        self,
        recorder: Recorder,
        plugins: PluginHost,
        retry_due: Callable[[float], None],
        sweep: Callable[[], None],
        worker: Any,
        written: Callable[[Sequence[Outcome]], None],
        unheard: Callable[[], None],
    ) -> None:
        self._recorder = recorder
        self._plugins = plugins
        self._retry_due = retry_due
        self._sweep = sweep
        self._worker = worker
        self._written = written
        self._unheard = unheard
        self.stale: Final[Counter[str]] = Counter()
        self._buffer: list[Outcome] = []
        self._bytes = 0
        self._aside: Final = Aside(self.put)
        # Runs that were sent without an answer: they may have been recorded.
        self._doubtful: set[RunKey] = set()
        # How many outcomes the next batch has at most: fewer while batches fail.
        self._limit = BATCH_MAX
        self._losses = 0
        self._skip_locked = False
        # Whether there will be no other day.
        self._ending = False
        self._pause_s = FIRST_PAUSE_S
        self._news = News()
        self._filled = asyncio.Event()
        self._relieved = asyncio.Event()
        self._relieved.set()
        self._empty = asyncio.Event()
        self._empty.set()
        # Since when the outcome in front has been waiting, by the loop's clock; None: none does.
        self._waiting_since: float | None = None

    # -- what others ask of it -------------------------------------------------------------

    def put(self, outcome: Outcome) -> None:
        """Take an outcome, to be written within moments."""
        self._buffer.append(outcome)
        if outcome.result is not None or outcome.error is not None or outcome.meta is not None:
            self._bytes += size_of(outcome)
        if not self._filled.is_set():
            self._filled.set()
            self._empty.clear()
            if self._waiting_since is None:
                self._waiting_since = asyncio.get_running_loop().time()
        if len(self._buffer) >= CONGESTED_AT or self._bytes >= CONGESTED_AT_BYTES:
            self._relieved.clear()

    async def uncongested(self) -> None:
        """Wait while more outcomes are waiting to be written than is good."""
        await self._relieved.wait()

    async def drained(self) -> None:
        """Wait until everything has been written, those included that had been set aside."""
        await self._empty.wait()
        self._ending = True
        while self.waiting:
            self.hurry()
            await self._empty.wait()
            if self.waiting:
                await asyncio.sleep(FIRST_ASIDE_S)

    def hurry(self) -> None:
        """Try those again now that had been set aside."""
        self._aside.hurry()

    def known(self) -> set[RunKey]:
        """The runs whose outcomes have not been written yet."""
        return {run_key(outcome) for outcome in self._buffer} | self._aside.runs()

    @property
    def waiting(self) -> int:
        """How many outcomes have not been written yet."""
        return len(self._buffer) + len(self._aside)

    @property
    def waits_s(self) -> float:
        """For how long nothing has been written although something waits for it, in seconds."""
        if self._waiting_since is None:
            return 0.0
        return asyncio.get_running_loop().time() - self._waiting_since

    # -- the duty --------------------------------------------------------------------------

    async def run(self) -> None:
        """Write what comes, for ever."""
        while True:
            await self._filled.wait()
            await self._recorder.gather(lambda: len(self._buffer))
            batch = self._next_batch()
            try:
                recorded = await self._recorder.write(batch, doubtful=self._doubtful, skip_locked=self._skip_locked)
            except Exception as error:  # noqa: BLE001 -- outcomes are kept whatever happens
                await self._failed(batch, error)
            else:
                self._limit = min(self._limit * 2, BATCH_MAX)
                self._losses = 0
                self._pause_s = FIRST_PAUSE_S
                self._skip_locked = bool(recorded.locked)
                self._taken(batch)
                self._done(recorded)

    def _next_batch(self) -> list[Outcome]:
        batch = self._buffer[: self._limit]
        if self._bytes > BATCH_MAX_BYTES:
            size = 0
            for number, outcome in enumerate(batch):
                size += size_of(outcome)
                if size > BATCH_MAX_BYTES and number:
                    return batch[:number]
        return batch

    def _taken(self, batch: Sequence[Outcome]) -> None:
        """These are no longer in front: written, or set aside."""
        del self._buffer[: len(batch)]
        if self._bytes:
            self._bytes -= sum(map(size_of, batch))
        if len(self._buffer) < CONGESTED_AT and self._bytes < CONGESTED_AT_BYTES:
            self._relieved.set()
        self._waiting_since = asyncio.get_running_loop().time() if self._buffer else None
        if not self._buffer:
            self._filled.clear()
            self._empty.set()

    def _done(self, recorded: Recorded) -> None:
        """Tell whoever has to know what became of a batch."""
        if recorded.locked:
            self._wait_for_locks(recorded.locked)
        if recorded.stale:
            self._report_stale(recorded.stale)
        if self._doubtful or self._aside.remembers:
            for outcome in (*recorded.written, *recorded.stale):
                self._forget(outcome)
        if self._recorder.swept:
            self._sweep()
        if self._recorder.unheard:
            self._unheard()
        if recorded.written:
            if self._plugins.has("on_recorded"):
                self._plugins.on_recorded(tuple(recorded.written), self._worker)
            self._written(recorded.written)
            delays = [outcome.delay_s for outcome in recorded.written if outcome.delay_s is not None]
            if delays:
                self._retry_due(min(delays))

    def _wait_for_locks(self, outcomes: Sequence[Outcome]) -> None:
        for outcome in outcomes:
            self._aside.put(outcome)
        log.warning(
            "outcomes_locked",
            count=len(outcomes),
            jobs=[str(outcome.job.id) for outcome in outcomes[:5]],
            hint="Somebody has locked these jobs; their outcomes are written when they let go. See pg_locks.",
        )

    def _forget(self, outcome: Outcome) -> None:
        run = run_key(outcome)
        self._doubtful.discard(run)
        self._aside.forget(run)

    def _report_stale(self, outcomes: Sequence[Outcome]) -> None:
        self.stale.update(outcome.job.queue for outcome in outcomes)
        log.warning(
            "outcomes_stale",
            count=len(outcomes),
            jobs=[str(outcome.job.id) for outcome in outcomes[:5]],
        )

    # -- when a write fails ----------------------------------------------------------------

    async def _failed(self, batch: list[Outcome], error: Exception) -> None:
        """Decide what follows. Nothing has been taken from the buffer yet."""
        fault = Fault.GONE if isinstance(error, HookAbandoned) else fault_of(error, rows=len(batch))
        if fault is Fault.THIS_ONE or (fault is None and len(batch) == 1):
            await self._spare(batch[0], error)
            return
        if fault is Fault.TOO_MUCH or fault is None:
            self._halve(batch)
            log.debug("batch_halved", outcomes=len(batch), error=text_of(error))
            return
        if fault is Fault.GONE:
            if not isinstance(error, DatabaseUnavailable):
                self._lost(batch, error)
        else:
            # A lock, or a time-out: fewer rows may do, and those that nobody has locked.
            self._skip_locked = True
            self._halve(batch)
        await self._rest(error)

    def _halve(self, batch: Sequence[Outcome]) -> None:
        self._limit = max(len(batch) // 2, 1)

    def _lost(self, batch: list[Outcome], error: Exception) -> None:
        """The connection was lost while a batch was being written."""
        self._doubtful.update(map(run_key, batch))
        self._losses += 1
        if isinstance(error, NoAnswer):
            # Perhaps it was only slow; and for a moment the server still holds what it was working on.
            self._skip_locked = True
            self._halve(batch)
        if self._losses % LOSSES_BEFORE_HALVING == 0:
            self._halve(batch)
            if len(batch) == 1:
                # The others may fare better without it.
                self._taken(batch)
                self._aside.put(batch[0])

    async def _rest(self, error: Exception) -> None:
        """Wait a moment; and say why, unless that was said just now."""
        text = text_of(error)
        if self._news.is_new(text):
            log.warning("finish_failed", outcomes=self.waiting, error=text)
        await asyncio.sleep(self._pause_s)
        self._pause_s = min(self._pause_s * 2, LONGEST_PAUSE_S)

    async def _spare(self, outcome: Outcome, error: Exception) -> None:
        """Store an outcome without what the database refuses of it; or set it aside, if it is refused in every form."""
        if not self._ending and needs_a_second_look(error) and self._aside.refused_anew(outcome, state_of(error)):
            # Perhaps it is not this outcome's fault, but a trigger's that refuses everything for a while.
            self._refuse(outcome, error)
            return
        bare = self._ending or self._aside.times(outcome) >= REFUSALS_BEFORE_BARE
        try:
            recorded = await write_lesser(self._recorder, outcome, error, doubtful=self._doubtful, bare=bare)
        except Exception as again:  # noqa: BLE001 -- outcomes are kept whatever happens
            if is_weather(again):
                self._doubtful.add(run_key(outcome))
                await self._rest(again)
            else:
                self._refuse(outcome, again)
            return
        self._taken([outcome])
        self._done(recorded)

    def _refuse(self, outcome: Outcome, error: Exception) -> None:
        self._taken([outcome])
        pause_s = self._aside.put(outcome, LONGEST_PAUSE_S)
        log.error(
            "outcome_refused",
            job=str(outcome.job.id),
            func=outcome.job.func,
            error=text_of(error),
            retry_in_s=round(pause_s, 2),
            hint="The database refuses this outcome; it is kept, and tried again. Look for a trigger or an index.",
        )
