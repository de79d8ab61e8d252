"""`chancy worker`."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import threading
import time
from collections.abc import Callable
from typing import Final

import click

from chancy_core.app import Chancy
from chancy_core.garbage import keep_all
from chancy_core.log import log
from chancy_core.worker import Stopped, Worker
from chancy_core.worker.process import loop_factory

# The worker has stopped, and all is written: what is left are tasks that swallow their cancellation, and threads.
ENDS_WITHIN_S: Final = 10.0


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
            keep_all()
            return await running.wait_for_shutdown()

    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        try:
            how = runner.run(work())
        except BaseException as error:
            _end_within(ENDS_WITHIN_S, code=1, reason=str(error) or type(error).__name__)
            raise
        _end_within(ENDS_WITHIN_S, code=how, reason=f"stopped: {how.name.lower()}")
    sys.exit(how)


def _end_within(seconds: float, *, code: int, reason: str) -> None:
    """End the process after so many seconds, if something that ignores being told to stop keeps it from ending."""

    def end() -> None:
        time.sleep(seconds)
        log.error("exit_forced", code=code, reason=reason, hint="A task or a thread of a job or a plugin did not end.")
        logging.shutdown()
        os._exit(code)

    threading.Thread(target=end, name="chancy-end", daemon=True).start()
