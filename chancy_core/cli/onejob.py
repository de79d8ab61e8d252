"""`chancy job ID`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NoReturn

import click

from chancy_core.app import Chancy
from chancy_core.cli.showing import json_option, looked_at, show_facts, show_json
from chancy_core.cli.timeline import facts, shown_timeline, timeline
from chancy_core.cli.waiting import why
from chancy_core.errors import JobNotFound
from chancy_core.values.queuedjob import Cancellation, QueuedJob

CANCELLATIONS: Final = {
    Cancellation.CANCELLED: "cancelled",
    Cancellation.STOPPING: "runs; its worker has been told to stop it",
    Cancellation.FINISHED: "finished already",
}


@click.command()
@click.argument("id")
@click.option("--cancel", is_flag=True, help="Cancel it: at once, or as soon as its worker can stop it.")
@click.option("--reason", help="Why it is cancelled; kept as its note.")
@click.option("--retry", is_flag=True, help="Bring it back, if it has finished.")
@json_option
@click.pass_obj
def job(
    new_chancy: Callable[..., Chancy],
    id: str,  # noqa: A002 -- the argument's name in the help
    cancel: bool,
    reason: str | None,
    retry: bool,
    as_json: bool,
) -> None:
    """Show what the job ID is, and what has happened to it; cancel it, or let it run again."""
    if cancel and retry:
        raise click.UsageError("--cancel and --retry exclude each other.")
    if reason is not None and not cancel:
        raise click.UsageError("--reason is given, but not --cancel.")
    with new_chancy(looking=True) as chancy:
        if cancel:
            _cancel(chancy, id, reason, as_json=as_json)
        elif retry:
            _retry(chancy, id, as_json=as_json)
        else:
            _show(chancy, id, as_json=as_json)


def _cancel(chancy: Chancy, id_: str, reason: str | None, *, as_json: bool) -> None:
    came = chancy.sync_cancel_job(chancy.reference(id_), reason=reason)
    if as_json:
        show_json({"id": id_, "cancellation": came})
    else:
        click.echo(f"{id_}: {CANCELLATIONS[came]}")


def _retry(chancy: Chancy, id_: str, *, as_json: bool) -> None:
    if not chancy.sync_retry_jobs([chancy.reference(id_)]):
        _refuse_retry(chancy, id_)
    if as_json:
        show_json({"id": id_, "retried": True})
    else:
        click.echo(f"{id_}: runs again")


def _refuse_retry(chancy: Chancy, id_: str) -> NoReturn:
    """Raise an error that says why a job was not brought back."""
    found = chancy.sync_get_job(chancy.reference(id_))
    if found is None:
        raise JobNotFound(f"{id_} was not brought back: there is no such job in {looked_at(chancy)}.")
    if found.state.finished:
        raise click.ClickException(f"{id_} was not brought back: another job has its unique key, {found.unique_key!r}.")
    raise click.ClickException(f"{id_} was not brought back: it has not finished, it is {found.state}.")


def _show(chancy: Chancy, id_: str, *, as_json: bool) -> None:
    found = chancy.sync_get_job(chancy.reference(id_))
    if found is None:
        raise JobNotFound(f"There is no job {id_} in {looked_at(chancy)}.")
    if as_json:
        show_json(found.to_dict())
    else:
        show_job(chancy, found)


def show_job(chancy: Chancy, found: QueuedJob) -> None:
    """A job for people: its facts, its timeline, and why it has not finished."""
    show_facts([("job", str(found.id)), *facts(found)])
    click.echo("\nWhat has happened (times in UTC):")
    show_facts(shown_timeline(timeline(found)))
    if not found.state.finished:
        click.echo(f"\n{why(chancy, found)}")
    if found.errors and found.errors[-1].traceback:
        more = " (--json has those of all)" if len(found.errors) > 1 else ""
        click.echo(f"\nThe traceback of the last error{more}:\n{found.errors[-1].traceback.rstrip()}")
