"""`chancy worker`."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable

import click

from chancy_core.app import Chancy
from chancy_core.worker import Stopped, Worker


@click.command()
@click.option("--name", help="A readable name; default: host and process id.")
@click.option("--tag", "tags", multiple=True, help="A tag that queues may ask for; may be repeated.")
@click.option("--concurrency", type=click.IntRange(min=1), help="Jobs at a time, for queues that do not say.")
@click.option("--grace", "grace_s", type=float, help="Seconds that running jobs may take to end at shutdown.")
@click.pass_obj
def worker(
    new_chancy: Callable[[], Chancy],
    name: str | None,
    tags: tuple[str, ...],
    concurrency: int | None,
    grace_s: float | None,
) -> None:
    """Run jobs until told to stop.

    SIGTERM or Ctrl-C stops claiming and lets running jobs end; a second one stops at once. Exit codes: 0 every job came
    to its end, 3 the grace time was over and jobs were handed back, 4 stopped at once.
    """

    async def work() -> Stopped:
        async with (
            new_chancy() as chancy,
            Worker(chancy, name=name, tags=tags or None, concurrency=concurrency, grace_s=grace_s) as running,
        ):
            return await running.wait_for_shutdown()

    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        how = runner.run(work())
    sys.exit(how)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop  # noqa: PLC0415 -- from the extra `fast`
    except ImportError:
        return None
    return uvloop.new_event_loop
