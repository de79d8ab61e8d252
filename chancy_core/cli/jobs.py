"""`chancy push`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import click
import msgspec

from chancy_core.app import Chancy
from chancy_core.cli import logs
from chancy_core.cli.ranged import Ranged
from chancy_core.cli.waiting import EXIT_CODES, TIMED_OUT
from chancy_core.cli.waiting import wait as wait_and_tell
from chancy_core.errors import InvalidJob, WaitTimeout
from chancy_core.values.fields import shown
from chancy_core.values.job import Job, Limit
from chancy_core.values.queuedjob import QueuedJob
from chancy_core.values.ranges import MAX_ATTEMPTS, PRIORITY, WAIT_S

EXAMPLE: Final = '{"name": "Alice"}'


@click.command()
@click.argument("func")
@click.option("--queue", default="default", show_default=True, help="The queue in which it waits.")
@click.option("--kwargs", default="{}", help="The arguments, as a JSON object.")
@click.option("--priority", type=Ranged(PRIORITY), default=0, help="Lower runs first.")
@click.option("--max-attempts", type=Ranged(MAX_ATTEMPTS), default=1, show_default=True, help="How often it is tried.")
@click.option("--unique-key", help="While a job with this key waits or runs, no other is pushed.")
@click.option(
    "--limit", "limits", multiple=True, metavar="TYPE=VALUE", help="memory=BYTES or time=SECONDS; may be repeated."
)
@click.option("--wait", is_flag=True, help="Wait until it has finished, and show how; say what for, if that is long.")
@click.option("--timeout", type=Ranged(WAIT_S), help="With --wait: seconds to wait at most. Default: no end.")
@click.pass_context
def push(
    ctx: click.Context,
    func: str,
    queue: str,
    kwargs: str,
    priority: int,
    max_attempts: int,
    unique_key: str | None,
    limits: tuple[str, ...],
    wait: bool,
    timeout: float | None,
) -> None:
    """Push one job that calls FUNC, an importable name such as app.jobs.report.

    With --wait, the exit code says how the job ended: 0 it succeeded, 7 it failed, 8 it was cancelled, 9 it had not
    finished within --timeout, and goes on.
    """
    if timeout is not None and not wait:
        raise click.UsageError("--timeout is given, but not --wait.")
    try:
        given = msgspec.json.decode(kwargs)
    except msgspec.DecodeError as error:
        raise InvalidJob(
            f"--kwargs is {shown(kwargs)}, which is not JSON ({error}). Write it as in '{EXAMPLE}'."
        ) from None
    job = Job(func=func, queue=queue, kwargs=given, priority=priority, max_attempts=max_attempts, unique_key=unique_key)
    job = job.with_limits([_limit(text) for text in limits])
    new_chancy: Callable[[], Chancy] = ctx.obj
    with new_chancy() as chancy:
        reference = chancy.sync_push(job)
        click.echo(f"{reference}{'' if reference.created else ' (exists already: its unique key is taken)'}")
        if not wait:
            return
        try:
            found = wait_and_tell(chancy, reference, timeout_s=timeout)
        except WaitTimeout as error:
            logs.tell(error)
            ctx.exit(TIMED_OUT)
    _show(found)
    ctx.exit(EXIT_CODES.get(found.state, 0))


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
