"""The demo: index the Python standard library with a worker on a private PostgreSQL, and show what happened."""

from __future__ import annotations

import asyncio
import logging
import signal
import sysconfig
import time
import warnings
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import dict_row
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from chancy_core import embedded
from chancy_core.app import Chancy
from chancy_core.app.reference import Reference
from chancy_core.config import Settings
from chancy_core.demo import jobs as demo_jobs
from chancy_core.demo import watching
from chancy_core.demo.tables import SCHEMA, empty_schema, how_to_look
from chancy_core.demo.telling import InLines
from chancy_core.errors import ChancyError
from chancy_core.values.backoff import Backoff
from chancy_core.values.job import Job
from chancy_core.values.queue import Queue
from chancy_core.values.queuedjob import QueuedJob
from chancy_core.worker import Worker

PINGS = 50
# Enough for some seconds, even on a fast machine.
EMPTY = 50_000
BIGGEST = 8
STDLIB = Path(sysconfig.get_path("stdlib"))
console = Console(highlight=False)


class CtrlC:
    """Ends the demo where it waits: nothing else may be interrupted, such as an event loop that is just being made."""

    def __init__(self) -> None:
        self.pressed = False
        self.stop: Callable[[], object] | None = None

    def __call__(self, *_: object) -> None:
        """Ctrl-C was pressed, perhaps again."""
        if not self.pressed and self.stop:
            self.stop()
        self.pressed = True

    @contextmanager
    def cancels_this_task(self) -> Iterator[None]:
        """Let it cancel the current task for the length of the block."""
        task = asyncio.current_task()
        assert task is not None
        self.stop = partial(asyncio.get_running_loop().call_soon_threadsafe, task.cancel)
        try:
            if self.pressed:
                raise asyncio.CancelledError
            yield
        finally:
            self.stop = None


def run() -> int:
    """Start the private PostgreSQL and run the demo on it."""
    # The command has handlers of its own by now.
    logging.basicConfig(handlers=[InLines(console)], level=logging.WARNING, force=True)
    # The library's own tests hold code that deserves a warning.
    warnings.simplefilter("ignore", SyntaxWarning)
    warnings.simplefilter("ignore", DeprecationWarning)
    ctrl_c = CtrlC()
    try:
        with embedded.acquire() as server:
            signal.signal(signal.SIGINT, ctrl_c)
            console.print(f"A private PostgreSQL {server.version} is running; it stops with this program.")
            with suppress(asyncio.CancelledError):
                asyncio.run(demo(server.dsn, ctrl_c))
    except ChancyError as error:
        console.print(f"[red]The demo cannot run:[/] {escape(str(error))}")
        return 1
    if ctrl_c.pressed:
        raise KeyboardInterrupt
    return 0


async def demo(dsn: str, ctrl_c: CtrlC) -> None:
    """Run the demo, unless Ctrl-C ends it."""
    with ctrl_c.cancels_this_task():
        await show(dsn)


async def show(dsn: str) -> None:
    """Push, run, wait, tell."""
    paths = modules()
    console.print(f"[bold]Chancy demo[/]: {len(paths):,} modules of the standard library, two jobs each.")
    async with (
        empty_schema(dsn),
        new_chancy(dsn) as chancy,
    ):
        with watching.served(chancy, console):
            await work(dsn, chancy, paths)


def new_chancy(dsn: str) -> Chancy:
    """The demo's own, whatever file and variables configure another here."""
    settings: Any = Settings(dsn=dsn, schema=SCHEMA, discover=False)
    return Chancy(config=settings, plugins=watching.plugins())


async def work(dsn: str, chancy: Chancy, paths: Sequence[Path]) -> None:
    """Push, run, wait, tell, in a schema that is there."""
    await chancy.declare(Queue("index", concurrency=4, executor=Chancy.Executor.Threaded))
    jobs = library_jobs(paths)
    start = time.perf_counter()
    await chancy.push_many(jobs)
    console.print(f"Pushed {len(jobs):,} jobs in {time.perf_counter() - start:.2f} s.")
    start = time.perf_counter()
    async with Worker(chancy, grace_s=2):
        references = await special_jobs(chancy)
        total = len(jobs) + len(set(references.values()))
        await show_progress(chancy, total)
        seconds = time.perf_counter() - start
        latencies = await idle_latencies_s(chancy)
        console.print(f"Now {EMPTY:,} jobs that do nothing, for the pace of the queue itself.")
        await chancy.push_many([Job.from_func(demo_jobs.nothing)] * EMPTY)
        await show_progress(chancy, EMPTY)
    special = await chancy.wait_for_jobs(references.values(), timeout=30)
    rows = await finished_rows(dsn)
    empty_s = await empty_jobs_s(dsn)
    summary(rows, seconds, empty_s, latencies)
    special_summary(dict(zip(references, zip(references.values(), special, strict=True), strict=True)))
    # One that could not be read, or was removed meanwhile, failed: it is among the failed jobs, and has no result.
    indexed = (row["result"] for row in rows if row["func"] == "chancy_core.demo.jobs.index")
    modules_summary([result for result in indexed if result])
    console.print(
        f"Every job, its result and its errors are in the schema {SCHEMA!r}, until the next demo.{how_to_look()}"
    )


def modules() -> list[Path]:
    """Every module of the standard library, its own tests included."""
    others = {"site-packages", "dist-packages"}
    return sorted(path for path in STDLIB.rglob("*.py") if others.isdisjoint(path.parts))


def library_jobs(paths: Sequence[Path]) -> list[Job]:
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
    later = Job.from_func(demo_jobs.postcard, kwargs={"text": "wish you were here"}, scheduled_at=soon)
    unique = Job.from_func(demo_jobs.report, kwargs={"title": "daily"}, unique_key="report-daily", scheduled_at=soon)
    quick = Backoff(base_s=0.2)
    flaky = Job.from_func(demo_jobs.flaky, kwargs={"name": "demo"}, max_attempts=3, backoff=quick)
    hopeless = Job.from_func(demo_jobs.hopeless, max_attempts=2, backoff=quick)
    return {
        "scheduled two seconds ahead": await chancy.push(later),
        "unique, pushed": await chancy.push(unique),
        "unique, pushed again": await chancy.push(unique),
        "fails twice": await chancy.push(flaky),
        "always fails": await chancy.push(hopeless),
    }


async def show_progress(chancy: Chancy, total: int) -> None:
    """Live progress on a terminal; a line at each quarter elsewhere. Returns when all jobs have finished."""

    async def finished() -> int:
        return total - sum(sum(states.values()) for states in (await chancy.count_jobs()).values())

    if console.is_terminal:
        await show_bar(finished, total)
    else:
        await show_lines(finished, total)


async def show_bar(finished: Callable[[], Awaitable[int]], total: int) -> None:
    """A bar that grows."""
    columns = (TextColumn("running"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("", total=total)
        while (done := await finished()) < total:
            progress.update(task, completed=done)
            await asyncio.sleep(0.1)
        progress.update(task, completed=total)


async def show_lines(finished: Callable[[], Awaitable[int]], total: int) -> None:
    """A line at each quarter."""
    quarter = 0
    while quarter < 4:  # noqa: PLR2004
        done = await finished()
        if done * 4 // total > quarter:
            quarter = done * 4 // total
            console.print(f"  {done:,} of {total:,} jobs")
        await asyncio.sleep(0.1)


async def idle_latencies_s(chancy: Chancy) -> list[float]:
    """From push to start, one job after another on a worker that has nothing else to do; by the database's clock."""
    jobs = [await (await chancy.push(Job.from_func(demo_jobs.ping))).wait(timeout=30) for _ in range(PINGS)]
    return sorted(waited_s(job.created_at, job.started_at) for job in jobs)


def waited_s(since: datetime | None, until: datetime | None) -> float:
    """Seconds from one moment to another, both known."""
    assert since is not None
    assert until is not None
    return (until - since).total_seconds()


def percentile(ordered: Sequence[float], percent: int) -> float:
    """The value that so many percent of the values do not exceed."""
    return ordered[max(-(-len(ordered) * percent // 100) - 1, 0)]


async def finished_rows(dsn: str) -> list[dict[str, Any]]:
    """Everything that finished, but for the jobs that do nothing."""
    async with await psycopg.AsyncConnection.connect(dsn, row_factory=dict_row) as connection:
        cursor = await connection.execute(
            "SELECT func, state, attempts, errors, result, created_at, scheduled_at, started_at "
            f'FROM "{SCHEMA}".finished_jobs WHERE func <> ALL (%s)'.encode(),
            [["chancy_core.demo.jobs.ping", "chancy_core.demo.jobs.nothing"]],
        )
        return await cursor.fetchall()


async def empty_jobs_s(dsn: str) -> float:
    """Seconds from the start of the first job that does nothing to the recorded end of the last."""
    async with await psycopg.AsyncConnection.connect(dsn, row_factory=dict_row) as connection:
        cursor = await connection.execute(
            "SELECT min(started_at) AS first, max(finished_at) AS last "
            f'FROM "{SCHEMA}".finished_jobs WHERE func = %s'.encode(),
            ["chancy_core.demo.jobs.nothing"],
        )
        (row,) = await cursor.fetchall()
        return waited_s(row["first"], row["last"])


def summary(rows: list[dict[str, Any]], seconds: float, empty_s: float, idle: list[float]) -> None:
    """What a person wants to know afterwards."""
    failed = [row for row in rows if row["state"] == "failed"]
    runs = sum(row["attempts"] for row in rows)
    bulk = sorted(
        waited_s(row["created_at"], row["started_at"])
        for row in rows
        if row["attempts"] == 1 and row["scheduled_at"] is None
    )
    table = Table.grid(padding=(0, 2))
    table.add_row("jobs run", f"[bold]{len(rows):,}[/], of which {len(failed):,} failed")
    table.add_row(
        "the queue's pace",
        f"[bold]{EMPTY / empty_s:,.0f}[/] jobs/s: {EMPTY:,} jobs that do nothing, {empty_s:.1f} s, one worker process",
    )
    table.add_row(
        "these jobs'",
        f"{len(rows) / seconds:,.0f} jobs/s for {seconds:.1f} s: to parse and hash files takes the time",
    )
    table.add_row(
        "push to start",
        f"[bold]{percentile(idle, 50) * 1000:.1f} ms[/] median, {percentile(idle, 99) * 1000:.1f} ms p99: "
        f"{len(idle)} jobs, each on an idle worker",
    )
    table.add_row(
        "",
        f"{percentile(bulk, 50):.1f} s median, {percentile(bulk, 99):.1f} s p99: "
        f"{len(bulk):,} jobs, nearly all pushed at once",
    )
    table.add_row("retries", f"{runs - len(rows):,}")
    for row in failed:
        error = row["errors"][-1]
        reason = f"{error['type']}: {error['message']}"
        tries = f"{row['attempts']} attempt{'' if row['attempts'] == 1 else 's'}"
        table.add_row("failed", escape(f"{row['func']}, after {tries}: {reason}"))
    console.print()
    console.print(table)


def special_summary(special: dict[str, tuple[Reference, QueuedJob]]) -> None:
    """What became of the jobs that were not just work."""
    table = Table("what was asked", "what happened", box=None, padding=(0, 2, 0, 0))
    for what, (reference, job) in special.items():
        more = ""
        if what.startswith("scheduled"):
            more = f", {waited_s(job.scheduled_at, job.started_at) * 1000:.0f} ms after its time"
        elif not reference.created:
            more = ": the same job, not a second one"
        table.add_row(what, f"{job.state} at attempt {job.attempts}{more}")
    console.print()
    console.print(table)


def modules_summary(found: list[dict[str, Any]]) -> None:
    """What the work was about."""
    table = Table("the biggest modules", box=None, padding=(0, 2, 0, 0))
    for column in ("lines", "functions", "classes"):
        table.add_column(column, justify="right")
    for module in sorted(found, key=lambda module: -module["lines"])[:BIGGEST]:
        name = str(Path(module["path"]).relative_to(STDLIB))
        counts = (module["lines"], module.get("functions", 0), module.get("classes", 0))
        table.add_row(escape(name), *(f"{count:,}" for count in counts))
    console.print()
    console.print(table)
    broken = sum("broken" in module for module in found)
    console.print(
        f"\n{sum(module['lines'] for module in found):,} lines in {len(found):,} modules, "
        f"{broken:,} of which do not parse: the library tests Python with them."
    )
