"""`chancy failures`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Final

import click

from chancy_core.app import Chancy
from chancy_core.cli.querying import WITH_TERMS, filter_of, query_argument
from chancy_core.cli.ranged import Ranged
from chancy_core.cli.showing import is_terminal, json_option, looked_at, show_blocks, show_json, show_rows
from chancy_core.cli.times import ago, moment
from chancy_core.values.failures import FailureGroup
from chancy_core.values.ranges import LOOK_S, PAGE_LIMIT

HEADINGS: Final = ("jobs", "func", "error", "where", "last", "retrying", "newest job")
USUAL: Final = {"retrying": {"0"}}
WHOLE: Final = {"jobs", "last", "newest job"}


@click.command(context_settings=WITH_TERMS)
@query_argument
@click.option("--limit", type=Ranged(PAGE_LIMIT), default=20, show_default=True, help="How many causes at most.")
@click.option("--within", type=Ranged(LOOK_S), default=2.0, show_default=True, help="For how many seconds to look.")
@json_option
@click.pass_obj
def failures(
    new_chancy: Callable[..., Chancy], query: tuple[str, ...], limit: int, within: float, as_json: bool
) -> None:
    """What fails, put together by its cause: function, exception, and the line of your own code that raised it.

    Of the jobs that QUERY finds, such as since:2h, those that have failed or wait to be tried again; the most frequent
    cause first.
    """
    wanted = filter_of(query)
    with new_chancy(looking=True) as chancy:
        found = chancy.sync_find_failures(wanted, limit=limit, within_s=within)
    if as_json:
        show_json(found.to_dict())
        return
    if found.groups and is_terminal():
        show_blocks([_block(failure_row(group)) for group in found.groups])
    elif found.groups:
        show_rows(HEADINGS, [failure_row(group) for group in found.groups], usual=USUAL, whole=WHOLE)
    else:
        which = f"{wanted} finds no job that" if str(wanted) else "No job"
        click.echo(f"{which} has failed, or waits to be tried again, in {looked_at(chancy)}.", err=True)
    if found.searched_until is not None:
        click.echo(f"These were pushed since {moment(found.searched_until)} UTC: there was no more time.", err=True)


def _block(row: Sequence[str]) -> tuple[str, str]:
    """A cause in a terminal, where a table of all this would break every cell: two lines."""
    count, func, error, where, last, retrying, newest = row
    again = "" if retrying in USUAL["retrying"] else f", {retrying} retrying"
    place = f"   {where}" if where else ""
    return f"{count:>5}  {func}  {error}", f"     last {last}{again}  {newest}{place}"


def failure_row(group: FailureGroup) -> Sequence[str]:
    """A cause in the list."""
    last_s = None if group.last_at is None else (datetime.now(UTC) - group.last_at).total_seconds()
    message = " ".join(group.message.split())
    return (
        f"{group.count:,}",
        group.func,
        f"{group.type}: {message}" if message else group.type,
        group.where or "",
        ago(last_s),
        f"{group.retrying:,}",
        str(group.newest),
    )
