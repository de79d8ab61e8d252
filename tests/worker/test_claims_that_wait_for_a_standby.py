"""A claim whose commit waits for the standby is given up by its worker, and is there once the standby answers."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from chaos.cluster import Cluster
from ownservers import own_server
from support import WITHIN_S, until

from chancy_core.app import Chancy
from chancy_core.values.job import Job
from chancy_core.values.queue import Queue
from chancy_core.worker.audit import Auditor
from chancy_core.worker.worker import Worker

WAITS = "SELECT 1 FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
WAITS_TO_LOOK = WAITS + " AND query LIKE '%pg_logical_emit_message%'"


@pytest.fixture
def server() -> Iterator[Cluster]:
    """A server of the test's own, because the settings are the whole server's."""
    with own_server("standby") as made:
        yield made


async def test_a_claim_that_is_seen_only_when_the_standby_answers_does_not_hold_its_job_for_ever(server, monkeypatch):
    """The worker looks for what it has claimed unheard once the standby answers: before that, nothing can be seen."""
    looks = []
    unheard = Auditor._unheard

    async def looking(auditor: Auditor) -> object:
        found = await unheard(auditor)
        looks.append(found)
        return found

    async with Chancy(server.dsn(), discover=False) as chancy:
        await chancy.migrate()
        await chancy.declare(Queue("default"))
        async with Worker(chancy):
            monkeypatch.setattr(Auditor, "_unheard", looking)
            try:
                server.set(synchronous_standby_names="nobody")
                # The worker's own commits do not return by now, or will not once the checkpointer has read that.
                await until(lambda: server.query(WAITS))
                async with await psycopg.AsyncConnection.connect(server.dsn()) as connection:
                    await connection.execute("SET synchronous_commit = local")
                    (reference,) = await chancy.push_many(
                        [Job(func="jobs.add", kwargs={"a": 1, "b": 2}, max_attempts=3)], connection=connection
                    )
                # Its claim is given up, and the worker looks, or waits to.
                await until(lambda: looks or server.query(WAITS_TO_LOOK))
            finally:
                server.set(synchronous_standby_names="")
            assert (await reference.wait(timeout=WITHIN_S)).state == "succeeded"
