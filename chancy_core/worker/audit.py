"""Audit: find the runs that this worker holds without having heard of them, and those that it no longer holds.

A claim commits, and the connection is lost before its answer arrives: the jobs are running in the name of a worker
that does not know of them, and its lease is in order, so nobody would ever rescue them. After each claim that failed,
the worker compares what the database says it runs with what it does run, and hands back the difference.

While commits wait for a synchronous standby, a claim that was given up cannot be seen yet, and is there once the
standby answers, or takes over. So the worker looks only after a commit of its own has returned.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable
from typing import Final, TypeAlias

from chancy_core.log import log
from chancy_core.store import Store
from chancy_core.store.flow import Flow
from chancy_core.store.session import WorkerConnection
from chancy_core.store.write import confirm
from chancy_core.values.notices import Notice
from chancy_core.worker.reporting import IDS_MAX

RunKey: TypeAlias = tuple[uuid.UUID, int]

# A claim whose answer has just arrived may not have been noted yet; what is still unknown after this is lost. And a
# session whose commit has waited together with ours may take a moment longer to be done.
BETWEEN_LOOKS_S: Final = 0.5
NOTE: Final = "The answer to its claim was lost: it was handed back."


class Auditor:
    """Hands back what was claimed unheard.

    Args:
        worker: the worker's name.
        store: the statements.
        connection: the connection that claims use, so that none is in flight during a look.
        known: the runs that the worker knows of: running, or waiting to be written.
        not_ours: called with the runs that the worker knows of, and the database does not know to be its own.
        hear: told, as by a notification, which queues gained jobs.
    """

    def __init__(
        self,
        worker: str,
        store: Store,
        connection: WorkerConnection,
        known: Callable[[], set[RunKey]],
        not_ours: Callable[[set[RunKey]], None],
        hear: Callable[[Notice], None],
    ) -> None:
        self._not_ours = not_ours
        self._doubt = False
        self._worker = worker
        self._store = store
        self._connection = connection
        self._known = known
        self._hear = hear
        self._suspicion = asyncio.Event()

    def suspect(self) -> None:
        """A claim failed, and may have succeeded all the same."""
        self._suspicion.set()

    def doubt(self) -> None:
        """The database did not know this worker any more: others may have taken its runs."""
        log.error(
            "worker_forgotten", worker=self._worker, hint="Its row was gone. It goes on with what is still its own."
        )
        self._doubt = True
        self._suspicion.set()

    async def run(self) -> None:
        """Look whenever there is a suspicion, for ever."""
        while True:
            await self._suspicion.wait()
            # What is suspected from here on may be too late for this look.
            self._suspicion.clear()
            try:
                await self._look()
            except BaseException:
                self._suspicion.set()
                raise

    async def _look(self) -> None:
        if self._doubt:
            await self._give_up_others()
            self._doubt = False
        await self._connection.run(confirm())
        await asyncio.sleep(BETWEEN_LOOKS_S)
        unheard = await self._unheard()
        if unheard:
            await asyncio.sleep(BETWEEN_LOOKS_S)
            still = await self._unheard()
            unheard = {key: queue for key, queue in unheard.items() if key in still}
        if unheard:
            await self._connection.run(self._hand_back(unheard))
            # Only when this can be seen by others, too, is there nothing left to find.
            self._suspicion.set()

    async def settle(self) -> None:
        """Hand back whatever is not known: nothing is claimed any more, so no answer is on its way."""
        unheard = await self._unheard()
        if unheard:
            await self._connection.run(self._hand_back(unheard))

    async def _give_up_others(self) -> None:
        """Stop what goes on here and belongs to somebody else."""
        before = self._known()
        rows = await self._connection.run(self._held())
        held = {(id_, claims) for id_, claims, _ in rows}
        gone = (before & self._known()) - held
        if gone:
            self._not_ours(gone)

    async def _unheard(self) -> dict[RunKey, str]:
        before = self._known()
        rows = await self._connection.run(self._held())
        known = before | self._known()
        return {(id_, claims): queue for id_, claims, queue in rows if (id_, claims) not in known}

    def _held(self) -> Flow[list[tuple[uuid.UUID, int, str]]]:
        rows = yield self._store.query("find_running", worker=self._worker)
        return [(id_, claims, queue) for id_, claims, queue in rows]

    def _hand_back(self, runs: dict[RunKey, str]) -> Flow[None]:
        count = len(runs)
        keys = sorted(runs)
        yield self._store.query(
            "release_jobs",
            id=[id_ for id_, _ in keys],
            claims=[claims for _, claims in keys],
            delay_s=[None] * count,
            refund=[1] * count,
            errors=[None] * count,
            note=[NOTE] * count,
            meta=None,
            options=None,
        )
        log.warning("claims_unheard", count=count, jobs=[str(id_) for id_, _ in keys[:IDS_MAX]])
        notices = [Notice.back(queue) for queue in sorted(set(runs.values()))]
        yield from self._store.notify(notices)
        for notice in notices:
            self._hear(notice)
