"""How long the first page of a filter takes, beside a long history and a long backlog."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from benchmarks.database import Bench
from benchmarks.filling import Size, fill
from benchmarks.frame import Comparison, Sample, Scenario
from chancy import Chancy

# What a page may take that an index serves, and what any page may take: two seconds, and the end of a slice.
SERVED_MS = 50.0
BUDGET_MS = 2200.0

SERVED = {
    "all": "",
    "one id": "id:{id}",
    "running": "state:running",
    "retrying": "state:retrying func:app.mail.*",
    "pending in a queue": "state:pending queue:q3",
    "a live unique key": "state:live key:live-500",
    "failed": "state:failed",
    "failed with an error": "state:failed func:app.mail.* error:timeout since:2h",
    "a queue": "queue:q3",
}
SEARCHED = {
    "a rare argument": "kwargs.user:7",
    "no such argument": "kwargs.user:nobody",
    "no such error": "error:nothing",
    "no such note": "state:succeeded note:nothing",
    "a key of long ago": "key:order-10",
    "long ago": "until:30d",
}


def scenario(bench: Bench) -> Scenario:
    finished, live = (1_000_000, 100_000) if bench.quick else (10_000_000, 1_000_000)
    opened: list[Chancy] = []

    @asynccontextmanager
    async def around() -> AsyncIterator[None]:
        async with bench.schema("find") as chancy:
            await fill(bench, chancy, Size(finished, live))
            opened.append(chancy)
            yield

    async def page(text: str) -> Sample:
        (chancy,) = opened
        middle = await bench.one(
            f"SELECT id FROM {chancy.settings.schema}.jobs WHERE unique_key = 'live-{live // 20 * 10}'"
        )
        await chancy.find_jobs("id:0", limit=1)
        start = time.perf_counter()
        found = await chancy.find_jobs(text.format(id=middle))
        return {"page_ms": (time.perf_counter() - start) * 1e3, "found": float(len(found.jobs))}

    return Scenario(
        name="find",
        how=f"the first page of 50 jobs, among {finished:,} finished and {live:,} live ones, on a warm connection",
        subjects={what: partial(page, text) for what, text in {**SERVED, **SEARCHED}.items()},
        comparisons=[
            *(Comparison(f"`{text}`", what, "all", "page_ms", within=SERVED_MS) for what, text in SERVED.items()),
            *(Comparison(f"`{text}`", what, "all", "page_ms", within=BUDGET_MS) for what, text in SEARCHED.items()),
        ],
        repeats=3,
        every=dict.fromkeys(SEARCHED, 2),
        around=around(),
    )
