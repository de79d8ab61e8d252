"""`chancy queue …`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

import click
import msgspec

from chancy_core.app import Chancy
from chancy_core.cli.queuelist import queues, source_of
from chancy_core.cli.ranged import Ranged
from chancy_core.cli.showing import json_option, show_json
from chancy_core.cli.suggesting import queue_names
from chancy_core.errors import InvalidQueue
from chancy_core.values.durations import duration_s
from chancy_core.values.queue import Queue
from chancy_core.values.ranges import (
    CONCURRENCY,
    GLOBAL_CONCURRENCY,
    POLLING_INTERVAL_S,
    RATE_LIMIT,
    RATE_LIMIT_WINDOW_S,
)


@click.group()
def queue() -> None:
    """Declare, pause, resume and delete queues."""


queue.add_command(queues, "list")


@queue.command()
@click.argument("name", shell_complete=queue_names)
@click.option("--concurrency", type=Ranged(CONCURRENCY), help="Jobs at a time on each worker.")
@click.option("--tag", "tags", multiple=True, help="A regular expression for workers' tags; may be repeated.")
@click.option("--executor", help="A word such as threaded, a name that a package offers, or an import path.")
@click.option("--polling-interval", type=Ranged(POLLING_INTERVAL_S), help="Seconds between looks. Default: 5.")
@click.option("--rate-limit", type=Ranged(RATE_LIMIT), help="Jobs that all workers together may start …")
@click.option("--rate-limit-window", type=Ranged(RATE_LIMIT_WINDOW_S), help="… within so many seconds. Default: 1.")
@click.option("--global-concurrency", type=Ranged(GLOBAL_CONCURRENCY), help="Jobs at a time on all workers together.")
@click.option("--upsert", is_flag=True, help="Change the queue if it exists.")
@json_option
@click.pass_obj
def declare(new_chancy: Callable[[], Chancy], /, name: str, upsert: bool, as_json: bool, **options: Any) -> None:
    """Declare the queue NAME.

    What is not given is as the settings have it, in their table [queues.NAME], or else as usual.
    """
    made = new_chancy()
    configured = made.settings.queues.get(name, {})
    given = {option: value for option, value in options.items() if value not in (None, ())}
    wanted = Queue(name, **{**configured, **given})
    with made as chancy:
        found = chancy.sync_declare(wanted, upsert=upsert)
    as_wanted = msgspec.structs.replace(found, state=wanted.state, resume_at=None) == wanted
    if as_json:
        show_json({"queue": found.to_dict(), "as_wanted": as_wanted})
        return
    who = _who_says(configured, given, source_of(made.settings, name))
    click.echo(f"queue {name} declared{who}" if as_wanted else f"queue {name} exists otherwise: --upsert changes it")


@queue.command()
@click.argument("name", shell_complete=queue_names)
@click.option("--until", metavar="TIME", help="When it resumes by itself: an ISO 8601 time with its offset.")
@click.option("--for", "length", metavar="LENGTH", help="How long until it resumes by itself: 90s, 15m, 2h, 3d, 1w.")
@click.option("--reason", help="A few words for whoever finds it paused.")
@json_option
@click.pass_obj
def pause(
    new_chancy: Callable[[], Chancy],
    name: str,
    until: str | None,
    length: str | None,
    reason: str | None,
    as_json: bool,
) -> None:
    """Stop claiming from NAME, until somebody resumes it or its time has come."""
    if until is not None and length is not None:
        raise click.UsageError("--until and --for exclude each other.")
    resume_at = _length("--for", length) if length is not None else _moment("--until", until)
    with new_chancy() as chancy:
        chancy.sync_pause_queue(name, resume_at=resume_at, reason=reason)
        found = chancy.sync_get_queue(name)
    if as_json:
        show_json({"queue": found.to_dict()})
    else:
        click.echo(f"queue {name} paused{_until(found)}")


@queue.command()
@click.argument("name", shell_complete=queue_names)
@json_option
@click.pass_obj
def resume(new_chancy: Callable[[], Chancy], name: str, as_json: bool) -> None:
    """Claim from NAME again."""
    with new_chancy() as chancy:
        chancy.sync_resume_queue(name)
        found = chancy.sync_get_queue(name)
    if as_json:
        show_json({"queue": found.to_dict()})
    else:
        click.echo(f"queue {name} resumed")


@queue.command()
@click.argument("name", shell_complete=queue_names)
@click.option("--keep-jobs", is_flag=True, help="Leave its jobs stored, for when it is declared again.")
@json_option
@click.pass_obj
def delete(new_chancy: Callable[[], Chancy], name: str, keep_jobs: bool, as_json: bool) -> None:
    """Forget NAME, and cancel those of its jobs that are not running."""
    with new_chancy() as chancy:
        count = chancy.sync_delete_queue(name, purge_jobs=not keep_jobs)
    if as_json:
        show_json({"name": name, "left_behind" if keep_jobs else "cancelled": count})
        return
    click.echo(f"queue {name} deleted; {count:,} jobs {'left behind' if keep_jobs else 'cancelled'}")


def _who_says(configured: Mapping[str, Any], given: Mapping[str, Any], source: str) -> str:
    """Who says how a queue is to be, if it is not the command line alone."""
    if not configured.keys() - given.keys():
        return ""
    return f", as these options say, and otherwise as {source} says" if given else f", as {source} says"


def _until(found: Queue) -> str:
    return f" until {found.resume_at:%Y-%m-%d %H:%M:%S %Z}" if found.resume_at else ""


def _length(option: str, text: str) -> timedelta:
    length_s = duration_s(option, text, error=InvalidQueue)
    if length_s is None:
        raise InvalidQueue(f"{option} is {text!r}: leave it out, and the queue is paused until somebody resumes it.")
    return timedelta(seconds=length_s)


def _moment(option: str, text: str | None) -> datetime | None:
    try:
        return datetime.fromisoformat(text) if text is not None else None
    except ValueError:
        raise InvalidQueue(f"{option} {text!r} is not a time: write 2030-01-31T08:00+01:00.") from None
