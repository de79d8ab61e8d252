"""`chancy jobs`."""

from __future__ import annotations

import shlex
import uuid
from collections.abc import Callable, Iterator
from typing import Final

import click
import msgspec

from chancy_core.app import Chancy
from chancy_core.cli.columns import DEFAULT, cell_of
from chancy_core.cli.querying import WITH_TERMS, filter_of, query_argument
from chancy_core.cli.ranged import Ranged
from chancy_core.cli.showing import is_terminal, looked_at, show_blocks, show_rows
from chancy_core.cli.times import moment
from chancy_core.values.found import Page
from chancy_core.values.jobfilter import JobFilter
from chancy_core.values.ranges import LIST_LIMIT, LOOK_S, PAGE_LIMIT

# A page is held in memory, with the arguments of its jobs.
PAGE: Final = min(500, int(PAGE_LIMIT.high))
# What is no news in a list.
USUAL: Final = {"queue": {"default"}}


@click.command(context_settings=WITH_TERMS)
@query_argument
@click.option("--columns", help="Which, with commas between them; kwargs.NAME and meta.NAME are columns, too.")
@click.option("--limit", type=Ranged(LIST_LIMIT), default=50, show_default=True, help="How many jobs at most.")
@click.option("--after", type=click.UUID, help="Where to go on: what the page before has said.")
@click.option(
    "--within", type=Ranged(LOOK_S), default=2.0, show_default=True, help="For how many seconds to look for a page."
)
@click.option("--json", "as_json", is_flag=True, help="A line of JSON for each job, for programs.")
@click.pass_obj
def jobs(
    new_chancy: Callable[..., Chancy],
    query: tuple[str, ...],
    columns: str | None,
    limit: int,
    after: uuid.UUID | None,
    within: float,
    as_json: bool,
) -> None:
    """The jobs that QUERY finds, live and finished, the newest first.

    QUERY has terms, such as state:failed func:app.mail.* queue:mail kwargs.user:7 error:Timeout since:2h; -term leaves
    out what it finds. Without any, all jobs are listed. Ids of jobs are a query, too.

    The line on stderr says whether there are more, and how to go on.
    """
    wanted = filter_of(query)
    names = [name.strip() for name in columns.split(",")] if columns else list(DEFAULT)
    cells = [cell_of(name) for name in names]
    if as_json and columns:
        raise click.UsageError("--json has every field: leave out --columns.")
    with new_chancy(looking=True) as chancy:
        rows: list[list[str]] = []
        found = 0
        page = None
        for page in _pages(chancy, wanted, limit=limit, after=after, within_s=within):
            if as_json:
                for job in page.jobs:
                    click.echo(msgspec.json.encode(job.to_dict()))
            found += len(page.jobs)
            if not as_json:
                rows += [[cell(job) for cell in cells] for job in page.jobs]
        if rows and columns is None and is_terminal():
            show_blocks([_block(row) for row in rows])
        elif rows:
            show_rows(names, rows, usual=USUAL, whole={"id", "state", "since"})
        if page is not None:
            _tell(chancy, wanted, page, found=found)


def _block(row: list[str]) -> tuple[str, str]:
    """A job in a terminal, where a table of all this would have room for nothing: two lines."""
    id_, state, func, queue, since, problem = row
    where = "" if queue in USUAL["queue"] else f" [{queue}]"
    return f"{id_}  {state:<9}  {since:>10}  {func}{where}", problem


def _pages(
    chancy: Chancy, wanted: JobFilter, *, limit: int, after: uuid.UUID | str | None, within_s: float
) -> Iterator[Page]:
    """Pages, until there are no more, enough were found, or time has run out on one of them."""
    while True:
        page = chancy.sync_find_jobs(wanted, limit=min(limit, PAGE), after=after, within_s=within_s)
        yield page
        limit -= len(page.jobs)
        if page.next is None or page.searched_until is not None or limit <= 0:
            return
        after = page.next


def _tell(chancy: Chancy, wanted: JobFilter, page: Page, *, found: int) -> None:
    """What there is to say about the list: on stderr, because a pipe is for the jobs."""
    words = str(wanted)
    if not found:
        which = f"{words} finds no job" if words else "There is no job"
        click.echo(f"{which} in {looked_at(chancy)}{_as_far(page)}.", err=True)
    elif page.searched_until is not None:
        click.echo(f"These are{_as_far(page)}.", err=True)
    if page.next is not None:
        more = "To look further" if page.searched_until is not None else "There are more"
        which = f"{shlex.quote(words)} " if words else ""
        click.echo(f"{more}: chancy jobs {which}--after {page.next}", err=True)


def _as_far(page: Page) -> str:
    if page.searched_until is None:
        return ""
    return f", among those that were pushed since {moment(page.searched_until)} UTC, as far as there was time to look"
