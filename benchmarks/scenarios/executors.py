"""Jobs a second on each executor, and what a child process adds to a job that waits for nobody."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from benchmarks import draining, work
from benchmarks.database import Bench
from benchmarks.frame import Comparison, Sample, Scenario
from chancy import Chancy, Queue, QueuedJob
from chancy_core.executors import ExecutorSettings, load_executor
from chancy_core.executors.functions import Functions

Executor = Chancy.Executor
RESULT_LIMIT_BYTES = 1_000_000
# Children that share the processors with PostgreSQL; the others have the worker's usual hundred slots.
CHILDREN = 4
# A child may add half a millisecond to a job, which is what fourteen echoes take on a machine with nothing else to do.
ALONE_AT_LEAST_S = 2000
ALONE_RATIO = 0.07
ECHO = """\
import socket, sys
sock = socket.socket(fileno=int(sys.argv[1]))
while data := sock.recv(4096):
    sock.sendall(data)
"""
MESSAGE = b"x" * 600


def scenario(bench: Bench) -> Scenario:
    few, many = (4_000, 10_000) if bench.quick else (10_000, 20_000)
    tables: list[Chancy] = []

    @asynccontextmanager
    async def around() -> AsyncIterator[None]:
        async with bench.schema("executors") as chancy:
            tables.append(chancy)
            yield

    drained = partial(draining.by_executor, bench, tables)

    async def alone(executor: Executor) -> Sample:
        settings = ExecutorSettings("bench", CHILDREN, RESULT_LIMIT_BYTES, Functions())
        running = load_executor(Queue("alone", executor=executor), settings)
        await running.start()
        job = QueuedJob(func=work.NOTHING, kwargs={"n": 1}, id=uuid.uuid4(), state=QueuedJob.State.RUNNING)
        await running.run(job)
        start = time.perf_counter()
        for _ in range(few):
            await running.run(job)
        took_s = time.perf_counter() - start
        await running.close()
        return {"jobs_s": few / took_s}

    async def echo() -> Sample:
        loop = asyncio.get_running_loop()
        ours, its = socket.socketpair()
        with ours, subprocess.Popen([sys.executable, "-c", ECHO, str(its.fileno())], pass_fds=[its.fileno()]):  # noqa: ASYNC220
            its.close()
            ours.setblocking(False)
            await _echoed(loop, ours)
            start = time.perf_counter()
            for _ in range(few):
                await _echoed(loop, ours)
            took_s = time.perf_counter() - start
            ours.close()
        return {"jobs_s": few / took_s}

    return Scenario(
        name="executors",
        how=(
            f"drained as in drain, {many:,} jobs (in children {few:,}, {CHILDREN} at a time, their start included); "
            f"alone: {few:,} jobs one after another, by the executor itself, without queue or database; beside it a "
            "child that sends back what it gets"
        ),
        subjects={
            "async": drained(Executor.Async, many, work.nothing_job, 100),
            "threaded": drained(Executor.Threaded, many, work.nothing_sync_job, 100),
            "auto": drained(Executor.Auto, many, work.nothing_job, 100),
            "auto, threads": drained(Executor.Auto, many, work.nothing_sync_job, 100),
            "process": drained(Executor.Process, few, work.nothing_sync_job, CHILDREN),
            "echo": echo,
            "process alone": lambda: alone(Executor.Process),
        },
        comparisons=[
            Comparison("Threaded, beside Async", "threaded", "async"),
            Comparison("Auto on the loop, beside Async", "auto", "async", at_least=0.9),
            Comparison("Auto in threads, beside Threaded", "auto, threads", "threaded", at_least=0.9),
            Comparison("Process, beside Async", "process", "async"),
            Comparison(
                "Process alone, beside a bare echo",
                "process alone",
                "echo",
                at_least=ALONE_RATIO,
                enough=ALONE_AT_LEAST_S,
            ),
        ],
        repeats=3 if bench.quick else 5,
        budget_s=30,
        around=around(),
    )


async def _echoed(loop: asyncio.AbstractEventLoop, sock: socket.socket) -> None:
    await loop.sock_sendall(sock, MESSAGE)
    left = len(MESSAGE)
    while left:
        left -= len(await loop.sock_recv(sock, left))
