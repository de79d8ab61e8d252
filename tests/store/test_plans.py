"""The hot statements have one plan each, whatever the statistics say: a queue's are always of another hour."""

from __future__ import annotations

import re
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import psycopg
import pytest

from chancy import Chancy, Job
from chancy_core.store.flow import Query
from chancy_core.store.session import PINNED, WorkerConnection
from chancy_core.values.fields import PRIORITY_MAX, PRIORITY_MIN
from chancy_core.worker.floors import LOWEST_ID
from chancy_core.worker.rescue import ERROR, NOTE

IDS = [str(uuid.UUID(int=n)) for n in range(100)]
OUTCOMES = {"id": IDS, "claims": [1] * 100, "errors": [None] * 100, "note": [None] * 100, "meta": None}
ENDED = {"result": [None] * 100, "run_s": [0.1] * 100, "peak": None}
CLAIM = {"queue": "default", "worker": "w", "limit": 100, "bytes": 1 << 20, "refused": [], "unable": None}

# Each statement with parameters, and the only ways in which it may reach a job.
STATEMENTS: dict[str, tuple[dict[str, Any], set[str]]] = {
    "claim_jobs": (
        {**CLAIM, "low": [0], "high": [0], "floor": [str(LOWEST_ID)]},
        {"jobs_ready", "place"},
    ),
    "claim_many": (
        {"queue": ["default", "empty"], "wanted": [20, 20], "worker": "w", "bytes": 1 << 20},
        {"jobs_ready", "place"},
    ),
    "promote_jobs": ({"limit": 100}, {"jobs_due", "place"}),
    "finish_jobs": ({**OUTCOMES, "state": ["succeeded"] * 100, **ENDED}, {"jobs_pkey"}),
    "finish_told": ({**OUTCOMES, "state": ["succeeded"] * 100, **ENDED, "here": ["p"]}, {"jobs_pkey"}),
    "finish_bare": ({**OUTCOMES, "state": ["succeeded"] * 100, **ENDED}, {"jobs_pkey"}),
    "find_next": ({"queue": "default", "refused": IDS, "unable": ["m.g"]}, {"jobs_ready"}),
    "lock_runs": ({"id": IDS}, {"jobs_pkey"}),
    "find_runs": ({"id": IDS}, {"jobs_pkey"}),
    "resign_worker": ({"worker": "w"}, {"jobs_running"}),
    "release_jobs": ({**OUTCOMES, "delay_s": [None] * 100, "refund": [0] * 100, "options": None}, {"jobs_pkey"}),
    "rescue_jobs": (
        {"me": "w2", "orphans": True, "limit": 100, "only": None, "grace_s": 0.0, "error": ERROR, "note": NOTE},
        {"jobs_running", "jobs_pkey"},
    ),
    "find_lost": ({"limit": 100, "grace_s": 0.0, "tried": IDS, "me": "w2"}, {"jobs_running"}),
    "find_running": ({"worker": "w"}, {"jobs_running"}),
    "beat": (
        {
            "worker": "w",
            "lease_s": 1.0,
            "status": None,
            "status_age_s": 0.0,
            "queues": ["default"],
            "within_s": 9.0,
            "plugins": [],
        },
        {"jobs_ready", "jobs_due", "jobs_expiring", "jobs_cancelled", "jobs_running"},
    ),
    "next_due": ({}, {"jobs_due", "jobs_expiring", "jobs_cancelled"}),
    "sweep_jobs": ({"limit": 100}, {"jobs_expiring", "jobs_cancelled", "place"}),
    "promote_these": ({"ids": IDS}, {"jobs_pkey"}),
    "sweep_these": ({"ids": IDS}, {"jobs_pkey"}),
    "find_due": ({"limit": 100, "tried": IDS}, {"jobs_due"}),
    "find_over": ({"limit": 100, "tried": IDS}, {"jobs_expiring", "jobs_cancelled"}),
    "find_cancelled": ({"worker": "w"}, {"jobs_cancelled"}),
    "cancel_jobs": ({"ids": IDS, "states": None, "claims": None, "note": "n", "here": []}, {"jobs_pkey"}),
    "report_progress": ({"id": IDS, "claims": [1] * 100, "progress": ["{}"] * 100}, {"jobs_pkey"}),
}
# What the table holds, and what was last said about it.
MOMENTS = {
    "never_used": "",
    "found_empty": "VACUUM ANALYZE {jobs}",
    "full_and_unknown": "{fill}",
    "full_but_found_empty": "VACUUM ANALYZE {jobs}; {fill}",
    "full_and_known": "{fill}; VACUUM ANALYZE {jobs}",
    "emptied_but_found_full": "{fill}; VACUUM ANALYZE {jobs}; TRUNCATE {jobs}",
}
JOBS = 3000
MODES = ("force_custom_plan", "force_generic_plan")
# These are read whole: each holds only what is wanted, or is in the order that is asked for and read from its start.
WHOLE = {"jobs_due", "jobs_running", "jobs_expiring", "jobs_cancelled"}


@asynccontextmanager
async def worker_connection(chancy: Chancy, *, pooler: bool = False) -> AsyncIterator[WorkerConnection]:
    """A connection as a worker's duties have it."""
    connection = WorkerConnection(lambda: chancy.dsn, application_name="chancy test", pooler=pooler)
    try:
        yield connection
    finally:
        await connection.close()


@pytest.mark.parametrize("moment", MOMENTS)
async def test_no_statistics_lead_to_another_plan(chancy: Chancy, moment: str):
    """Each statement reaches jobs by its own index only, with statistics of any other hour, custom and generic."""
    async with await psycopg.AsyncConnection.connect(chancy.dsn, autocommit=True) as connection:
        for step in filter(None, MOMENTS[moment].split("; ")):
            if step == "{fill}":
                await chancy.push_many("default", (Job(func="m.f") for _ in range(JOBS)))
            else:
                await connection.execute(step.format(jobs=f"{chancy.settings.schema}.jobs").encode())
    async with worker_connection(chancy) as worker:
        for mode in MODES:
            for name, (params, ways) in STATEMENTS.items():
                plan = await explain(worker, chancy.store.query(name, **params), mode)
                assert set(scans_of_jobs(plan)) == ways, (name, mode)
                assert not list(sorts_of_jobs(plan)), (name, mode)


# -- what is done, beside what is planned --------------------------------------------------

SIZES = [1_000, 30_000, 300_000]
# Of the others there are so many, whatever waits: runs of a worker that lives and of one that is lost, and jobs that
# are due or will be.
OTHERS = 300

FILL = """
INSERT INTO {schema}.jobs (id, queue, func, priority)
SELECT lpad(to_hex(n), 32, '0')::uuid, CASE WHEN n % 10 = 0 THEN 'other' ELSE 'default' END, 'm.f', n % 3
FROM generate_series(1, {size}) AS n;
INSERT INTO {schema}.jobs (id, queue, func, state, worker, attempts, claims, max_attempts)
SELECT ('1' || lpad(to_hex(n), 31, '0'))::uuid, 'default', 'm.f', 'running',
       CASE WHEN n % 2 = 0 THEN 'w' ELSE 'lost' END, 1, 1, 1 + n % 3
FROM generate_series(1, {others}) AS n;
INSERT INTO {schema}.jobs (id, queue, func, state, scheduled_at)
SELECT ('2' || lpad(to_hex(n), 31, '0'))::uuid, 'default', 'm.f', 'scheduled',
       now() + (n - {others} / 2) * interval '1 hour'
FROM generate_series(1, {others}) AS n;
"""
RUNNING = [str(uuid.UUID(f"1{n:031x}")) for n in range(2, OTHERS + 1, 2)][:100]
RUN_OUTCOMES = {**OUTCOMES, "id": RUNNING}

# Each statement, and how many rows of jobs it may read for what it returns.
WORK: dict[str, tuple[str, dict[str, Any], int, int]] = {
    "claim everywhere": (
        "claim_jobs",
        {**CLAIM, "low": [PRIORITY_MIN], "high": [PRIORITY_MAX], "floor": [str(LOWEST_ID)]},
        100,
        200,
    ),
    "claim above floors": (
        "claim_jobs",
        {
            **CLAIM,
            "low": [PRIORITY_MIN, 0, 1, 2, 3],
            "high": [-1, 0, 1, 2, PRIORITY_MAX],
            "floor": [str(LOWEST_ID), str(uuid.UUID(int=600)), str(uuid.UUID(int=300)), *[str(LOWEST_ID)] * 2],
        },
        100,
        200,
    ),
    "claim of an empty queue": (
        "claim_jobs",
        {**CLAIM, "queue": "empty", "low": [PRIORITY_MIN], "high": [PRIORITY_MAX], "floor": [str(LOWEST_ID)]},
        0,
        0,
    ),
    "claim of many queues": (
        "claim_many",
        {"queue": ["empty", "default", "none"], "wanted": [20, 100, 20], "worker": "w", "bytes": 1 << 20},
        100,
        200,
    ),
    "promote": ("promote_jobs", {"limit": 100}, 100, 200),
    "finish": (
        "finish_jobs",
        {**RUN_OUTCOMES, "state": ["succeeded"] * 100, **ENDED},
        100,
        100,
    ),
    "finish what is gone": (
        "finish_jobs",
        {**OUTCOMES, "state": ["failed"] * 100, **ENDED, "claims": [7] * 100},
        0,
        100,
    ),
    "release": (
        "release_jobs",
        {**RUN_OUTCOMES, "delay_s": [1.0] * 100, "refund": [0] * 100, "options": None},
        100,
        100,
    ),
    "rescue": (
        "rescue_jobs",
        {"me": "w2", "orphans": True, "limit": 100, "only": None, "grace_s": 0.0, "error": ERROR, "note": NOTE},
        100,
        OTHERS + 400,
    ),
}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("found", ["nothing", "empty"])
async def test_work_does_not_grow_with_the_queue(chancy: Chancy, size: int, found: str):
    """However many jobs wait, each statement reads the rows it is about and no others, whatever the statistics."""
    schema = chancy.settings.schema
    async with await psycopg.AsyncConnection.connect(chancy.dsn, autocommit=True) as admin:
        # Its statistics are to be those that the test says.
        await admin.execute(f"ALTER TABLE {schema}.jobs SET (autovacuum_enabled = off)".encode())
        await admin.execute(
            f"INSERT INTO {schema}.workers (worker, tags, lease_until) VALUES ('w', '{{}}', 'infinity')".encode()
        )
        await admin.execute(f"INSERT INTO {schema}.queues (name, executor) VALUES ('empty', 'e')".encode())
        if found == "empty":
            await admin.execute(f"VACUUM ANALYZE {schema}.jobs".encode())
        await admin.execute(FILL.format(schema=schema, size=size, others=OTHERS).encode())
        async with worker_connection(chancy) as worker:
            await check_work(worker, chancy)
            await admin.execute(f"VACUUM ANALYZE {schema}.jobs".encode())
            await check_work(worker, chancy)


async def check_work(worker: WorkerConnection, chancy: Chancy) -> None:
    for mode in MODES:
        for what, (name, params, returned, read) in WORK.items():
            plan = await explain(worker, chancy.store.query(name, **params), mode, analyze=True)
            assert set(scans_of_jobs(plan)) <= STATEMENTS[name][1], (what, mode)
            assert rows(plan) == returned, (what, mode)
            assert rows_read(plan) <= read, (what, mode)
            assert not list(sorts_of_jobs(plan)), (what, mode)


@pytest.mark.parametrize("pooler", [False, True])
async def test_a_workers_connection_has_its_plans_pinned(chancy: Chancy, pooler: bool):
    """Every pinned setting is in force when a worker's statement runs, behind a transaction pooler as well."""
    async with worker_connection(chancy, pooler=pooler) as worker:
        for _ in range(2):
            assert await worker.run(settings()) == PINNED
            async with worker.transaction() as connection:
                cursor = await connection.execute("SHOW enable_seqscan")
                assert await cursor.fetchone() == ("off",)
            # Reopened, it is pinned anew.
            await worker.close()


def settings():
    rows = yield Query(b"SELECT name, setting FROM pg_settings WHERE name = ANY (%(names)s)", {"names": [*PINNED]})
    return dict(rows)


# -- reading plans -------------------------------------------------------------------------


async def explain(worker: WorkerConnection, query: Query, mode: str, *, analyze: bool = False) -> Any:
    """The plan of a statement as a worker has it: prepared, the parameters by number; what it did is rolled back."""
    names = list(query.params)
    text = re.sub(r"%\((\w+)\)[sb]", lambda found: f"${names.index(found[1]) + 1}", query.text.decode())
    async with worker.transaction() as connection:
        await connection.execute(f"SET LOCAL plan_cache_mode = {mode}".encode())
        await connection.execute(f"PREPARE explained AS {text}".encode())
        values = ", ".join(psycopg.sql.Literal(query.params[name]).as_string(connection) for name in names)
        how = "ANALYZE, TIMING off, FORMAT JSON" if analyze else "FORMAT JSON"
        given = f" ({values})" if names else ""
        cursor = await connection.execute(f"EXPLAIN ({how}) EXECUTE explained{given}".encode())
        row = await cursor.fetchone()
        await connection.execute("DEALLOCATE explained")
        assert row is not None
        await connection.execute("ROLLBACK")
    return row[0][0]["Plan"]


def is_scan_of_jobs(node: dict[str, Any]) -> bool:
    return node.get("Relation Name") == "jobs" and "Scan" in node["Node Type"]


def nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A plan's nodes, those of its CTEs and sub-selects included."""
    yield node
    for child in node.get("Plans", ()):
        yield from nodes(child)


def scans_of_jobs(plan: dict[str, Any]) -> Iterator[str]:
    """How a plan reaches the jobs: the index of each scan with a condition; a scan without one by what it is."""
    for node in filter(is_scan_of_jobs, nodes(plan)):
        if node["Node Type"] == "Tid Scan":
            yield "place"
        else:
            conditional = "Index Cond" in node or node.get("Index Name") in WHOLE
            yield node["Index Name"] if conditional else f"{node['Node Type']} {node.get('Index Name', '')}"


def sorts_of_jobs(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The nodes that sort what a scan of jobs gives them, not what came out of a CTE."""
    for node in nodes(plan):
        if "Sort" in node["Node Type"] and any(map(is_scan_of_jobs, below(node))):
            yield node


def below(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for child in node.get("Plans", ()):
        if "Subplan Name" not in child:
            yield child
            yield from below(child)


def rows(plan: dict[str, Any]) -> float:
    return plan["Actual Rows"] * plan["Actual Loops"]


def rows_read(plan: dict[str, Any]) -> float:
    """The rows that the scans of jobs gave, and those that they read and dropped."""
    return sum(
        (node["Actual Rows"] + sum(count for key, count in node.items() if key.startswith("Rows Removed")))
        * node["Actual Loops"]
        for node in filter(is_scan_of_jobs, nodes(plan))
    )
