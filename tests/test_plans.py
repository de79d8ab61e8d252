"""The hot statements have one plan each, whatever the statistics say: a queue's are always of another hour."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from chancy import Chancy, Job
from chancy_core.store.connect import PINNED
from chancy_core.store.flow import Query

IDS = [str(uuid.UUID(int=n)) for n in range(100)]
OUTCOMES = {"id": IDS, "claims": [1] * 100, "errors": [None] * 100, "note": [None] * 100}

# Each statement with parameters, and the only ways in which it may reach a job.
STATEMENTS: dict[str, tuple[dict[str, Any], set[str]]] = {
    "claim_jobs": (
        {
            "queue": "default",
            "worker": "w",
            "limit": 100,
            "low": [0],
            "high": [0],
            "floor": [str(uuid.UUID(int=0))],
        },
        {"jobs_ready", "place"},
    ),
    "promote_jobs": ({"limit": 100}, {"jobs_due", "place"}),
    "finish_jobs": ({**OUTCOMES, "state": ["succeeded"] * 100, "result": [None] * 100}, {"jobs_pkey"}),
    "release_jobs": ({**OUTCOMES, "delay_s": [None] * 100, "refund": [0] * 100}, {"jobs_pkey"}),
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


@pytest.mark.parametrize("moment", MOMENTS)
async def test_no_statistics_lead_to_another_plan(chancy: Chancy, moment: str):
    async with await psycopg.AsyncConnection.connect(chancy.dsn, autocommit=True) as connection:
        for step in filter(None, MOMENTS[moment].split("; ")):
            if step == "{fill}":
                await chancy.push_many("default", (Job(func="m.f") for _ in range(JOBS)))
            else:
                await connection.execute(step.format(jobs=f"{chancy.settings.schema}.jobs").encode())
        for name, value in PINNED.items():
            await connection.execute(f"SET {name} = {value}".encode())
        for mode in ("force_custom_plan", "force_generic_plan"):
            await connection.execute(f"SET plan_cache_mode = {mode}".encode())
            for name, (params, ways) in STATEMENTS.items():
                plan = await explain(connection, chancy.store.query(name, **params))
                assert set(scans_of_jobs(plan)) == ways, (name, mode)


async def explain(connection: psycopg.AsyncConnection[Any], query: Query) -> Any:
    """The plan of a statement as a worker has it: prepared, the parameters by number."""
    names = list(query.params)
    text = re.sub(r"%\((\w+)\)s", lambda found: f"${names.index(found[1]) + 1}", query.text.decode())
    await connection.execute(f"PREPARE explained AS {text}".encode())
    values = ", ".join(psycopg.sql.Literal(query.params[name]).as_string(connection) for name in names)
    cursor = await connection.execute(f"EXPLAIN (FORMAT JSON) EXECUTE explained ({values})".encode())
    row = await cursor.fetchone()
    await connection.execute("DEALLOCATE explained")
    assert row is not None
    return row[0][0]["Plan"]


def scans_of_jobs(node: dict[str, Any]) -> Iterator[str]:
    """How a plan reaches the jobs: the index of each scan with a condition; a scan without one by what it is."""
    if node.get("Relation Name") == "jobs" and "Scan" in node["Node Type"]:
        if node["Node Type"] == "Tid Scan":
            yield "place"
        else:
            # jobs_due is in the order that is asked for, and read from its start.
            conditional = "Index Cond" in node or node.get("Index Name") == "jobs_due"
            yield node["Index Name"] if conditional else f"{node['Node Type']} {node.get('Index Name', '')}"
    for child in node.get("Plans", ()):
        yield from scans_of_jobs(child)
