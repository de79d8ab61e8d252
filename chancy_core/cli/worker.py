"""`chancy worker`."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Final

import click

from chancy_core.app import Chancy
from chancy_core.cli import logs
from chancy_core.cli.garbage import keep_all
from chancy_core.cli.ranged import Ranged
from chancy_core.log import log
from chancy_core.values.ranges import CONCURRENCY, GRACE_S
from chancy_core.worker import Stopped, Worker
from chancy_core.worker.process import loop_factory, raise_descriptor_limit
from chancy_core.worker.signals import STOP_SIGNALS

# The worker has stopped, and all is written: what is left are tasks that swallow their cancellation, and threads.
ENDS_WITHIN_S: Final = 10.0
# How long it may take to give up a start that is under way, such as a migration that waits for a lock.
STARTING_ENDS_WITHIN_S: Final = 5.0
# A second signal ends the process within a second, whatever hangs.
SECOND_ENDS_WITHIN_S: Final = 0.9


@click.command()
@click.option("--name", help="A readable name; default: host and process id.")
@click.option("--tag", "tags", multiple=True, help="A tag that queues may ask for; may be repeated.")
@click.option("--concurrency", type=Ranged(CONCURRENCY), help="Jobs at a time, for queues that do not say.")
@click.option("--grace", "grace_s", type=Ranged(GRACE_S), help="Seconds that running jobs may take to end at shutdown.")
@click.option("--log-format", type=click.Choice(logs.FORMATS), help=logs.FORMAT_HELP)
@click.pass_obj
def worker(
    new_chancy: Callable[..., Chancy],
    name: str | None,
    tags: tuple[str, ...],
    concurrency: int | None,
    grace_s: float | None,
    log_format: str | None,
) -> None:
    """Run jobs until told to stop.

    SIGTERM, SIGHUP or Ctrl-C stops claiming and lets running jobs end; a second one ends it within a second. Exit
    codes: 0 every job came to its end, 3 the grace time was over and jobs were handed back, 4 stopped at once, 5 some
    outcomes could not be written, 6 it could do nothing any more and should be started again.
    """
    raise_descriptor_limit()
    if log_format is not None:
        logs.use(log_format)
    logs.keep()

    async def work() -> Stopped:
        chancy = new_chancy() if log_format is None else new_chancy(log_format=log_format)
        running = Worker(chancy, name=name, tags=tags or None, concurrency=concurrency, grace_s=grace_s)
        with _heeded(running) as told:
            return await _serve(chancy, running, told)

    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        try:
            how = runner.run(work())
        except BaseException as error:
            _end_within(ENDS_WITHIN_S, code=1, reason=str(error) or type(error).__name__)
            raise
        _end_within(ENDS_WITHIN_S, code=how, reason=f"stopped: {how.name.lower()}")
    sys.exit(how)


async def _serve(chancy: Chancy, running: Worker, told: asyncio.Event) -> Stopped:
    """Open, work, stop, close. Being told to stop ends it in each of these."""
    starting = asyncio.ensure_future(_start(chancy, running))
    telling = asyncio.ensure_future(told.wait())
    try:
        await asyncio.wait({starting, telling}, return_when=asyncio.FIRST_COMPLETED)
        if not starting.done():
            log.info("start_given_up", worker=running.name)
            _end_within(STARTING_ENDS_WITHIN_S, code=Stopped.DRAINED, reason="stopped while it was starting")
            starting.cancel()
            with suppress(asyncio.CancelledError):
                await starting
            return Stopped.DRAINED
        starting.result()
        keep_all()
        return await running.wait_for_shutdown(signals=False)
    finally:
        telling.cancel()
        await chancy.close()


async def _start(chancy: Chancy, running: Worker) -> None:
    await chancy.open()
    await running.start()


@contextmanager
def _heeded(running: Worker) -> Iterator[asyncio.Event]:
    """Signals tell the worker to stop, from its first moment on; a second one ends the process, whatever it does.

    They are heeded where the interpreter hears them, not on the loop: a job may be blocking that.
    """
    loop = asyncio.get_running_loop()
    told = asyncio.Event()
    heard = 0

    def tell() -> None:
        told.set()
        running.shut_down()

    def hear(_number: int, _frame: FrameType | None) -> None:
        nonlocal heard
        heard += 1
        if heard == 2:  # noqa: PLR2004 -- the second
            _end_within(SECOND_ENDS_WITHIN_S, code=Stopped.AT_ONCE, reason="told twice", worker=running)
        loop.call_soon_threadsafe(tell)

    before = {}
    for number in STOP_SIGNALS:
        # As `nohup` has it.
        if signal.getsignal(number) is not signal.SIG_IGN:
            before[number] = signal.signal(number, hear)
    try:
        yield told
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _end_within(seconds: float, *, code: int, reason: str, worker: Worker | None = None) -> None:
    """End the process after so many seconds, if something that ignores being told to stop keeps it from ending."""

    def end() -> None:
        time.sleep(seconds)
        unwritten = worker.unwritten if worker is not None else 0
        log.error(
            "exit_forced",
            code=Stopped.UNWRITTEN if unwritten else code,
            reason=reason,
            unwritten=unwritten,
            hint="A task or a thread of a job or a plugin did not end, or the database did not answer.",
        )
        logging.shutdown()
        os._exit(Stopped.UNWRITTEN if unwritten else code)

    threading.Thread(target=end, name="chancy-end", daemon=True).start()
