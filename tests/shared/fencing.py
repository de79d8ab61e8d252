"""The statements of a run, one by one, for tests that call them in any order."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any, NamedTuple

import psycopg
import uuid_utils

from chancy_core.store import Store, run_sync
from chancy_core.store.jobrows import job_row
from chancy_core.store.jobs import cancel_jobs, retry_jobs
from chancy_core.store.pushes import insert_jobs
from chancy_core.store.storedjobs import claimed_job
from chancy_core.values.fields import PRIORITY_MAX, PRIORITY_MIN
from chancy_core.values.job import Job
from chancy_core.worker.floors import LOWEST_ID
from chancy_core.worker.rescue import ERROR, NOTE

WORKERS = ("a", "b", "c")


class Run(NamedTuple):
    """What a claim handed out."""

    id: uuid.UUID
    claims: int


class Database:
    """The statements under test, on one connection, as the worker sends them."""

    def __init__(self, dsn: str, schema: str) -> None:
        self.store = Store(schema, notifications=False)
        self.schema = schema
        self.connection = psycopg.connect(dsn, autocommit=True)
        # Somebody who holds rows for as long as he likes.
        self.holder = psycopg.connect(dsn)

    def close(self) -> None:
        self.connection.close()
        self.holder.close()

    def ask(self, name: str, **params: Any) -> list[tuple[Any, ...]]:
        """Run a statement of the kernel."""

        def flow():
            return (yield self.store.query(name, **params))

        return run_sync(self.connection, flow())

    def sql(self, text: str, *params: Any) -> list[tuple[Any, ...]]:
        cursor = self.connection.execute(text.replace("{schema}", f'"{self.schema}"'), params)
        return cursor.fetchall() if cursor.description else []

    def push(
        self,
        queue: str,
        max_attempts: int,
        *,
        unique_key: str | None = None,
        count: int = 1,
        expires_at: datetime | None = None,
    ) -> list[uuid.UUID]:
        """Push jobs; the ids of those that were stored."""
        job = Job("f.f", max_attempts=max_attempts, unique_key=unique_key, expires_at=expires_at)
        rows = [job_row(job, queue, str(uuid_utils.uuid7()), 1000) for _ in range(count)]
        taken = run_sync(self.connection, insert_jobs(self.store, rows, ()))
        return [uuid.UUID(row.id) for row in rows if row.id not in taken]

    def claim(self, worker: str, queue: str, limit: int) -> list[Run]:
        rows = self.ask(
            "claim_jobs",
            queue=queue,
            worker=worker,
            limit=limit,
            bytes=1 << 20,
            refused=[],
            unable=None,
            low=[PRIORITY_MIN],
            high=[PRIORITY_MAX],
            floor=[LOWEST_ID],
        )
        return [Run(job.id, job.claims) for job in map(claimed_job, rows)]

    def finish(self, runs: list[Run], state: str) -> list[uuid.UUID]:
        runs = sorted(runs)
        none = [None] * len(runs)
        ids, claims = [run.id for run in runs], [run.claims for run in runs]
        rows = self.ask(
            "finish_jobs",
            id=ids,
            claims=claims,
            state=[state] * len(runs),
            result=none,
            errors=none,
            note=none,
            run_s=[0.0] * len(runs),
            peak=None,
            meta=None,
        )
        return [row[0] for row in rows]

    def finish_impatiently(self, runs: list[Run], state: str) -> list[uuid.UUID]:
        with self.connection.transaction():
            self.connection.execute("SET LOCAL lock_timeout = '1ms'")
            return self.finish(runs, state)

    def finish_free(self, runs: list[Run], state: str) -> tuple[list[uuid.UUID], set[uuid.UUID]]:
        """As a worker that waits for no lock: those that were accepted, and those that somebody holds."""
        with self.connection.transaction():
            free = {row[0] for row in self.ask("lock_runs", id=[run.id for run in runs])}
            accepted = self.finish([run for run in runs if run.id in free], state)
        left = {(run.id, run.claims) for run in runs if run.id not in accepted}
        found = self.ask("find_runs", id=[id_ for id_, _ in left])
        return accepted, {id_ for id_, claims, worker, _, _, live in found if live and worker and (id_, claims) in left}

    def hold(self, ids: list[uuid.UUID]) -> None:
        text = f'SELECT FROM "{self.schema}".jobs WHERE id = ANY (%s) ORDER BY id FOR UPDATE'
        self.holder.execute(text.encode(), [ids])

    def let_go(self) -> None:
        self.holder.rollback()

    def release(self, runs: list[Run], delay_s: float | None, refund: int) -> list[uuid.UUID]:
        runs = sorted(runs)
        none = [None] * len(runs)
        rows = self.ask(
            "release_jobs",
            id=[run.id for run in runs],
            claims=[run.claims for run in runs],
            delay_s=[delay_s] * len(runs),
            refund=[refund] * len(runs),
            errors=none,
            note=none,
            meta=None,
            options=None,
        )
        return [row[0] for row in rows]

    def rescue(self, limit: int = 500) -> dict[uuid.UUID, str]:
        rows = self.ask(
            "rescue_jobs", me="rescuer", orphans=True, limit=limit, only=None, grace_s=0.0, error=ERROR, note=NOTE
        )
        return {id_: state for id_, _, state, _ in rows}

    def promote(self, limit: int = 1000) -> int:
        return len(self.ask("promote_jobs", limit=limit))

    def cancel(self, ids: list[uuid.UUID]) -> dict[uuid.UUID, str]:
        return run_sync(self.connection, cancel_jobs(self.store, ids, "why"))

    def sweep(self, limit: int = 1000) -> list[uuid.UUID]:
        return [row[0] for row in self.ask("sweep_jobs", limit=limit)]

    def retry(self, ids: list[uuid.UUID]) -> list[uuid.UUID]:
        return run_sync(self.connection, retry_jobs(self.store, ids))

    def renew(self, worker: str) -> None:
        """As the heartbeat: renew, and register again if the worker is not known any more."""
        if not self.ask("renew_lease", worker=worker, lease_s=3600.0):
            self.ask("register_worker", worker=worker, tags=[], queues=None, lease_s=3600.0)

    def expire(self, worker: str) -> None:
        self.sql("UPDATE {schema}.workers SET lease_until = now() - interval '1 s' WHERE worker = %s", worker)

    def forget(self) -> None:
        self.ask("forget_workers", grace_s=0.0)

    def live(self) -> dict[uuid.UUID, tuple[str, int, int, str | None]]:
        rows = self.sql("SELECT id, state, attempts, claims, worker FROM {schema}.jobs")
        return {row[0]: row[1:] for row in rows}

    def finished(self) -> dict[uuid.UUID, tuple[str, int, int]]:
        rows = self.sql("SELECT id, state, attempts, claims FROM {schema}.finished_jobs")
        assert len({row[0] for row in rows}) == len(rows)
        return {row[0]: row[1:] for row in rows}

    def empty(self) -> None:
        self.sql("TRUNCATE {schema}.jobs, {schema}.finished_jobs, {schema}.workers")
