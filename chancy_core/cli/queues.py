"""`chancy queue …`."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import click
import msgspec

from chancy_core.app import Chancy
from chancy_core.cli.queuelist import queues
from chancy_core.cli.ranged import Ranged
from chancy_core.errors import InvalidQueue
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
@click.argument("name")
@click.option("--concurrency", type=Ranged(CONCURRENCY), help="Jobs at a time on each worker.")
@click.option("--tag", "tags", multiple=True, help="A regular expression for workers' tags; may be repeated.")
@click.option("--executor", default=str(Queue("x").executor), show_default=True, help="What runs its jobs.")
@click.option(
    "--polling-interval",
    type=Ranged(POLLING_INTERVAL_S),
    default=5.0,
    show_default=True,
    help="Seconds between two looks when no notification came.",
)
@click.option("--rate-limit", type=Ranged(RATE_LIMIT), help="Jobs that all workers together may start …")
@click.option(
    "--rate-limit-window",
    type=Ranged(RATE_LIMIT_WINDOW_S),
    default=1.0,
    show_default=True,
    help="… within so many seconds.",
)
@click.option("--global-concurrency", type=Ranged(GLOBAL_CONCURRENCY), help="Jobs at a time on all workers together.")
@click.option("--upsert", is_flag=True, help="Change the queue if it exists.")
@click.pass_obj
def declare(
    new_chancy: Callable[[], Chancy],
    name: str,
    concurrency: int | None,
    tags: tuple[str, ...],
    executor: str,
    polling_interval: float,
    rate_limit: int | None,
    rate_limit_window: float,
    global_concurrency: int | None,
    upsert: bool,
) -> None:
    """Declare the queue NAME."""
    wanted = Queue(
        name,
        concurrency=concurrency,
        tags=list(tags) or [".*"],
        executor=executor,
        polling_interval=polling_interval,
        rate_limit=rate_limit,
        rate_limit_window=rate_limit_window,
        global_concurrency=global_concurrency,
    )
    with new_chancy() as chancy:
        found = chancy.sync_declare(wanted, upsert=upsert)
    as_wanted = msgspec.structs.replace(found, state=wanted.state, resume_at=None) == wanted
    click.echo(f"queue {name} declared" if as_wanted else f"queue {name} exists otherwise: --upsert changes it")


@queue.command()
@click.argument("name")
@click.option("--until", help="When it resumes by itself: an ISO 8601 time with its offset.")
@click.pass_obj
def pause(new_chancy: Callable[[], Chancy], name: str, until: str | None) -> None:
    """Stop claiming from NAME."""
    try:
        resume_at = datetime.fromisoformat(until) if until is not None else None
    except ValueError:
        raise InvalidQueue(f"--until {until!r} is not a time: write 2030-01-31T08:00+01:00.") from None
    with new_chancy() as chancy:
        chancy.sync_pause_queue(name, resume_at=resume_at)
    click.echo(f"queue {name} paused")


@queue.command()
@click.argument("name")
@click.pass_obj
def resume(new_chancy: Callable[[], Chancy], name: str) -> None:
    """Claim from NAME again."""
    with new_chancy() as chancy:
        chancy.sync_resume_queue(name)
    click.echo(f"queue {name} resumed")


@queue.command()
@click.argument("name")
@click.option("--keep-jobs", is_flag=True, help="Leave its jobs stored, for when it is declared again.")
@click.pass_obj
def delete(new_chancy: Callable[[], Chancy], name: str, keep_jobs: bool) -> None:
    """Forget NAME, and cancel those of its jobs that are not running."""
    with new_chancy() as chancy:
        count = chancy.sync_delete_queue(name, purge_jobs=not keep_jobs)
    click.echo(f"queue {name} deleted; {count:,} jobs {'left behind' if keep_jobs else 'cancelled'}")
