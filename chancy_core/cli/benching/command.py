"""`chancy bench`."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Final, NamedTuple

import click
import msgspec

from chancy_core.app import Chancy
from chancy_core.cli.benching import report
from chancy_core.cli.benching.draining import drain
from chancy_core.cli.benching.jobs import job_of, payload
from chancy_core.cli.benching.limits import limit_of
from chancy_core.cli.benching.measuring import BATCH_BYTES_MAX, Waits, batch_max, pushes, round_trips, starts_ms
from chancy_core.cli.benching.place import look, place
from chancy_core.cli.benching.sizes import Size
from chancy_core.cli.ranged import Ranged
from chancy_core.cli.showing import json_option, show_json
from chancy_core.cli.times import exact_span, size
from chancy_core.config import Settings
from chancy_core.embedded import acquire
from chancy_core.errors import ConfigError
from chancy_core.store.benching import ServerLook
from chancy_core.store.connect import where
from chancy_core.values.ranges import Range

SECONDS: Final = Range(0.1, 600, "seconds")
PROCESSES: Final = Range(1, 64, "processes", whole=True)
PUSHERS: Final = Range(1, 1000, "tasks", whole=True)
# What a job is on the disk beside its arguments.
ROW_BYTES: Final = 300


class Asked(NamedTuple):
    """What was asked for.

    Attributes:
        payload_bytes: the arguments of a job, as JSON.
        seconds: how long each step takes.
        processes: how many workers at most.
        pushers: how many tasks push at once.
    """

    payload_bytes: int
    seconds: float
    processes: int
    pushers: int

    @property
    def job_bytes(self) -> int:
        """A job on the disk."""
        return self.payload_bytes + ROW_BYTES

    @property
    def crews(self) -> Sequence[int]:
        """How many processes are tried, one after the other: 1, 2, 4 … and the most."""
        powers = [2**power for power in range(self.processes.bit_length()) if 2**power < self.processes]
        return [*powers, self.processes]


@click.command()
@click.option("--payload", type=Size(), default="200", show_default=True, help="The arguments of a job: 500, 2kB, 1MB.")
@click.option("--seconds", type=Ranged(SECONDS), default=3.0, show_default=True, help="How long each step takes.")
@click.option(
    "--processes", type=Ranged(PROCESSES), default=2, show_default=True, help="Workers: tries 1, 2, 4 … up to these."
)
@click.option("--pushers", type=Ranged(PUSHERS), default=50, show_default=True, help="Tasks that push at once.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@click.pass_obj
def bench(
    new_chancy: Callable[..., Chancy],
    payload: int,
    seconds: float,
    processes: float,
    pushers: float,
    yes: bool,
    as_json: bool,
) -> None:
    """How many jobs a second your database and this machine take, and what limits them.

    It works in a schema of its own, chancy_bench_…, which it drops at the end; your jobs and queues are not touched.
    But it takes all that the server has to give for some seconds: do not run it where that would hurt.
    """
    # What is made and started is told on the screen already.
    logging.getLogger("chancy").setLevel(logging.ERROR)
    settings = new_chancy(looking=True).settings
    asked = Asked(payload, seconds, int(processes), int(pushers))
    if asked.payload_bytes > settings.payload_limit_bytes:
        raise ConfigError(
            f"--payload is {asked.payload_bytes:,} bytes, and payload_limit_bytes {settings.payload_limit_bytes:,}: "
            "no job can be pushed with so much. Give less, or raise that setting."
        )
    with ExitStack() as shares:
        dsn = settings.dsn or shares.enter_context(acquire()).dsn
        server = asyncio.run(look(settings, dsn))
        _tell(asked, server, where(dsn))
        if not yes:
            _ask()
        found = asyncio.run(_run(settings, dsn, server, asked))
    if as_json:
        show_json(msgspec.to_builtins(found))
    else:
        report.show(found)


def _tell(asked: Asked, server: ServerLook, at: str) -> None:
    """Say what is about to happen, on stderr, so that a document stays one."""
    steps = 4 + 2 * len(asked.crews)
    most = size(min(batch_max(asked.job_bytes) * asked.job_bytes, BATCH_BYTES_MAX + ROW_BYTES))
    crews = list(map(str, asked.crews))
    lines = (
        f"PostgreSQL {server.version} at {at}; {server.connections} of {server.connections_max} connections, ",
        f"{server.others} others at work. ",
        f"Pushes and runs jobs of {asked.payload_bytes:,} bytes for about {exact_span(steps * asked.seconds)}, ",
        f"with {', '.join(crews)} worker process{'es' if asked.processes > 1 else ''}, ",
        "in a schema of its own that is dropped afterwards: ",
        f"up to {most} of tables at a time, and as much WAL a batch.",
    )
    click.echo(click.wrap_text("".join(lines), width=79), err=True)


def _ask() -> None:
    if not sys.stdin.isatty():
        raise click.UsageError("Nobody can be asked here whether this may load the server so much: say --yes.")
    click.confirm("Go on?", abort=True, err=True)


async def _run(settings: Settings, dsn: str, server: ServerLook, asked: Asked) -> report.Run:
    job = job_of(asked.payload_bytes)
    async with place(settings, dsn) as where_:
        _progress("round trips and commits")
        round_trip_ms, commit_ms = await round_trips(where_.chancy, asked.seconds)
        _progress("pushes")
        pushed = await pushes(where_, job, asked.job_bytes, asked.seconds, asked.pushers)
        _progress("push to start")
        start_ms, start_p99_ms = await starts_ms(where_, job, asked.seconds)
        drains = []
        for processes in asked.crews:
            _progress(f"jobs, {processes} process{'es' if processes > 1 else ''}")
            drains.append(await drain(where_, job, asked.job_bytes, asked.seconds, processes))
        _progress("")
        waits = Waits(round_trip_ms=round_trip_ms, commit_ms=commit_ms, start_ms=start_ms, start_p99_ms=start_p99_ms)
        return report.Run(
            server=server,
            pooler=settings.pooler,
            payload_bytes=len(msgspec.json.encode(payload(asked.payload_bytes))),
            seconds=asked.seconds,
            waits=waits,
            pushed=pushed,
            drains=drains,
            limits=[limit_of(one, near=server.is_near, round_trip_ms=round_trip_ms) for one in drains],
            swept=where_.swept,
        )


def _progress(text: str) -> None:
    if sys.stderr.isatty():
        click.echo(f"\r\x1b[K{text}", nl=False, err=True)
