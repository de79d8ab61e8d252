"""The demo itself: index the Python standard library with a worker on a private PostgreSQL, and show what happened."""

from __future__ import annotations

import asyncio
import logging
import sysconfig
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import demo_jobs
import psycopg
from psycopg.rows import tuple_row
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from chancy import Backoff, Chancy, Job, Queue, QueuedJob, Reference, Worker
from chancy_core import embedded

SCHEMA = "chancy_demo"
PINGS = 50
BIGGEST = 8
console = Console()


def modules() -> list[Path]:
    """Every module of the standard library, its own tests included."""
    root = Path(sysconfig.get_path("stdlib"))
    return sorted(path for path in root.rglob("*.py") if "site-packages" not in path.parts)


def library_jobs(paths: list[Path]) -> list[Job]:
    """Two jobs a module: one that parses it, in a thread, and one that reads it, on the loop."""
    jobs = []
    for path in paths:
        # Lower runs first: packages before modules, the library's tests last.
        priority = 10 if "test" in path.parts else -10 if path.name == "__init__.py" else 0
        jobs.append(Job.from_func(demo_jobs.index, queue="index", kwargs={"path": str(path)}, priority=priority))
        jobs.append(Job.from_func(demo_jobs.digest, kwargs={"path": str(path)}, priority=priority))
    return jobs


async def special_jobs(chancy: Chancy) -> dict[str, Reference]:
    """One of each kind that is worth a look."""
    soon = datetime.now(UTC) + timedelta(seconds=2)
    unique = Job.from_func(demo_jobs.report, kwargs={"title": "daily"}, unique_key="report-daily").with_scheduled_at(
        soon
    )
    quick = Backoff(base_s=0.2)
    return {
        "scheduled two seconds ahead": await chancy.push(
            Job.from_func(demo_jobs.postcard, kwargs={"text": "wish you were here"}, scheduled_at=soon)
        ),
        "unique, pushed": await chancy.push(unique),
        "unique, pushed again": await chancy.push(unique),
        "fails twice": await chancy.push(
            Job.from_func(demo_jobs.flaky, kwargs={"name": "demo"}, max_attempts=3, backoff=quick)
        ),
        "always fails": await chancy.push(Job.from_func(demo_jobs.hopeless, max_attempts=2, backoff=quick)),
    }


async def show_progress(count: Callable[[], Awaitable[int]], total: int) -> None:
    """Live progress on a terminal; a line at each quarter elsewhere."""
    columns = (TextColumn("indexing"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task("", total=total)
        quarter = 0
        while (done := await count()) < total:
            progress.update(task, completed=done)
            if not console.is_terminal and done * 4 // total > quarter:
                quarter = done * 4 // total
                console.print(f"  {done:,} of {total:,} jobs")
            await asyncio.sleep(0.1)
        progress.update(task, completed=total)


async def idle_latencies_ms(chancy: Chancy) -> list[float]:
    """From push to start, one job after another on a worker that has nothing else to do; by the database's clock."""
    latencies = []
    for _ in range(PINGS):
        job = await (await chancy.push(Job.from_func(demo_jobs.ping))).wait(timeout=30)
        assert job.started_at is not None
        assert job.created_at is not None
        latencies.append((job.started_at - job.created_at).total_seconds() * 1000)
    return sorted(latencies)


def summary(
    rows: list[dict[str, Any]], seconds: float, latencies: list[float], special: dict[str, tuple[Reference, QueuedJob]]
) -> None:
    """What a person wants to know afterwards."""
    states = {state: [row for row in rows if row["state"] == state] for state in ("succeeded", "failed")}
    ran = sum(row["attempts"] for row in rows)
    table = Table.grid(padding=(0, 2))
    table.add_row("jobs finished", f"[bold]{len(rows):,}[/] ({len(states['failed'])} failed), {ran:,} runs")
    table.add_row("speed", f"[bold]{len(rows) / seconds:,.0f}[/] jobs/s over {seconds:.1f} s, one worker process")
    table.add_row(
        "push to start",
        f"[bold]{latencies[len(latencies) // 2]:.1f} ms[/] median, {latencies[int(len(latencies) * 0.99)]:.1f} ms p99, "
        f"{len(latencies)} jobs on the idle worker",
    )
    table.add_row("retries", f"{sum(row['attempts'] - 1 for row in rows)}")
    for row in states["failed"]:
        error = row["errors"][-1]
        table.add_row("failed", f"{row['func']}: {error['type']}: {error['message']} (attempt {row['attempts']})")
    console.print()
    console.print(table)

    kinds = Table("what was asked", "what happened", box=None, padding=(0, 2))
    for what, (reference, job) in special.items():
        more = (
            f", {(job.started_at - job.scheduled_at).total_seconds() * 1000:.0f} ms after its time"
            if what.startswith("scheduled") and job.started_at and job.scheduled_at
            else ""
        )
        if not reference.created:
            more = ", the job that was there already"
        kinds.add_row(what, f"{job.state} at attempt {job.attempts}{more}")
    console.print()
    console.print(kinds)

    results = [row["result"] for row in rows if isinstance(row["result"], dict)]
    biggest = Table("the biggest modules", "lines", "functions", "classes", box=None, padding=(0, 2))
    for found in sorted(results, key=lambda result: -result["lines"])[:BIGGEST]:
        name = Path(found["path"]).relative_to(sysconfig.get_path("stdlib"))
        biggest.add_row(
            str(name), f"{found['lines']:,}", str(found.get("functions", "")), str(found.get("classes", ""))
        )
    console.print()
    console.print(biggest)
    lines = sum(result["lines"] for result in results)
    console.print(f"\n{lines:,} lines indexed. Every job, its result and its errors are in the schema {SCHEMA!r}.")


async def demo(dsn: str) -> None:
    """Push, run, wait, tell."""
    paths = modules()
    console.print(f"[bold]Chancy demo[/]: {len(paths):,} modules of the standard library, two jobs each.")
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as connection:
        await connection.execute("SET client_min_messages = error")
        await connection.execute(f'DROP SCHEMA IF EXISTS "{SCHEMA}" CASCADE'.encode())
    async with Chancy(dsn, schema=SCHEMA, discover=False) as chancy:
        await chancy.declare(Queue("index", concurrency=4, executor=Chancy.Executor.Threaded))
        jobs = library_jobs(paths)
        start = time.perf_counter()
        await chancy.push_many(jobs)
        console.print(f"Pushed {len(jobs):,} jobs in {time.perf_counter() - start:.2f} s.")
        start = time.perf_counter()
        async with Worker(chancy, grace_s=2) as _worker:
            references = await special_jobs(chancy)
            total = len(jobs) + len(set(references.values()))

            async def finished() -> int:
                live = await chancy.count_jobs()
                return total - sum(sum(states.values()) for states in live.values())

            await show_progress(finished, total)
            seconds = time.perf_counter() - start
            latencies = await idle_latencies_ms(chancy)
        jobs_of = await chancy.wait_for_jobs(references.values(), timeout=30)
        special = dict(zip(references, zip(references.values(), jobs_of, strict=True), strict=True))
        rows = await finished_rows(dsn)
        summary(rows, seconds, latencies, special)


async def finished_rows(dsn: str) -> list[dict[str, Any]]:
    """Everything that finished, but for the pings."""
    columns = ("func", "state", "attempts", "errors", "result")
    async with await psycopg.AsyncConnection.connect(dsn, row_factory=tuple_row) as connection:
        cursor = await connection.execute(
            f'SELECT {", ".join(columns)} FROM "{SCHEMA}".finished_jobs WHERE func <> %s'.encode(),
            ["demo_jobs.ping"],
        )
        return [dict(zip(columns, row, strict=True)) for row in await cursor.fetchall()]


def run() -> None:
    """Start the private PostgreSQL and run the demo on it."""
    logging.basicConfig(level=logging.ERROR)
    with embedded.acquire() as server:
        console.print(f"A private PostgreSQL {server.version} is running; it stops with this program.")
        asyncio.run(demo(server.dsn))
