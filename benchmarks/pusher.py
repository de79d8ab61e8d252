"""A child: pushes at a steady rate, a few jobs every few milliseconds, each with the time of its push.

Arguments: DSN, schema, jobs a second, seconds. Says how many it pushed, and by how much it fell behind at most.
"""

from __future__ import annotations

import asyncio
import sys
import time

from benchmarks import work
from benchmarks.children import say
from chancy import Chancy, Job
from chancy_core.cli.garbage import collect_less, keep_all
from chancy_core.worker.process import loop_factory

TICK_S = 0.01


async def main(dsn: str, schema: str, rate: str, seconds: str) -> None:
    async with Chancy(dsn, schema=schema, discover=False) as chancy:
        # A full collection would hold up the pushes for 25 to 80 ms, every ten seconds, which is no doing of the queue.
        collect_less()
        keep_all()
        say("ready")
        await asyncio.to_thread(sys.stdin.readline)
        start = time.monotonic()
        pushed, behind_s = 0, 0.0
        while (now := time.monotonic()) < start + float(seconds):
            due = int((now - start) * float(rate))
            kwargs = {"pushed_at": now}
            if jobs := [Job(func=work.STAMP, kwargs=kwargs) for _ in range(due - pushed)]:
                await chancy.push_many("default", jobs)
            pushed = due
            late_s = time.monotonic() - now - TICK_S
            behind_s = max(behind_s, late_s)
            await asyncio.sleep(max(0.0, -late_s))
        say(pushed)
        say(behind_s)


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(main(*sys.argv[1:]))
