"""How fast many jobs are run again and cancelled, and what a drain beside that notices."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from benchmarks import draining, work
from benchmarks.database import Bench
from benchmarks.frame import Comparison, Sample, Scenario
from chancy import Chancy, JobFilter, Queue

DRAINED = 20_000
ENOUGH = 20_000.0
FAILED = f"""
    INSERT INTO {{schema}}.finished_jobs (
        id, queue, func, priority, state, max_attempts, attempts, claims, created_at, kwargs
    )
    SELECT (lpad(to_hex(n), 12, '0') || '70008000' || lpad(to_hex(n), 12, '0'))::uuid, 'other', '{work.NOTHING}', 0,
           'failed', 1, 1, 1, now(), json_build_object('n', n)
    FROM generate_series(1, %(count)s) AS n
"""
OTHERS = JobFilter(queues="other")


class Acts:
    """What is measured."""

    def __init__(self, bench: Bench, count: int) -> None:
        self.bench = bench
        self.count = count
        self.chancy: Chancy

    @asynccontextmanager
    async def around(self) -> AsyncIterator[None]:
        async with self.bench.schema("act") as self.chancy:
            await self.chancy.declare(Queue("other", tags=["nobody"]))
            yield

    async def fill(self) -> None:
        await self.bench.clear(self.chancy)
        await self.bench.admin.execute(FAILED.format(schema=self.chancy.settings.schema), {"count": self.count})
        await self.bench.level(self.chancy)

    async def timed(self, act: Callable[[JobFilter], Any]) -> float:
        start = time.perf_counter()
        acted = await act(OTHERS)
        if sum(acted.done.values()) != self.count:
            raise RuntimeError(f"{self.count} jobs were meant, and it {acted}.")
        return self.count / (time.perf_counter() - start)

    async def retried(self) -> Sample:
        await self.fill()
        return {"jobs_s": await self.timed(self.chancy.retry_jobs)}

    async def cancelled(self) -> Sample:
        await self.fill()
        await self.timed(self.chancy.retry_jobs)
        await self.bench.level(self.chancy)
        return {"jobs_s": await self.timed(self.chancy.cancel_jobs)}

    async def drained(self) -> Sample:
        await self.fill()
        return await draining.ours(self.bench, self.chancy, DRAINED)

    async def drained_beside(self) -> Sample:
        await self.fill()
        return await draining.ours(self.bench, self.chancy, DRAINED, beside=self.back_and_forth)

    @asynccontextmanager
    async def back_and_forth(self) -> AsyncIterator[None]:
        async def act() -> None:
            while True:
                await self.chancy.retry_jobs(OTHERS)
                await self.chancy.cancel_jobs(OTHERS)

        task = asyncio.create_task(act())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


def scenario(bench: Bench) -> Scenario:
    count = 30_000 if bench.quick else 100_000
    acts = Acts(bench, count)
    return Scenario(
        name="act",
        how=f"{count:,} failed jobs are run again, and cancelled; {DRAINED:,} jobs are drained while that goes on",
        subjects={
            "retry": acts.retried,
            "cancel": acts.cancelled,
            "drain": acts.drained,
            "drain beside": acts.drained_beside,
        },
        comparisons=[
            Comparison(f"retry_jobs of {count:,} / drain", "retry", "drain", enough=ENOUGH, at_least=9.0),
            Comparison(f"cancel_jobs of {count:,} / drain", "cancel", "drain", enough=ENOUGH, at_least=9.0),
            Comparison("drain beside both / drain alone", "drain beside", "drain", at_least=0.8, paired=True),
        ],
        repeats=2,
        around=acts.around(),
    )
