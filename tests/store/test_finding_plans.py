"""A search reads as many jobs as its slice has, by the indexes of their ids, whatever filter and statistics say."""

from __future__ import annotations

import json
import secrets
from typing import Any

import psycopg
import pytest

from chancy import Chancy, JobFilter
from chancy_core.store import looking
from chancy_core.store.filters import HIGHEST_ID, LOWEST_ID, matching, states
from chancy_core.store.flow import OurAsyncCursor, Query

# Ids that ascend; half of the jobs are live.
FILL = """
INSERT INTO {s}.jobs (id, queue, func, state, scheduled_at, worker, max_attempts, kwargs, unique_key)
SELECT ('0198' || lpad(to_hex(n), 28, '0'))::uuid, 'q' || n %% 10, 'm.f',
       CASE WHEN n %% 100 = 3 THEN 'running' WHEN n %% 100 = 1 THEN 'scheduled' ELSE 'pending' END,
       CASE WHEN n %% 100 = 1 THEN now() END, CASE WHEN n %% 100 = 3 THEN 'w' END, 3, '{{"user": 7}}', 'key-' || n
FROM generate_series(1, {rows}, 2) AS n;
INSERT INTO {s}.finished_jobs (id, queue, func, priority, state, max_attempts, attempts, claims, created_at, errors)
SELECT ('0198' || lpad(to_hex(n), 28, '0'))::uuid, 'q' || n %% 10, 'm.f', 0,
       CASE WHEN n %% 20 = 0 THEN 'failed' ELSE 'succeeded' END, 1, 1, 1, now(), '[{{"type": "E", "message": "m"}}]'
FROM generate_series(2, {rows}, 2) AS n
"""
ROWS = 20_000
SCAN = 1000
FILTERS = {
    "everything": "",
    "nothing at all": "error:nothing kwargs.user:8 -queue:q* note:x meta.a:1",
    "one state": "state:failed",
    "one live state": "state:running",
    "a queue": "queue:q3 func:m.* attempts:1.. since:2h -tag:gpu",
    "a worker": "worker:w",
}
MOMENTS = {
    "never analysed": [],
    "found empty": ["TRUNCATE {s}.jobs, {s}.finished_jobs", "VACUUM ANALYZE {s}.jobs, {s}.finished_jobs", "fill"],
    "known": ["VACUUM ANALYZE {s}.jobs, {s}.finished_jobs"],
}


@pytest.fixture(scope="module")
def filled(dsn: str) -> Any:
    """A schema with twenty thousand jobs, for all tests of this file."""
    name = f"test_{secrets.token_hex(6)}"
    with Chancy(dsn, schema=name, discover=False) as chancy:
        chancy.sync_migrate()
    with psycopg.connect(dsn, autocommit=True) as connection:
        for table in ("jobs", "finished_succeeded_default", "finished_failed_default", "finished_cancelled_default"):
            connection.execute(f"ALTER TABLE {name}.{table} SET (autovacuum_enabled = off)".encode())
        fill(connection, name)
    yield name
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("SET client_min_messages = error")
        connection.execute(f"DROP SCHEMA {name} CASCADE".encode())


def fill(connection: psycopg.Connection, schema: str) -> None:
    for statement in FILL.format(s=schema, rows=ROWS).replace("%%", "%").split(";\n"):
        connection.execute(statement.encode())


def reach(dsn: str, schema: str, moment: str) -> None:
    """Let the statistics be those of that moment."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        for step in MOMENTS[moment]:
            if step == "fill":
                fill(connection, schema)
            else:
                connection.execute(step.format(s=schema).encode())


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("text", FILTERS.values(), ids=FILTERS)
async def test_a_slice_reads_no_more_than_it_says(dsn: str, filled: str, moment: str, text: str):
    """Rows come from the indexes of ids, in their order, and no filter lets a slice read more of them."""
    reach(dsn, filled, moment)
    wanted = JobFilter.parse(text)
    async with Chancy(dsn, schema=filled, discover=False) as chancy:
        plan = await explained(
            chancy,
            chancy.store.query(
                "find_jobs",
                **matching(wanted),
                live=any(not state.finished for state in states(wanted)),
                lowest=LOWEST_ID,
                highest=HIGHEST_ID,
                scan=SCAN,
                limit=50,
            ),
        )
    scans = [node for node in nodes(plan) if node.get("Relation Name", "").startswith(("jobs", "finished_"))]
    assert {node["Node Type"] for node in scans} <= {"Index Scan"}
    assert {node["Scan Direction"] for node in scans} <= {"Backward"}
    assert {node["Index Name"] for node in scans} <= {
        "jobs_pkey",
        "finished_succeeded_default_id_idx",
        "finished_failed_default_id_idx",
        "finished_cancelled_default_id_idx",
    }
    # Each side of the merge is read one row ahead.
    assert sum(rows_read(node) for node in scans) <= SCAN + 4
    assert not [node for node in nodes(plan) if "Sort" in node["Node Type"] and node["Actual Rows"]]


@pytest.mark.parametrize(
    ("text", "indexes"),
    [
        ("state:running", {"jobs_running"}),
        ("state:scheduled,retrying", {"jobs_due"}),
        ("state:pending queue:q3", {"jobs_ready"}),
        ("state:live key:key-77", {"jobs_unique_key"}),
        ("state:running queue:q1,q2 error:x", {"jobs_running"}),
    ],
)
@pytest.mark.parametrize("moment", MOMENTS)
async def test_few_jobs_are_read_by_the_index_of_their_state(dsn: str, filled: str, moment: str, text: str, indexes):
    """So that what runs is found at once beside a million jobs that wait."""
    reach(dsn, filled, moment)
    async with Chancy(dsn, schema=filled, discover=False) as chancy:
        search = looking.Search(chancy.store, JobFilter.parse(text), None)
        plan = await explained(chancy, next(search._find_few(search._few, 50)))
    scans = [node for node in nodes(plan) if node.get("Relation Name") == "jobs" and rows_read(node)]
    assert {node["Index Name"] for node in scans} == indexes


async def explained(chancy: Chancy, query: Query) -> dict[str, Any]:
    """The plan of a statement as a search asks it, run."""
    async with chancy.pool.connection() as connection, connection.transaction(force_rollback=True):
        for name, value in looking._SETTINGS.items():
            await connection.execute(f"SET LOCAL {name} = {value}".encode())
        cursor = OurAsyncCursor(connection)
        await cursor.execute(b"EXPLAIN (ANALYZE, TIMING off, FORMAT JSON) " + query.text, query.params)
        ((plan,),) = await cursor.fetchall()
    return json.loads(plan)[0]["Plan"] if isinstance(plan, str) else plan[0]["Plan"]


def nodes(node: dict[str, Any]) -> list[dict[str, Any]]:
    """A plan's nodes."""
    return [node, *(below for child in node.get("Plans", ()) for below in nodes(child))]


def rows_read(node: dict[str, Any]) -> float:
    """The rows that a scan gave, and those that it read and dropped."""
    dropped = sum(count for key, count in node.items() if key.startswith("Rows Removed"))
    return (node["Actual Rows"] + dropped) * node["Actual Loops"]
