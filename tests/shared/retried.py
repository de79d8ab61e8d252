"""Jobs that run once more."""

from __future__ import annotations

from support import WITHIN_S

from chancy import Backoff, Reference, Worker

QUICK = Backoff(base_s=0.001, max_s=0.01)


async def run(chancy, job):
    async with Worker(chancy):
        return await (await chancy.push(job)).wait(timeout=WITHIN_S)


async def has_failed(reference: Reference, times: int) -> bool:
    return len((await reference.get()).errors) == times
