"""A shop: its jobs, and what happened there before somebody opened the dashboard."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from chancy_cron import Cron

from chancy import Backoff, Chancy, Job, JobContext, JobFilter, Queue, Worker
from chancy.testing import wait_until

# Jobs that wait for it run for as long as a test looks at them. Made anew for each test, because it belongs to a loop.
gates: dict[str, asyncio.Event] = {}


class MailServerDownError(Exception):
    """The mail server does not answer."""


async def send_mail(*, customer: str, order: int) -> str:
    """Send one customer's mail; acme's server is down as long as its gate is shut."""
    if customer == "acme" and not gates["mail server"].is_set():
        raise MailServerDownError(f"mail.{customer}.example did not answer within 30 s")
    return f"sent {order}"


async def make_report(*, month: str, context: JobContext) -> int:
    """Runs until its gate opens, and says how far it is."""
    context.progress(0.25, f"reading {month}")
    await gates["reports"].wait()
    context.progress(0.75, "adding up")
    return 4711


async def import_rows(*, file: str, part: int) -> None:
    """One of very many; as long as their gate is shut, none of them ends."""
    if "imports" in gates:
        await gates["imports"].wait()


async def charge(*, order: int, card_number: str) -> None:
    """Fails for a reason that a retry does not mend."""
    raise ValueError(f"order {order} has been paid already")


def job(function: Callable[..., Any], **fields: Any) -> Job:
    """A job of one of these."""
    return Job.from_func(function, **fields)


@asynccontextmanager
async def working(chancy: Chancy, **settings: Any) -> AsyncIterator[Worker]:
    """A worker, for the length of the block; whatever waits for a gate is let go at its end."""
    async with Worker(chancy, **settings) as worker:
        try:
            yield worker
        finally:
            for gate in gates.values():
                gate.set()


def shut(*names: str) -> None:
    """Shut gates."""
    for name in names:
        gates[name] = asyncio.Event()


async def read(chancy: Chancy, text: str, *params: Any) -> list[Any]:
    """Run a statement on the schema without holding up the loop, in which a worker lives."""
    async with chancy.pool.connection() as connection:
        cursor = await connection.execute(text.replace("{s}", chancy.settings.schema).encode(), params)
        return await cursor.fetchall() if cursor.description else []


async def _stands(chancy: Chancy, wanted: tuple[int, int, int]) -> bool:
    return await read(chancy, STATES) == [wanted]


@asynccontextmanager
async def open_shop(chancy: Chancy) -> AsyncIterator[Worker]:
    """A shop on a bad day: jobs of every state, a queue that is paused, a schedule, a worker that was lost."""
    shut("mail server", "reports")
    for queue in (Queue("mail", concurrency=4), Queue("reports", concurrency=2), Queue("imports"), Queue("payments")):
        await chancy.declare(queue)
    await chancy.pause_queue("imports", by="ada", reason="the file has every row twice")
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    nightly = job(make_report, kwargs={"month": "2026-10"}, queue="reports")
    await Cron.schedule(chancy, "0 3 * * *", nightly, name="nightly")
    pushed = [
        *(job(send_mail, kwargs={"customer": ("acme", "zenith", "orbit")[n % 3], "order": n}) for n in range(30)),
        job(send_mail, kwargs={"customer": "acme", "order": 99}, max_attempts=5, backoff=Backoff.fixed(3600)),
        job(send_mail, kwargs={"customer": "orbit", "order": 7}, scheduled_at=tomorrow, unique_key="order-7"),
    ]
    await chancy.push_many("mail", pushed)
    await chancy.push_many("imports", [job(import_rows, kwargs={"file": "a.csv", "part": n}) for n in range(120)])
    reports = [job(make_report, kwargs={"month": f"2026-0{n}"}, meta={"trace_id": f"4bf92f{n}"}) for n in range(1, 5)]
    await chancy.push_many("reports", reports)
    payment = job(charge, kwargs={"order": 7, "card_number": "4111 1111 1111 1111"}, queue="payments")
    await chancy.push(payment)
    async with working(chancy, name="shop-1") as worker:
        await wait_until(partial(_stands, chancy, (2, 1, 31)))
        await chancy.cancel_jobs(JobFilter.parse("queue:imports kwargs.part:7"), reason="twice in the file")
        await read(chancy, LOST)
        await read(chancy, HISTORY)
        await read(chancy, DEPTHS)
        yield worker


# How many run, wait for another try, and are over.
STATES = """
    SELECT count(*) FILTER (WHERE state = 'running'), count(*) FILTER (WHERE state = 'retrying'),
           (SELECT count(*) FROM {s}.finished_jobs)
    FROM {s}.jobs
"""
# What chancy-history counted in two hours: a wave of mail, of which some failed when the server went down. Of this
# minute, as much as will be over when somebody looks; what the worker of the shop has counted itself comes on top.
HISTORY = """
    INSERT INTO {s}.history_minutes
    SELECT date_trunc('minute', now()) - n * interval '1 minute', queue, func, runs, runs, runs - failed, failed, 0, 0,
           0, runs * 0.4, runs * 0.2,
           array_fill(0, ARRAY[4]) || array_fill(runs / 5, ARRAY[5]) || array_fill(0, ARRAY[9]),
           array_fill(0, ARRAY[4]) || array_fill(runs / 4, ARRAY[4]) || array_fill(0, ARRAY[10])
    FROM (VALUES ('mail', 'shop.send_mail', 900), ('reports', 'shop.make_report', 120)) AS one (queue, func, most)
    CROSS JOIN generate_series(0, 130) AS n
    CROSS JOIN LATERAL (SELECT least(n + (extract(second FROM now()) + 8) / 60, 1) AS share) AS over
    CROSS JOIN LATERAL (SELECT (share * most * (1.4 + sin(n / 17.0) + 0.2 * sin(n * 1.7)))::bigint AS runs) AS wave
    CROSS JOIN LATERAL (SELECT CASE WHEN n < 25 AND queue = 'mail' THEN runs / (n + 3) ELSE 0 END AS failed) AS bad
    ON CONFLICT DO NOTHING
"""
DEPTHS = """
    INSERT INTO {s}.history_depths
    SELECT date_trunc('minute', now()) - n * interval '1 minute', 'mail', (40 + 30 * sin(n / 9.0))::bigint
    FROM generate_series(0, 130) AS n
    ON CONFLICT DO NOTHING
"""
# A worker that was lost an hour ago, of another version.
LOST = """
    INSERT INTO {s}.workers (worker, tags, started_at, seen_at, lease_until, lease_s)
    VALUES ('old-host.1.abcdef', ARRAY['*', 'chancy=0.0.9'], now() - interval '2 days', now() - interval '1 hour',
            now() - interval '1 hour', 30)
"""
