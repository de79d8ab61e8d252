"""What `chancy top` costs the database: processor time of its server processes, as a share of one core.

    python plugins/doctor/benchmarks/top.py [--looks 30]

A server of its own, with 100 queues, 50 workers, 20,000 jobs that wait, 2,000 that run and 200,000 that have ended. It
looks as often as `chancy top` does, and reads what the kernel says of the time that its sessions had (/proc, so Linux
only).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from pathlib import Path

import psycopg

from chancy import Chancy, Queue
from chancy.testing import throwaway_server
from chancy_doctor import Doctor
from chancy_doctor.top.live import LOOK_WITHIN_S
from chancy_doctor.top.picture import look_up

QUEUES, WORKERS, EVERY_S = 100, 50, 2.0
STATUS = {
    "leads": False,
    "plugins": [{"name": name, "ticks": 7, "ticked_s_ago": 1.0} for name in ("cron", "history", "pruner", "limits")],
}
FILL = (
    """INSERT INTO chancy.workers (worker, tags, lease_until, status, status_at, seen_at)
       SELECT 'host-' || n || '.0a1b2c', ARRAY['*', 'chancy=0.1.0'], now() + interval '1 day', %(status)s::json, now(),
              now()
       FROM generate_series(1, %(workers)s) AS n""",
    """INSERT INTO chancy.jobs (id, queue, func, state, max_attempts, attempts, claims, started_at, worker, kwargs)
       SELECT gen_random_uuid(), 'q' || n %% %(queues)s, 'app.mail.send',
              CASE WHEN n <= 2000 THEN 'running' ELSE 'pending' END, 3, (n <= 2000)::int, 0,
              CASE WHEN n <= 2000 THEN now() END,
              CASE WHEN n <= 2000 THEN 'host-' || 1 + n %% %(workers)s || '.0a1b2c' END, '{}'
       FROM generate_series(1, 22000) AS n""",
    """INSERT INTO chancy.finished_jobs (id, queue, func, priority, state, max_attempts, attempts, claims, created_at,
                                         started_at, finished_at, kwargs, errors)
       SELECT gen_random_uuid(), 'q' || n %% %(queues)s, 'app.f' || n %% 20, 0,
              CASE WHEN n %% 20 = 0 THEN 'failed' ELSE 'succeeded' END, 1, 1, 1, at, at, at, '{}',
              CASE WHEN n %% 20 = 0 THEN '[{"type": "TimeoutError", "message": "no"}]'::jsonb END
       FROM generate_series(1, 200000) AS n
       CROSS JOIN LATERAL (SELECT now() - n * interval '2 ms' AS at) AS one""",
    "ANALYZE chancy.jobs, chancy.finished_jobs, chancy.workers",
)
SESSIONS = "SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'chancy%' AND pid <> pg_backend_pid()"


async def had_s(admin: psycopg.AsyncConnection) -> dict[int, float]:
    """The processor time that each session of an application has had, in seconds."""
    rows = await (await admin.execute(SESSIONS)).fetchall()
    return {pid: ran_s(pid) for (pid,) in rows}


def ran_s(pid: int) -> float:
    """The processor time of a process, in seconds; the kernel counts nanoseconds."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9


async def measure(dsn: str, looks: int) -> None:
    """Fill a database, look, and print what that took."""
    async with (
        Chancy(dsn, plugins=[Doctor()], discover=False) as chancy,
        await psycopg.AsyncConnection.connect(dsn, autocommit=True) as admin,
    ):
        for number in range(QUEUES):
            await chancy.declare(Queue(f"q{number}", concurrency=20))
        values = {"queues": QUEUES, "workers": WORKERS, "status": json.dumps(STATUS)}
        for statement in FILL:
            await admin.execute(statement, values if "%(" in statement else None)
        picture = await look_up(chancy, Doctor().thresholds, LOOK_WITHIN_S, None)
        before, took_s = await had_s(admin), 0.0
        for _ in range(looks):
            start = time.monotonic()
            picture = await look_up(chancy, Doctor().thresholds, LOOK_WITHIN_S, picture)
            took_s += time.monotonic() - start
            await asyncio.sleep(EVERY_S)
        after = await had_s(admin)
    spent_s = sum(after[pid] - before.get(pid, 0.0) for pid in after) / looks
    seen = f"{len(picture.queues)} queues, {len(picture.workers)} workers"
    print(f"{seen}: {looks} looks of {took_s / looks * 1e3:.0f} ms, one every {EVERY_S:g} s")
    print(f"the database: {spent_s * 1e3:.1f} ms of processor time a look, {spent_s / EVERY_S:.2%} of a core")


def main() -> None:
    """Measure as the arguments say."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--looks", type=int, default=30, help="how often it looks")
    given = parser.parse_args()
    with throwaway_server("CHANCY_BENCH_DSN", "chancy-top-") as dsn:
        asyncio.run(measure(dsn, given.looks))


if __name__ == "__main__":
    main()
