"""What it takes to be rid of a million finished jobs: the plugin's own measurement, beside a DELETE of the same."""

from __future__ import annotations

import importlib.util
import time
from contextlib import nullcontext
from pathlib import Path
from types import ModuleType

import psycopg

from benchmarks.database import Bench
from benchmarks.frame import Comparison, Sample, Scenario

# In the plugin's folder, which is no package.
PRUNE = Path(__file__).parents[2] / "plugins/pruner/benchmarks/prune.py"


def scenario(bench: Bench) -> Scenario:
    jobs = 200_000 if bench.quick else 1_000_000
    prune = _module()

    async def dropped() -> Sample:
        async with await psycopg.AsyncConnection.connect(bench.dsn, autocommit=True) as connection:
            pruned = prune.Bench(bench.dsn, connection)
            await prune.fill(pruned, jobs)
            done = await prune.drop(pruned)
            if done.jobs != jobs:
                raise RuntimeError(f"{jobs} jobs were to be pruned, and {done.jobs} were.")
            await connection.execute(f"DROP SCHEMA {prune.SCHEMA} CASCADE")
        return {"prune_ms": done.took_s * 1e3, "dead_rows": done.dead}

    async def deleted() -> Sample:
        async with await psycopg.AsyncConnection.connect(bench.dsn, autocommit=True) as connection:
            pruned = prune.Bench(bench.dsn, connection)
            await prune.fill(pruned, jobs)
            start = time.monotonic()
            await connection.execute(f"DELETE FROM {prune.SCHEMA}.finished_succeeded_p0")
            took_s = time.monotonic() - start
            dead = await pruned.dead()
            await connection.execute(f"DROP SCHEMA {prune.SCHEMA} CASCADE")
        return {"prune_ms": took_s * 1e3, "dead_rows": dead}

    return Scenario(
        name="prune",
        how=f"one round of the pruner drops {jobs:,} jobs that succeeded yesterday; beside it: DELETE of the same rows",
        subjects={"prune": dropped, "DELETE": deleted},
        comparisons=[
            Comparison(f"prune {jobs:,} finished / DELETE", "prune", "DELETE", "prune_ms", within=1000.0),
            Comparison("dead rows after it", "prune", "DELETE", "dead_rows", within=0.0),
        ],
        repeats=1,
        around=nullcontext(),
    )


def _module() -> ModuleType:
    spec = importlib.util.spec_from_file_location("benchmarks_of_pruner", PRUNE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
