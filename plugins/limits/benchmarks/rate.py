"""A rate limit under load: eight worker processes, a backlog, and every start by the database's clock.

    python plugins/limits/benchmarks/rate.py [--limit 50] [--window 1] [--workers 8] [--seconds 20] [--job-s 0]

Prints the most starts in any sliding window, the total, and how busy the database was. Exits with 1 if the limit was
exceeded, or the total is more than 2 % below what it allows. On CHANCY_DSN, or the embedded PostgreSQL.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

from chancy import Chancy, Job, Queue
from chancy.plugins.limits import Limits

PROCESS = Path(__file__).parents[1] / "tests" / "process.py"
FUNC = "limited_jobs.nap"
# How many jobs a second there are, with no limit, for comparison.
UNLIMITED = 2000


def most_within(moments: list[datetime], window: timedelta) -> int:
    most = first = 0
    for last, moment in enumerate(moments):
        while moment - moments[first] >= window:
            first += 1
        most = max(most, last - first + 1)
    return most


@contextlib.contextmanager
def workers(count: int, dsn: str, schema: str, concurrency: int) -> Iterator[None]:
    arguments = [sys.executable, str(PROCESS), dsn, schema, str(concurrency)]
    running = [subprocess.Popen(arguments, stdout=subprocess.PIPE) for _ in range(count)]
    try:
        for process in running:
            process.stdout.readline()
        yield
    finally:
        for process in running:
            process.terminate()
        for process in running:
            process.communicate()


async def measure(options: argparse.Namespace) -> bool:
    schema = f"bench_{secrets.token_hex(4)}"
    window = timedelta(seconds=options.window)
    async with Chancy(os.environ.get("CHANCY_DSN"), schema=schema, discover=False, plugins=[Limits()]) as chancy:
        await chancy.declare(Queue("api", rate_limit=options.limit or None, rate_limit_window=options.window))
        allowed = round((options.limit or UNLIMITED) * options.seconds / options.window)
        await chancy.push_many("api", [Job(func=FUNC, kwargs={"seconds": options.job_s})] * (allowed * 2))
        async with chancy.pool.connection() as connection:
            with workers(options.workers, chancy.dsn, schema, options.concurrency):
                before = await transactions(connection)
                await asyncio.sleep(options.seconds)
                after = await transactions(connection)
                await asyncio.sleep(1)
            query = f'SELECT started_at FROM "{schema}".finished_jobs ORDER BY 1'
            moments = [row[0] for row in await (await connection.execute(query.encode())).fetchall()]
            await connection.execute(f'DROP SCHEMA "{schema}" CASCADE'.encode())
    total = sum(moment - moments[0] < timedelta(seconds=options.seconds) for moment in moments)
    most = most_within(moments, window)
    print(f"{options.workers} workers, {options.limit} in {options.window:g} s, jobs of {options.job_s:g} s")
    print(f"most in any sliding window: {most} (limit {options.limit})")
    print(f"total in the first {options.seconds:g} s: {total} of {allowed}, {total / allowed:.1%}")
    print(f"claims: {len(set(moments))}; transactions in the database: {(after - before) / options.seconds:.0f}/s")
    return most <= (options.limit or most) and total >= 0.98 * allowed


async def transactions(connection: object) -> int:
    cursor = await connection.execute(
        "SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = current_database()"
    )
    return (await cursor.fetchone())[0]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--limit", type=int, default=50, help="0: none, for comparison")
    parser.add_argument("--window", type=float, default=1.0)
    parser.add_argument("--workers", type=int, default=8)
    parser.add_argument("--concurrency", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--job-s", type=float, default=0.0)
    sys.exit(not asyncio.run(measure(parser.parse_args())))
