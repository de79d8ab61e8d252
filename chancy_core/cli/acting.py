"""`chancy retry`, `cancel`, `delete` and `move`: act on the jobs that a query finds, after saying how many they are."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime, timedelta
from types import FrameType
from typing import Any, Final, NamedTuple, TypeAlias

import click

from chancy_core.app import Chancy
from chancy_core.cli.exits import FAILED, STOPPED_BETWEEN, exits
from chancy_core.cli.interrupts import handled_by
from chancy_core.cli.querying import WITH_TERMS, ids_or_filter, query_argument
from chancy_core.cli.ranged import Ranged
from chancy_core.cli.showing import looked_at, show_json
from chancy_core.cli.suggesting import queue_names
from chancy_core.cli.times import Moment, Span, when
from chancy_core.errors import JobNotFound
from chancy_core.values.acted import Acted
from chancy_core.values.jobfilter import JobFilter
from chancy_core.values.ranges import PRIORITY

# So many ids are named.
NAMED_MAX: Final = 3
# Does it to these jobs, or, with `dry_run`, only counts them.
Call: TypeAlias = Callable[..., Acted]
CODES: Final = {
    0: "it is done, or there was nothing to do",
    STOPPED_BETWEEN: "it was stopped after some of the jobs: stdout says what was done",
}


class How(NamedTuple):
    """How a command acts.

    Attributes:
        verb: what it does, as in "Retry 3 jobs?".
        yes: whether it asks nobody.
        dry_run: whether it only counts.
        as_json: whether what came of it is printed for programs.
    """

    verb: str
    yes: bool
    dry_run: bool
    as_json: bool

    @property
    def asks(self) -> bool:
        """Whether somebody is asked before more than one job is touched."""
        return not (self.yes or self.as_json)


def acting(command: Callable[..., None]) -> Callable[..., None]:
    """The argument and the options that all of these commands have."""
    for option in (
        click.option("--json", "as_json", is_flag=True, help="What came of it, for programs; asks nobody."),
        click.option("--dry-run", is_flag=True, help="Only count them."),
        click.option("--yes", is_flag=True, help="Ask nobody, however many they are."),
        query_argument,
    ):
        command = option(command)
    return command


@click.command(context_settings=WITH_TERMS, epilog=exits(CODES))
@acting
@click.pass_context
def retry(ctx: click.Context, query: tuple[str, ...], yes: bool, dry_run: bool, as_json: bool) -> None:
    """Bring back the finished jobs that QUERY finds, a query or ids: they run again, and keep their errors so far.

    Of a query, those that failed or were cancelled; those that succeeded only if it names that state.
    """
    _act(ctx, query, How("retry", yes, dry_run, as_json), lambda chancy: chancy.sync_retry_jobs)


@click.command(context_settings=WITH_TERMS, epilog=exits(CODES))
@acting
@click.option("--reason", help="Why; kept as their note.")
@click.pass_context
def cancel(
    ctx: click.Context, query: tuple[str, ...], yes: bool, dry_run: bool, as_json: bool, reason: str | None
) -> None:
    """Cancel the live jobs that QUERY finds, a query or ids.

    Those that wait are cancelled at once; the worker of one that runs is told to stop it.
    """
    how = How("cancel", yes, dry_run, as_json)
    _act(ctx, query, how, lambda chancy: lambda refs, **more: chancy.sync_cancel_jobs(refs, reason=reason, **more))


@click.command(context_settings=WITH_TERMS, epilog=exits(CODES))
@acting
@click.pass_context
def delete(ctx: click.Context, query: tuple[str, ...], yes: bool, dry_run: bool, as_json: bool) -> None:
    """Forget the finished jobs that QUERY finds, a query or ids. Live ones are left alone: cancel them first."""
    _act(ctx, query, How("delete", yes, dry_run, as_json), lambda chancy: chancy.sync_delete_jobs)


@click.command(context_settings=WITH_TERMS, epilog=exits(CODES))
@acting
@click.option("--queue", shell_complete=queue_names, help="The queue that they are moved to.")
@click.option("--priority", type=Ranged(PRIORITY), help="Their new priority; lower runs first.")
@click.option("--at", type=Moment(), help="When they are to be run: 2030-01-31T08:00+01:00.")
@click.option("--in", "within", type=Span(), help="The same, from now on: 90s, 15m, 2h.")
@click.option("--now", is_flag=True, help="They are to be run as soon as possible.")
@click.pass_context
def move(
    ctx: click.Context,
    query: tuple[str, ...],
    yes: bool,
    dry_run: bool,
    as_json: bool,
    queue: str | None,
    priority: int | None,
    at: datetime | None,
    within: timedelta | None,
    now: bool,
) -> None:
    """Change the waiting jobs that QUERY finds, a query or ids.

    Their queue, their priority, or when they are to be run. What runs, or has finished, is left alone.
    """
    moment = when(at, within)
    if now and moment is not None:
        raise click.UsageError("--now excludes --at and --in.")
    changes: dict[str, Any] = {"queue": queue, "priority": priority}
    changes = {name: value for name, value in changes.items() if value is not None}
    if now or moment is not None:
        changes["scheduled_at"] = moment
    if not changes:
        raise click.UsageError("Say what is to change: --queue, --priority, --at, --in or --now.")
    how = How("move", yes, dry_run, as_json)
    _act(ctx, query, how, lambda chancy: lambda refs, **more: chancy.sync_update_jobs(refs, **changes, **more))


def _act(ctx: click.Context, query: tuple[str, ...], how: How, call_of: Callable[[Chancy], Call]) -> None:
    if not any(word.strip() for word in query):
        raise click.UsageError(f"Say which jobs: chancy {how.verb} state:failed since:2h, say; or their ids.")
    wanted = ids_or_filter(query)
    new_chancy: Callable[..., Chancy] = ctx.obj
    with new_chancy(looking=True) as chancy:
        call = call_of(chancy)
        came = None
        while came is None:
            counted = call(wanted, dry_run=True)
            if not isinstance(wanted, JobFilter):
                _check_there(chancy, wanted, counted)
            if how.dry_run:
                _tell_count(chancy, wanted, counted, how)
                return
            if not counted.found:
                _tell_none(chancy, wanted, counted, how)
                return
            if not _allowed(counted, how):
                click.echo("Nothing was done.", err=True)
                ctx.exit(FAILED)
            came = _with_progress(call, wanted, counted, how)
    if how.as_json:
        show_json(came.to_dict())
    else:
        click.echo(f"{came}.".capitalize())
    if came.stopped:
        ctx.exit(STOPPED_BETWEEN)


def _check_there(chancy: Chancy, ids: list[str], counted: Acted) -> None:
    """Raise JobNotFound if there is no job of these ids; where there is one, what came of each is told."""
    if not counted.found and set(counted.skipped) == {"gone"}:
        named = ", ".join(ids[:NAMED_MAX]) + (", …" if len(ids) > NAMED_MAX else "")
        raise JobNotFound(f"There is no job {named} in {looked_at(chancy)}. Nothing was done.")


def _allowed(counted: Acted, how: How) -> bool:
    """Whether it may be done: one job may be touched without a question."""
    if not how.asks or counted.found == 1:
        return True
    if not sys.stdin.isatty():
        raise click.ClickException(f"These are {_number(counted)} jobs, and nobody is there to be asked: give --yes.")
    return click.confirm(f"{how.verb.capitalize()} {_number(counted)} jobs?", err=True)


def _with_progress(call: Call, wanted: Any, counted: Acted, how: How) -> Acted | None:
    """Do it, with a bar in a terminal; Ctrl-C ends it after a whole batch.

    None: there are more than somebody was asked about, and nothing was done.
    """
    grown: list[int] = []
    with _heeding() as told, ExitStack() as shown:
        bar = None
        if sys.stderr.isatty() and not how.as_json:
            bar = shown.enter_context(click.progressbar(length=counted.found, label=how.verb, file=sys.stderr))

        def hear(acted: Acted) -> bool:
            if how.asks and acted.found > counted.found and not acted.done:
                grown.append(acted.found)
            if bar is not None:
                bar.update(sum(acted.done.values()) + sum(acted.skipped.values()) - bar.pos)
            return not told and not grown

        came = call(wanted, progress=hear)
    if grown and not told:
        click.echo("By now there are more of them.", err=True)
        return None
    return came


@contextmanager
def _heeding() -> Iterator[list[int]]:
    """Within this, Ctrl-C is written down; a second one ends the command as ever."""
    told: list[int] = []
    before = signal.getsignal(signal.SIGINT)

    def hear(number: int, _frame: FrameType | None) -> None:
        told.append(number)
        click.echo("Stopping after this batch …", err=True)
        signal.signal(signal.SIGINT, before)

    with handled_by(hear):
        yield told


def _tell_count(chancy: Chancy, wanted: Any, counted: Acted, how: How) -> None:
    if how.as_json:
        show_json(counted.to_dict())
    elif counted.found:
        click.echo(f"Would {how.verb} {_number(counted)} job{'' if counted.found == 1 else 's'}{_skipped(counted)}.")
    else:
        _tell_none(chancy, wanted, counted, how)


def _tell_none(chancy: Chancy, wanted: Any, counted: Acted, how: How) -> None:
    """There is nothing to do: it says where it has looked, and why what it found does not count."""
    if how.as_json:
        show_json(counted.to_dict())
        return
    none = f"{wanted} finds no such job" if isinstance(wanted, JobFilter) else "none of these jobs can be,"
    click.echo(f"Nothing to {how.verb}: {none} in {looked_at(chancy)}{_skipped(counted)}.")


def _number(counted: Acted) -> str:
    return f"{'' if counted.counted else 'at least '}{counted.found:,}"


def _skipped(counted: Acted) -> str:
    words = ", ".join(f"{number:,} {word}" for word, number in counted.skipped.items() if number)
    return f" ({words})" if words else ""
