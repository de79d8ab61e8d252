"""`chancy push`."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Final, get_args

import click
import msgspec

from chancy_core.app import Chancy
from chancy_core.app.reference import Reference
from chancy_core.cli import logs
from chancy_core.cli.completing import completed
from chancy_core.cli.exits import exits
from chancy_core.cli.ranged import Ranged
from chancy_core.cli.showing import json_option, show_json
from chancy_core.cli.suggesting import func_names, queue_names
from chancy_core.cli.times import Moment, Span, when
from chancy_core.cli.waiting import EXIT_CODES, TIMED_OUT
from chancy_core.cli.waiting import wait as wait_and_tell
from chancy_core.errors import InvalidJob, WaitTimeout
from chancy_core.values.fields import OnConflict, UniqueWhile, shown
from chancy_core.values.job import Job, Limit
from chancy_core.values.queuedjob import QueuedJob, State
from chancy_core.values.ranges import MAX_ATTEMPTS, PRIORITY, WAIT_S

EXAMPLE: Final = '{"name": "Alice"}'
EXAMPLE_META: Final = '{"tenant": "acme"}'
CODES: Final = {
    0: "it is pushed; with --wait: it succeeded",
    EXIT_CODES[State.FAILED]: "with --wait: it failed",
    EXIT_CODES[State.CANCELLED]: "with --wait: it was cancelled",
    TIMED_OUT: "with --wait: it had not finished within --timeout, and goes on",
}


@click.command(epilog=exits(CODES))
@click.argument("func", shell_complete=func_names)
@click.option(
    "--queue",
    shell_complete=queue_names,
    help="Where it waits. Default: what @job says of FUNC, or 'default'; so with the others.",
)
@click.option("--kwargs", help="The arguments, as a JSON object.")
@click.option("--priority", type=Ranged(PRIORITY), help="Lower runs first.")
@click.option("--max-attempts", type=Ranged(MAX_ATTEMPTS), help="How often it is tried.")
@click.option("--unique-key", help="While a job with this key waits or runs, no other is pushed.")
@click.option(
    "--unique-while",
    type=click.Choice(get_args(UniqueWhile)),
    help="How long a job holds its unique key: live, until it has ended (the default); waiting, until it is started.",
)
@click.option(
    "--on-conflict",
    type=click.Choice(get_args(OnConflict)),
    help="What if the unique key is taken: existing, name that job (the default); raise an error; or replace it.",
)
@click.option(
    "--limit", "limits", multiple=True, metavar="TYPE=VALUE", help="memory=BYTES or time=SECONDS; may be repeated."
)
@click.option("--wait", is_flag=True, help="Wait until it has finished, and show how; say what for, if that is long.")
@click.option("--timeout", type=Ranged(WAIT_S), help="With --wait: seconds to wait at most. Default: no end.")
@click.option("--at", type=Moment(), help="When it is to be run: 2030-01-31T08:00+01:00.")
@click.option("--in", "within", type=Span(), help="The same, from now on: 90s, 15m, 2h.")
@click.option("--meta", help="What else is kept with it, as a JSON object.")
@json_option
@click.pass_context
def push(
    ctx: click.Context,
    func: str,
    queue: str | None,
    kwargs: str | None,
    priority: int | None,
    max_attempts: int | None,
    unique_key: str | None,
    unique_while: UniqueWhile | None,
    on_conflict: OnConflict | None,
    limits: tuple[str, ...],
    wait: bool,
    timeout: float | None,
    at: datetime | None,
    within: timedelta | None,
    meta: str | None,
    as_json: bool,
) -> None:
    """Push one job that calls FUNC, an importable name such as app.jobs.report.

    FUNC is imported here, if it can be, to see what @job says of it and which arguments it takes.

    With --wait, the exit code says how the job ended.
    """
    if timeout is not None and not wait:
        raise click.UsageError("--timeout is given, but not --wait.")
    fields: dict[str, Any] = {
        "queue": queue,
        "kwargs": None if kwargs is None else _json("--kwargs", kwargs, EXAMPLE),
        "priority": priority,
        "max_attempts": max_attempts,
        "unique_key": unique_key,
        "unique_while": unique_while,
        "on_conflict": on_conflict,
        "limits": [_limit(text) for text in limits] or None,
        "scheduled_at": when(at, within),
        "meta": None if meta is None else _json("--meta", meta, EXAMPLE_META),
    }
    given = {name: value for name, value in fields.items() if value is not None}
    job = Job(func=func, **given)
    new_chancy: Callable[[], Chancy] = ctx.obj
    with new_chancy() as chancy:
        job = completed(chancy, job, given)
        if job.unique_key is None and (unique_while is not None or on_conflict is not None):
            raise click.UsageError("--unique-while or --on-conflict is given, but no unique key: give --unique-key.")
        reference = chancy.sync_push(job)
        if not as_json:
            click.echo(f"{reference}{_became(reference)}")
        if not wait:
            if as_json:
                show_json(_document(reference))
            return
        try:
            found = wait_and_tell(chancy, reference, timeout_s=timeout)
        except WaitTimeout as error:
            logs.tell(error)
            if as_json:
                show_json(_document(reference))
            ctx.exit(TIMED_OUT)
    if as_json:
        show_json({**_document(reference), "job": found.to_dict()})
    else:
        _show(found)
    ctx.exit(EXIT_CODES.get(found.state, 0))


def _became(reference: Reference) -> str:
    """What is said behind the id of a job that was not stored anew."""
    if reference.replaced:
        return " (it waited, and was replaced)"
    return "" if reference.created else " (exists already: its unique key is taken)"


def _json(option: str, text: str, example: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError as error:
        raise InvalidJob(
            f"{option} is {shown(text)}, which is not JSON ({error}). Write it as in '{example}'."
        ) from None


def _document(reference: Reference) -> dict[str, Any]:
    return {"id": str(reference), "created": reference.created, "replaced": reference.replaced}


def _limit(text: str) -> Limit:
    """The limit in `memory=104857600`."""
    kind, _, value = text.partition("=")
    try:
        number = float(value)
    except ValueError:
        raise InvalidJob(f"--limit is {text!r:.60}: give memory=BYTES or time=SECONDS.") from None
    return Limit(kind, int(number) if number.is_integer() else number)  # type: ignore[arg-type]  # a word is taken there


def _show(found: QueuedJob) -> None:
    shown = {name: value for name, value in found.to_dict().items() if value not in (None, [], {})}
    click.echo(msgspec.json.format(msgspec.json.encode(shown)).decode())
