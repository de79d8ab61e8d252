"""`chancy cron …`."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any, Final, TypeVar

import click
import msgspec
from rich.table import Table
from rich.text import Text

from chancy import Chancy, Job
from chancy.plugin import MAX_ATTEMPTS, PRIORITY, Range, Ranged, looked_at, show_table
from chancy_cron import manage
from chancy_cron.declare import declare
from chancy_cron.errors import InvalidSchedule
from chancy_cron.schedule import JITTER_S, MISSED_MAX, Missed, Schedule, StoredSchedule
from chancy_cron.times import zone

T = TypeVar("T")

# More next times than that nobody reads.
TIMES: Final = Range(1, 1000, "a whole number", whole=True)

NewChancy = Callable[[], Chancy]


@click.group()
def cron() -> None:
    """List, add, remove, pause, resume and run schedules."""


@cron.command("list")
@click.pass_obj
def list_(new_chancy: NewChancy) -> None:
    """Every schedule, with its next time."""
    found, unreadable, where = _run(new_chancy, _read)
    for why in unreadable.values():
        click.echo(why, err=True)
    if not found and not unreadable:
        click.echo(f"There is no schedule in {where}. One is made by: chancy cron add NAME CRON FUNC")
        return
    table = Table("name", "cron", "time zone", "job", "queue", "next", "last", "missed", "from", "note", box=None)
    for one in found:
        table.add_row(*map(Text, _cells(one)))
    show_table(table)


async def _read(chancy: Chancy) -> tuple[list[StoredSchedule], dict[str, str], str]:
    return *await manage.read_all(chancy), looked_at(chancy)


@cron.command()
@click.argument("name")
@click.argument("cron")
@click.argument("func")
@click.option("--kwargs", help="The job's arguments, as a JSON object.")
@click.option("--queue", help="Default: what @job says of FUNC, or 'default'; so with the job's other fields.")
@click.option("--timezone", default="UTC", show_default=True, help="Such as Europe/Berlin.")
@click.option("--missed", type=click.Choice([kind.value for kind in Missed]), default="once", show_default=True)
@click.option(
    "--missed-max", type=Ranged(MISSED_MAX), default=100, show_default=True, help="For --missed all: how many at most."
)
@click.option(
    "--jitter", "jitter_s", type=Ranged(JITTER_S), default=0.0, help="Start up to so many seconds later, at random."
)
@click.option("--no-overlap", is_flag=True, help="No new job while the one before is not finished.")
@click.option("--priority", type=Ranged(PRIORITY), help="Lower runs first.")
@click.option("--max-attempts", type=Ranged(MAX_ATTEMPTS))
@click.option("--strict", is_flag=True, help="Refuse a function that cannot be run here, instead of warning.")
@click.pass_obj
def add(
    new_chancy: NewChancy,
    name: str,
    cron: str,
    func: str,
    kwargs: str | None,
    queue: str | None,
    timezone: str,
    missed: str,
    missed_max: int,
    jitter_s: float,
    no_overlap: bool,
    priority: int | None,
    max_attempts: int | None,
    strict: bool,
) -> None:
    """Push a job that calls FUNC at the times of CRON; change the schedule NAME if there is one."""
    fields = {"kwargs": _kwargs(kwargs), "queue": queue, "priority": priority, "max_attempts": max_attempts}
    given: dict[str, Any] = {field: value for field, value in fields.items() if value is not None}
    schedule = Schedule(
        name=name,
        cron=cron,
        job=Job(func=func, **given),
        timezone=timezone,
        missed=Missed(missed),
        missed_max=missed_max,
        jitter_s=jitter_s,
        overlap=not no_overlap,
    )

    (found,) = _run(
        new_chancy, lambda chancy: declare(chancy, [schedule], {name: given}, named=True, strict=strict or None)
    )
    click.echo(f"schedule {name} declared; next at {_local(found.next_at, found.timezone)}")


def _kwargs(text: str | None) -> dict[str, Any] | None:
    try:
        return None if text is None else msgspec.json.decode(text, type=dict[str, Any])
    except msgspec.DecodeError as error:
        raise InvalidSchedule(f"--kwargs is not a JSON object: {error}.") from None


@cron.command()
@click.argument("name")
@click.pass_obj
def remove(new_chancy: NewChancy, name: str) -> None:
    """Remove the schedule NAME; jobs that it has pushed stay."""
    source = _run(new_chancy, lambda chancy: manage.remove(chancy, name))
    click.echo(f"schedule {name} removed")
    if source == "toml":
        click.echo("A worker that starts with a configuration file that declares it will bring it back.")


@cron.command()
@click.argument("name")
@click.pass_obj
def pause(new_chancy: NewChancy, name: str) -> None:
    """Stop firing the schedule NAME."""
    _run(new_chancy, lambda chancy: manage.pause(chancy, name))
    click.echo(f"schedule {name} paused")


@cron.command()
@click.argument("name")
@click.pass_obj
def resume(new_chancy: NewChancy, name: str) -> None:
    """Fire the schedule NAME again, from its next time on."""
    next_at, timezone = _run(new_chancy, lambda chancy: manage.resumed(chancy, name))
    click.echo(f"schedule {name} resumed; next at {_local(next_at, timezone)}")


@cron.command("run-now")
@click.argument("name")
@click.pass_obj
def run_now(new_chancy: NewChancy, name: str) -> None:
    """Push the job of the schedule NAME now; its times stay as they are."""
    reference = _run(new_chancy, lambda chancy: manage.run_now(chancy, name))
    click.echo(f"{reference}{'' if reference.created else ' (exists already: the last job is not finished)'}")


@cron.command("next")
@click.argument("name")
@click.option("-n", "count", type=Ranged(TIMES), default=5, show_default=True, help="How many.")
@click.pass_obj
def next_(new_chancy: NewChancy, name: str, count: int) -> None:
    """The next times of the schedule NAME, in its time zone."""
    for time in _run(new_chancy, lambda chancy: manage.next_times(chancy, name, count)):
        click.echo(_shown(time))


def _run(new_chancy: NewChancy, call: Callable[[Chancy], Awaitable[T]]) -> T:
    async def run() -> T:
        async with new_chancy() as chancy:
            return await call(chancy)

    return asyncio.run(run())


def _cells(one: StoredSchedule) -> list[str]:
    note = "paused" if one.paused else ""
    return [
        one.name,
        one.cron,
        one.timezone,
        one.job.func,
        one.queue,
        "" if one.paused else _local(one.next_at, one.timezone),
        _local(one.last_fired_at, one.timezone) if one.last_fired_at else "never",
        one.missed.value,
        one.source,
        one.last_error or note,
    ]


def _local(moment: datetime | None, timezone: str) -> str:
    if moment is None:
        return "never"
    try:
        return _shown(moment.astimezone(zone(timezone)))
    except InvalidSchedule:
        # Somebody has written a zone by hand, or it is not in the time zone database of this machine.
        return _shown(moment)


def _shown(time: datetime) -> str:
    return f"{time:%Y-%m-%d %H:%M:%S %z}"
