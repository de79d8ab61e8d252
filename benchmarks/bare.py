"""A child: what is left without a queue: plain SQL on the same tables, in a loop, on one connection.

Arguments: `drain` or `listen`, DSN, schema.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import psycopg

from benchmarks.children import say

BATCH = 500

CLAIM = """
UPDATE {schema}.jobs
SET state = 'running', worker = 'bare', attempts = attempts + 1, claims = claims + 1, started_at = now()
WHERE id = ANY (ARRAY(
    SELECT id FROM {schema}.jobs
    WHERE queue = 'default' AND state = 'pending'
    ORDER BY priority, id LIMIT %s FOR UPDATE SKIP LOCKED
))
RETURNING id, func, kwargs
"""
FINISH = """
WITH gone AS (DELETE FROM {schema}.jobs WHERE id = ANY (%s) AND state = 'running' RETURNING *)
INSERT INTO {schema}.finished_jobs (
    id, queue, func, priority, max_attempts, attempts, claims, created_at, scheduled_at, started_at, worker,
    unique_key, kwargs, meta, limits, options, state, result, errors, note
)
SELECT id, queue, func, priority, max_attempts, attempts, claims, created_at, scheduled_at, started_at, worker,
       unique_key, kwargs, meta, limits, options, 'succeeded', NULL, errors, note
FROM gone
"""


class Bare:
    def __init__(self, dsn: str, schema: str) -> None:
        self.connection = psycopg.connect(dsn, autocommit=True, prepare_threshold=0)
        # The best plan at every size, so that the loop is as fast as it can be.
        for scan in ("seqscan", "hashjoin", "mergejoin", "bitmapscan"):
            self.connection.execute(f"SET enable_{scan} = off")
        self._claim, self._finish = (text.format(schema=schema).encode() for text in (CLAIM, FINISH))

    def claim(self, limit: int) -> list[tuple[Any, ...]]:
        return self.connection.execute(self._claim, [limit]).fetchall()

    def finish(self, ids: list[Any]) -> None:
        self.connection.execute(self._finish, [ids])

    def drain(self) -> None:
        while jobs := self.claim(BATCH):
            self.finish([id_ for id_, _, _ in jobs])


def drain(bare: Bare) -> None:
    """Warm up on what is there; then drain whenever told to, and answer when nothing is left."""
    bare.drain()
    say("ready")
    for line in sys.stdin:
        if line.strip() == "go":
            bare.drain()
        say(time.process_time())


def listen(bare: Bare) -> None:
    """Wait for a notification, claim one job, and say how long ago it was pushed."""
    bare.connection.execute("LISTEN bare")
    say("ready")
    while True:
        for _ in bare.connection.notifies(stop_after=1):
            pass
        now_jobs = bare.claim(1)
        now = time.monotonic()
        for id_, _, kwargs in now_jobs:
            bare.finish([id_])
            pushed_at = kwargs["pushed_at"] if isinstance(kwargs, dict) else json.loads(kwargs)["pushed_at"]
            if pushed_at < 0:
                return
            say(now - pushed_at)


if __name__ == "__main__":
    {"drain": drain, "listen": listen}[sys.argv[1]](Bare(*sys.argv[2:]))
