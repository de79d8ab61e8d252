"""`chancy worker`."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final, NamedTuple, NoReturn

import click

from chancy_core.app import Chancy
from chancy_core.cli import logs
from chancy_core.cli.beginning import preload, set_up
from chancy_core.cli.ending import Ends
from chancy_core.cli.exits import LEFT_UNABLE, exits
from chancy_core.cli.garbage import keep_all
from chancy_core.cli.heeding import Heeding, Told, end_within
from chancy_core.cli.program import ends_its_process, start_of
from chancy_core.cli.ranged import Ranged
from chancy_core.cli.repeating import command_of
from chancy_core.cli.suggesting import queue_names
from chancy_core.cli.supervised import Place, PlaceOption, Supervisor
from chancy_core.cli.supervising import check_watch, supervise
from chancy_core.log import log
from chancy_core.values.ranges import CONCURRENCY, DUE_WITHIN_S, GRACE_S, PROCESSES
from chancy_core.worker import Stopped, Worker
from chancy_core.worker.process import loop_factory, raise_descriptor_limit
from chancy_core.worker.signals import unheeded

# The worker has stopped, and all is written: what is left are tasks that swallow their cancellation, and threads.
ENDS_WITHIN_S: Final = 10.0
# How long it may take to give up a start that is under way, such as a migration that waits for a lock.
STARTING_ENDS_WITHIN_S: Final = 5.0

CODES: Final = {
    0: "every job came to its end",
    1: "it could not start: the line on stderr says why",
    3: "the grace time was over and jobs were handed back",
    4: "stopped at once",
    5: "some outcomes could not be written",
    6: "it could do nothing any more and should be started again",
    LEFT_UNABLE: "with --until-idle: all that is left are jobs that it cannot run",
}


@click.command(epilog=exits(CODES))
@click.option("--name", help="A readable name; default: host and process id.")
@click.option("--tag", "tags", multiple=True, help="A tag that queues may ask for; may be repeated.")
@click.option(
    "--queue",
    "queues",
    multiple=True,
    metavar="NAME",
    shell_complete=queue_names,
    help="A queue to serve, or several with commas; * stands for any characters. Default: all that its tags match.",
)
@click.option("--concurrency", type=Ranged(CONCURRENCY), help="Jobs at a time, for queues that do not say.")
@click.option("--grace", "grace_s", type=Ranged(GRACE_S), help="Seconds that running jobs may take to end at shutdown.")
@click.option("--processes", type=Ranged(PROCESSES), help="So many workers, each in a process that is kept alive.")
@click.option("--watch", is_flag=True, help="Start anew when code in this folder has changed: for development.")
@click.option(
    "--preload", "modules", multiple=True, metavar="MODULE", help="Import it before the first job; repeatable."
)
@click.option(
    "--setup", "setups", multiple=True, metavar="MODULE:FUNCTION", help="Call it before the first job; repeatable."
)
@click.option("--until-idle", is_flag=True, help="End when there is nothing left to do.")
@click.option(
    "--due-within", type=Ranged(DUE_WITHIN_S), help="With --until-idle: seconds for which to wait for what is not due."
)
@click.option("--log-format", type=click.Choice(logs.FORMATS), help=logs.FORMAT_HELP)
@click.option("--place", type=PlaceOption(), hidden=True)
@click.pass_context
def worker(
    ctx: click.Context,
    name: str | None,
    tags: tuple[str, ...],
    queues: tuple[str, ...],
    concurrency: int | None,
    grace_s: float | None,
    processes: int | None,
    watch: bool,
    modules: tuple[str, ...],
    setups: tuple[str, ...],
    until_idle: bool,
    due_within: float | None,
    log_format: str | None,
    place: Place | None,
) -> None:
    """Run jobs until told to stop.

    SIGTERM, SIGHUP or Ctrl-C stops claiming and lets running jobs end; a second one ends it within a second.

    With --processes, a process that has ended is started again, after a pause that grows. Signals are passed on, and
    may reach the processes besides; all of them write one log, and the exit code is the highest of theirs.
    """
    new_chancy: Callable[..., Chancy] = ctx.obj
    if due_within is not None and not until_idle:
        raise click.UsageError("--due-within is given, but not --until-idle.")
    if watch:
        check_watch(until_idle=until_idle)
    raise_descriptor_limit()
    if log_format is not None:
        logs.use(log_format)
    leaving = _Leaving(ends_its_process(ctx))
    leaving.begin()
    if (processes is not None or watch) and place is None:
        # What is wrong with the settings is told once, before anything is started.
        new_chancy()
        code = asyncio.run(supervise([*start_of(ctx), *command_of(ctx)], processes or 1, ends=until_idle, watch=watch))
        leaving.leave(code)
    supervisor = None if place is None else Supervisor(place)
    preload(modules)

    async def work() -> int:
        chancy = new_chancy() if log_format is None else new_chancy(log_format=log_format)
        running = Worker(
            chancy,
            name=name,
            tags=tags or None,
            queues=_names(queues) or None,
            concurrency=concurrency,
            grace_s=grace_s,
        )
        ends = Ends(running, due_within or 0.0) if until_idle else None
        told = Told()
        Heeding(running, told, supervisor).begin()
        how = await _serve(chancy, running, told, Beginning(setups, supervisor, ends))
        told.code = how if ends is None else ends.code(how)
        return told.code

    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        try:
            how = runner.run(work())
        except BaseException as error:
            leaving.hasten(1, str(error) or type(error).__name__)
            raise
        leaving.hasten(how, f"stopped: {_name(how)}")
    leaving.leave(how)


class _Leaving:
    """What a worker does to its process because that ends with it; nothing to one that goes on."""

    def __init__(self, ends_process: bool) -> None:
        self._ends_process: Final = ends_process

    def begin(self) -> None:
        """Keep the log, and take what nobody catches."""
        if self._ends_process:
            logs.keep()

    def hasten(self, code: int, reason: str) -> None:
        """See to it that the process ends in time."""
        if self._ends_process:
            end_within(ENDS_WITHIN_S, code=code, reason=reason)

    def leave(self, code: int) -> NoReturn:
        """End."""
        if self._ends_process:
            unheeded()
        sys.exit(code)


class Beginning(NamedTuple):
    """What is done when a worker begins, beside that.

    Attributes:
        setups: functions that are called before it opens.
        supervisor: who wants to know that it has begun, if anybody.
        ends: ends it when there is nothing left to do, if that is wanted.
    """

    setups: tuple[str, ...]
    supervisor: Supervisor | None
    ends: Ends | None


def _names(given: Sequence[str]) -> list[str]:
    """The names in `--queue a,b --queue c`; none of a queue has a comma."""
    return [name.strip() for text in given for name in text.split(",")]


async def _serve(chancy: Chancy, running: Worker, told: Told, beginning: Beginning) -> Stopped:
    """Open, work, stop, close. Being told to stop ends it in each of these."""
    starting = asyncio.ensure_future(_start(chancy, running, beginning.setups))
    telling = asyncio.ensure_future(told.wait())
    try:
        await asyncio.wait({starting, telling}, return_when=asyncio.FIRST_COMPLETED)
        if not starting.done():
            log.info("start_given_up", worker=running.name)
            end_within(STARTING_ENDS_WITHIN_S, code=Stopped.DRAINED, reason="stopped while it was starting")
            starting.cancel()
            with suppress(asyncio.CancelledError):
                await starting
            return Stopped.DRAINED
        starting.result()
        keep_all()
        if beginning.supervisor is not None:
            beginning.supervisor.works()
        if beginning.ends is not None:
            beginning.ends.begin()
        return await running.wait_for_shutdown(signals=False)
    finally:
        telling.cancel()
        # Whatever has gone wrong since it started: it says goodbye.
        await running.stop()
        await chancy.close()


async def _start(chancy: Chancy, running: Worker, setups: tuple[str, ...]) -> None:
    await set_up(setups)
    await chancy.open()
    await running.start()


def _name(code: int) -> str:
    return Stopped(code).name.lower() if code in list(Stopped) else str(code)
