"""Jobs: what a query finds, a page at a time, and acting on some or on all of it."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, cast

from chancy import JobFilter
from chancy.errors import InvalidFilter
from chancy.plugin import Visit, WebColumn, WebPage
from chancy_dashboard.acting.meaning import actions_on
from chancy_dashboard.reading.columns import cells_of
from chancy_dashboard.reading.counting import by_state
from chancy_dashboard.reading.parts import together
from chancy_dashboard.showing import queries
from chancy_dashboard.showing.jobrows import row_of, value_at

if TYPE_CHECKING:
    from chancy_dashboard.door.visit import Visiting

# A page is worth so much of the database's time; further back is looked when somebody asks for it, and then for longer.
WITHIN_S: Final = 0.08
FURTHER_S: Final = 0.8
LIMITS: Final = (25, 50, 100)
#: The columns that there are, beside the function and its arguments.
COLUMNS: Final = {
    "state": "State",
    "queue": "Queue",
    "error": "Error or note",
    "attempts": "Attempts",
    "priority": "Priority",
    "worker": "Worker",
    "key": "Unique key",
    "ran": "Ran",
    "pushed": "Pushed",
    "due": "Due",
    "started": "Started",
    "finished": "Finished",
}
USUAL: Final = ("state", "queue", "error", "attempts", "ran", "pushed", "due")
#: How paths to a value of a job begin.
PATHS: Final = ("kwargs.", "meta.")
# Pages back to which the address knows the way; the first is always known.
TRAIL_MAX: Final = 20
COLUMNS_MAX: Final = 20


async def load(visit: Visit) -> dict[str, Any]:
    """A page of jobs, and how many there are of each state."""
    offered = cast("Visiting", visit).columns
    typed = queries.read(visit.query.get("q", ""))
    columns, limit = _columns(visit, offered), _limit(visit.query.get("limit", ""))
    trail = [one for one in visit.query.get("trail", "").split(",") if one][-TRAIL_MAX:]
    after = _cursor(visit.query.get("after", ""))
    within_s = FURTHER_S if visit.query.get("look") == "further" else WITHIN_S
    shared: dict[str, Any] = {
        "q": typed.text,
        "wrong": typed.wrong,
        "columns": columns,
        "all_columns": COLUMNS | {name: column.title for name, column in offered.items()},
        "limit": limit,
        "after": after,
        "trail": trail,
        "states": [] if typed.wanted is None else [state.value for state in typed.wanted.states],
    }
    if typed.wanted is None:
        return {**shared, "jobs": [], "next": None, "searched_until": None, "counts": [], "total": None, "partial": []}
    found = await together(
        page=visit.chancy.find_jobs(typed.wanted, limit=limit, after=after, within_s=within_s),
        counts=by_state(visit.chancy, typed.wanted),
    )
    page, counts = found["page"], found["counts"] or []
    jobs = [] if page is None else page.jobs
    extra = [column for column in columns if column.startswith(PATHS)]
    brought = {column: offered[column] for column in columns if column in offered}
    cells, missing = await cells_of(brought, visit, jobs)
    return {
        **shared,
        "jobs": [
            {
                **row_of(job, visit.redacted),
                "more": {path: value_at(job, path, visit.redacted) for path in extra},
                "cells": {name: of.get(job.id) for name, of in cells.items()},
            }
            for job in jobs
        ],
        "next": None if page is None else page.next,
        "searched_until": None if page is None else page.searched_until,
        "counts": counts,
        "total": _total(counts, typed.wanted),
        "partial": found["partial"] + missing,
    }


def _total(counts: list[dict[str, Any]], wanted: JobFilter) -> dict[str, Any] | None:
    of = [one for one in counts if not wanted.states or one["state"] in wanted.states]
    if not of or any(one["value"] is None for one in of):
        return None
    return {"value": sum(one["value"] for one in of), "exact": all(one["exact"] for one in of)}


def _columns(visit: Visit, offered: Mapping[str, WebColumn]) -> list[str]:
    """The columns that were asked for: words, paths such as `kwargs.user`, and what plugins bring."""
    asked = [one.strip() for text in visit.all("col") for one in text.split(",")]
    found = [one for one in asked if one in COLUMNS or one in offered or (one.startswith(PATHS) and one[-1] != ".")]
    return list(dict.fromkeys(one[:100] for one in found))[:COLUMNS_MAX] or list(USUAL)


def _limit(text: str) -> int:
    return int(text) if text.isdecimal() and int(text) in LIMITS else LIMITS[0]


def _cursor(text: str) -> str | None:
    """Where the page begins. Raises InvalidFilter."""
    if not text:
        return None
    try:
        return str(uuid.UUID(text))
    except ValueError:
        raise InvalidFilter(f"after is {text[:60]!r}: follow the links, or leave it out.") from None


JOBS: Final = WebPage(
    path="jobs",
    title="Jobs",
    load=load,
    template="chancy_dashboard.templates/jobs.html",
    group="Now",
    icon="jobs",
    actions=actions_on("q"),
)
