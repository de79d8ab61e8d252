"""A child in a peer's environment: drives one peer as told by lines on standard input, answering by lines of JSON.

Arguments: the driver's name, `producer` or `worker`, the DSN, and for a worker its concurrency and the shape of its
jobs: `nothing`, which is what a driver runs best; `plain` functions, in threads; `sleeps`, the same for 5 ms;
`children`, plain functions in child processes; `raises` and `raises20`, with one frame and with twenty. Needs nothing
but the standard library and what the driver imports. All that is timed here is timed in the same way for every peer.

A producer answers: `bulk N`, `calls N SIZE`, `single N`, `many N TASKS` with seconds; `pad KB`; `stamp` when stored;
`left` with a count; `flow SHAPE N` with the seconds from the push of N steps of workflows to their end: in shape 0, N
steps before one; in 1, each after the one before; in 2, workflows of ten, where eight come after one, and one after
these. A worker says `ready` once it can begin, and answers: `go` when it works, `halt` when it has stopped, `count`
with how many jobs it has begun, `cpu` with its processor seconds. Jobs that carry the time of their push say
`{"delay_s": ...}` as they start.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import json
import logging
import multiprocessing
import sys
import time
from pathlib import Path
from typing import Any

SLEEP_S = 0.005
begun = multiprocessing.Value("l", 0)
shape = "nothing"
padding: dict[str, Any] = {}


def say(answer: object) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


def begin(pushed_at: float) -> None:
    """What every job does: counts, and says how long ago it was pushed if it carries the time."""
    # Threads and child processes count, too.
    with begun.get_lock():
        begun.value += 1
    if pushed_at:
        say({"delay_s": time.monotonic() - pushed_at})


def is_plain() -> bool:
    """Whether functions are to be plain ones."""
    return shape in ("plain", "sleeps", "children")


def act() -> None:
    """What a job does beside that, by its shape."""
    if shape == "sleeps":
        time.sleep(SLEEP_S)
    elif shape == "raises":
        raise ValueError("on purpose")
    elif shape == "raises20":
        _deep(18)


def _deep(frames: int) -> None:
    if frames > 1:
        _deeper(frames - 1)
    raise ValueError("on purpose")


def _deeper(frames: int) -> None:
    # Two that call each other, because of one that calls itself a traceback shows only some frames.
    if frames > 1:
        _deep(frames - 1)
    raise ValueError("on purpose")


def load(name: str) -> Any:
    """The driver. By its file and not by its name, which is often that of the library it drives."""
    spec = importlib.util.spec_from_file_location("peer_driver", Path(__file__).parent / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # Peers look up functions by module and name.
    sys.modules["peer_driver"] = module
    sys.modules["peer_run"] = sys.modules["__main__"]
    spec.loader.exec_module(module)
    return module


async def commands() -> asyncio.StreamReader:
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    return reader


async def produce(driver: Any, dsn: str) -> None:
    reader = await commands()
    async with driver.producer(dsn) as producer:
        say("ready")
        while line := (await reader.readline()).decode().split():
            name, *numbers = line
            say(await globals()[f"do_{name}"](producer, *map(int, numbers)))


async def do_bulk(producer: Any, count: int) -> dict[str, float]:
    # What an application would hold when it begins to push: its arguments, or the library's own objects.
    jobs = producer.jobs(range(count))
    start = time.perf_counter()
    await producer.push_many(jobs)
    return {"seconds": time.perf_counter() - start}


async def do_calls(producer: Any, count: int, size: int) -> dict[str, float]:
    # As many calls as it takes, of so many jobs each, one after another.
    calls = [producer.jobs(range(first, first + size)) for first in range(0, count, size)]
    await producer.push_many(calls[0])
    start = time.perf_counter()
    for jobs in calls:
        await producer.push_many(jobs)
    return {"seconds": time.perf_counter() - start}


async def do_pad(producer: Any, kilobytes: int) -> str:  # noqa: ARG001
    # The jobs of the next pushes carry records of so many kilobytes.
    padding["data"] = [{"id": n, "name": f"name {n}", "price": n * 1.25, "ok": True} for n in range(kilobytes * 20)]
    return "padded"


async def do_single(producer: Any, count: int) -> dict[str, float]:
    await producer.push(0, 0.0)
    start = time.perf_counter()
    for n in range(count):
        await producer.push(n, 0.0)
    return {"seconds": time.perf_counter() - start}


async def do_many(producer: Any, count: int, tasks: int) -> dict[str, float]:
    await producer.push(0, 0.0)

    async def some() -> None:
        for n in range(count // tasks):
            await producer.push(n, 0.0)

    start = time.perf_counter()
    await asyncio.gather(*(some() for _ in range(tasks)))
    return {"seconds": time.perf_counter() - start}


async def do_stamp(producer: Any) -> str:
    await producer.push(0, time.monotonic())
    return "pushed"


async def do_flow(producer: Any, shape: int, count: int) -> dict[str, float]:
    start = time.perf_counter()
    await (producer.fan_in, producer.chain, producer.tens)[shape](count)
    return {"seconds": time.perf_counter() - start}


async def do_left(producer: Any) -> int:
    left: int = await producer.left()
    return left


async def do_clear(producer: Any) -> str:
    await producer.clear()
    return "cleared"


async def work(driver: Any, dsn: str, concurrency: int) -> None:
    reader = await commands()
    async with contextlib.AsyncExitStack() as stack:
        say("ready")
        while line := (await reader.readline()).decode().strip():
            if line == "go":
                await stack.enter_async_context(driver.worker(dsn, concurrency))
                say("working")
            elif line == "halt":
                await stack.aclose()
                say("halted")
            elif line == "count":
                say(begun.value)
            elif line == "cpu":
                say(time.process_time())


def main(name: str, role: str, dsn: str, concurrency: str = "100", its_shape: str = "nothing") -> None:
    global shape  # noqa: PLW0603 -- one a process
    shape = its_shape
    if shape.startswith("raises"):
        # What a job raised is recorded. Nobody is measured by where they write their log.
        logging.disable(logging.CRITICAL)
    driver = load(name)
    if role == "install":
        asyncio.run(driver.install(dsn))
        return
    loop_factory = None
    with contextlib.suppress(ImportError):
        import uvloop

        loop_factory = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(produce(driver, dsn) if role == "producer" else work(driver, dsn, int(concurrency)))


if __name__ == "__main__":
    main(*sys.argv[1:])
