"""Whether a drain cares how much lies beside it: history, a future, a backlog, other people's work."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

from benchmarks import draining, peering, work
from benchmarks.database import Bench
from benchmarks.frame import Comparison, Sample, Scenario
from benchmarks.peering import Place
from benchmarks.peers.catalog import Peer
from chancy import Chancy

JOBS = 5000
# Some peers take minutes for so many; their pace shows sooner.
PATIENCE_S = 8.0

# Ids of long ago, in order: a UUIDv7 begins with its time.
_ID = "(lpad(to_hex(n), 12, '0') || '70008000' || lpad(to_hex(n), 12, '0'))::uuid"
ROWS = f"SELECT {_ID} AS id, n FROM generate_series(1, %(count)s) AS n"
KWARGS = "json_build_object('n', n)"

FILLS = {
    "empty": None,
    "finished": f"""
        INSERT INTO {{schema}}.finished_jobs (
            id, queue, func, priority, state, max_attempts, attempts, claims, created_at, started_at, worker, kwargs
        )
        SELECT id, 'default', '{work.NOTHING}', 0, 'succeeded', 1, 1, 1, now(), now(), 'gone', {KWARGS}
        FROM ({ROWS}) AS row
        """,
    "scheduled": f"""
        INSERT INTO {{schema}}.jobs (id, queue, func, priority, state, scheduled_at, kwargs)
        SELECT id, 'default', '{work.NOTHING}', -10, 'scheduled', now() + '1 day', {KWARGS} FROM ({ROWS}) AS row
        """,
    "backlog": f"""
        INSERT INTO {{schema}}.jobs (id, queue, func, kwargs)
        SELECT id, 'default', '{work.NOTHING}', {KWARGS} FROM ({ROWS}) AS row
        """,
    "others": f"""
        INSERT INTO {{schema}}.jobs (id, queue, func, priority, kwargs)
        SELECT id, 'other' || n %% 10, '{work.NOTHING}', -10, {KWARGS} FROM ({ROWS}) AS row
        """,
}
WHAT = {
    "finished": "finished",
    "scheduled": "due tomorrow, more urgent",
    "backlog": "pending behind them",
    "others": "pending in other queues",
}


def scenario(bench: Bench) -> Scenario:
    count = 300_000 if bench.quick else 1_000_000
    tables: dict[str, Chancy] = {}
    places: dict[tuple[str, str], Place] = {}
    peers = [] if bench.quick else [peer for peer in bench.peers.postgresql if peer.driver.FILLS]

    @asynccontextmanager
    async def around() -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            for name, fill in FILLS.items():
                chancy = await stack.enter_async_context(bench.schema(f"growth_{name}"))
                if fill is not None:
                    schema = chancy.settings.schema
                    await bench.admin.execute(fill.format(schema=schema), {"count": count})
                    await bench.admin.execute(f"VACUUM (ANALYZE) {schema}.finished_jobs")
                tables[name] = chancy
            for peer in peers:
                for name in FILLS:
                    where = await stack.enter_async_context(peering.place(bench, peer, f"_{name}"))
                    places[peer.name, name] = where
                    if name != "empty":
                        await where.fill(name, count)
            yield

    async def drained(name: str) -> Sample:
        return await draining.ours(bench, tables[name], JOBS, take_pending=name == "backlog")

    async def peer_drained(peer: Peer, name: str) -> Sample:
        where = places[peer.name, name]
        jobs = min(JOBS, peer.driver.JOBS)
        async with peering.workers(where, 1) as workers:
            if name != "backlog":
                await peering.push(where, jobs)
            return await peering.drained(where, workers, jobs, within_s=PATIENCE_S)

    return Scenario(
        name="growth",
        how=f"{JOBS:,} drained as in `drain`, tables filled before; beside it: the same on empty tables",
        subjects={
            **{name: partial(drained, name) for name in FILLS},
            **{f"{peer.label}, {name}": partial(peer_drained, peer, name) for peer in peers for name in FILLS},
        },
        comparisons=[
            Comparison(f"drain beside {count:,} {what}", name, "empty", at_least=0.9) for name, what in WHAT.items()
        ]
        + [
            Comparison(f"{peer.label}: beside {count:,} {what}", f"{peer.label}, {name}", f"{peer.label}, empty")
            for peer in peers
            for name, what in WHAT.items()
        ],
        repeats=7 if bench.quick else 9,
        every={f"{peer.label}, {name}": 4 for peer in peers for name in FILLS},
        budget_s=40 if bench.quick else 150,
        around=around(),
    )
