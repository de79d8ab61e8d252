"""Functions that compute: in child processes of a Chancy worker, on a Dask cluster by Chancy, and by Dask alone.

    python plugins/dask/benchmarks/compute.py [--jobs 60] [--dsn postgresql://…]

Two processes each, on this machine; the database is the embedded one unless there is a DSN. Where nothing else uses the
machine, the last column says what the way to the cluster costs.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import sys
import time
from pathlib import Path

import distributed

from chancy import Chancy, Job, Queue, Worker
from chancy_dask import Dask

sys.path.insert(0, str(Path(__file__).parent))
PROCESSES = 2
SIZES = {"20 ms": 1, "200 ms": 10}
ONE = 200_000


def compute(*, times: int) -> int:
    """Some 20 ms of a processor, so many times."""
    total = 0
    for number in range(ONE * times):
        total = (total * 31 + number) % 1_000_003
    return total


async def by_chancy(executor: str, dsn: str | None, times: int, count: int) -> float:
    options = {"workers": PROCESSES} if executor == "dask" else {}
    async with Chancy(dsn, schema="dask_benchmark", plugins=[Dask()], discover=False) as chancy:
        queue = Queue(executor, concurrency=PROCESSES * 2 if options else PROCESSES, executor=executor)
        await chancy.declare(Queue(**{**queue.to_dict(), "executor_options": options, "tags": queue.tags}))
        jobs = [Job("compute.compute", queue=executor, kwargs={"times": times})] * count
        async with Worker(chancy):
            await chancy.wait_for_jobs(await chancy.push_many(jobs[:4]), timeout=600)
            began = time.perf_counter()
            await chancy.wait_for_jobs(await chancy.push_many(jobs), timeout=3600)
            return time.perf_counter() - began


def by_dask(times: int, count: int) -> float:
    import compute as module

    with (
        distributed.LocalCluster(n_workers=PROCESSES, threads_per_worker=1, dashboard_address=None) as cluster,
        distributed.Client(cluster) as client,
    ):
        client.gather([client.submit(module.compute, times=1, pure=False) for _ in range(4)])
        began = time.perf_counter()
        client.gather([client.submit(module.compute, times=times, pure=False) for _ in range(count)])
        return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--jobs", type=int, default=60)
    parser.add_argument("--dsn")
    given = parser.parse_args()
    logging.getLogger("distributed").setLevel(logging.ERROR)
    print(f"{'job':8}{'by':28}{'jobs':>6}{'seconds':>9}{'jobs/s':>8}{'beside Dask alone':>19}")
    for name, times in SIZES.items():
        count = max(given.jobs // times, PROCESSES * 4) if times > 1 else given.jobs
        alone = by_dask(times, count)
        found = {"Dask alone": alone}
        for executor, who in (("dask", "Chancy, Dask cluster"), ("process", "Chancy, child processes")):
            with contextlib.redirect_stdout(sys.stderr):
                found[who] = asyncio.run(by_chancy(executor, given.dsn, times, count))
        for who, seconds in found.items():
            print(f"{name:8}{who:28}{count:6}{seconds:9.2f}{count / seconds:8.1f}{seconds / alone:18.2f}x")


if __name__ == "__main__":
    main()
