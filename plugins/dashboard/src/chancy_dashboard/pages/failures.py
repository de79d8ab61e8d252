"""Failures: what fails in the same way, how often, and acting on it."""

from __future__ import annotations

from functools import partial
from typing import Any, Final, NamedTuple

from msgspec.structs import replace

from chancy import FailureGroup, JobFilter
from chancy.errors import InvalidFilter
from chancy.plugin import Visit, WebPage
from chancy_dashboard.acting.meaning import actions_on
from chancy_dashboard.reading.connections import rows
from chancy_dashboard.reading.figures import has_history
from chancy_dashboard.reading.parts import together
from chancy_dashboard.reading.snapshots import Remembered
from chancy_dashboard.showing import queries
from chancy_dashboard.showing.jsons import seen

# What fails now is among the newest, some ten thousand of which are looked at in this time; and who wants more says so.
WITHIN_S: Final = 0.08
FURTHER_S: Final = 0.9
SHOWN: Final = 50
#: The ranges that can be looked at: their seconds, and how long each step of their lines is.
RANGES: Final = {"1h": (3_600, 120), "24h": (86_400, 3_600), "7d": (604_800, 21_600)}
MESSAGE_MAX: Final = 400
# Also the name of an exception may be anything.
TYPE_MAX: Final = 200
# Workers tell what they counted every ten seconds, and lines are by minutes.
FOR_S: Final = 30.0


class Runs(NamedTuple):
    """What a function did: how many of its runs began, and how many failed, step by step."""

    started: int
    line: list[float]


_ran: Final = Remembered(FOR_S)


async def load(visit: Visit) -> dict[str, Any]:
    """The groups, the most frequent first."""
    word = visit.query.get("since", "1h")
    word = word if word in RANGES else "1h"
    typed = queries.read(visit.query.get("q", ""))
    further = visit.query.get("look") == "further"
    shared = {"since": word, "further": further, "ranges": list(RANGES), "q": typed.text, "wrong": typed.wrong}
    if typed.wanted is None:
        return {**shared, "groups": [], "count": 0, "searched_until": None, "partial": [], "history": False}
    wanted = _within(typed.wanted, word)
    found = await together(
        failures=visit.chancy.find_failures(wanted, limit=SHOWN, within_s=FURTHER_S if further else WITHIN_S),
        runs=_runs(visit, word),
    )
    failures, runs = found["failures"], found["runs"] or {}
    groups = [] if failures is None else failures.groups
    return {
        **shared,
        "groups": [_told(one, word, typed.text, runs.get(one.func)) for one in groups],
        "count": 0 if failures is None else failures.count,
        "searched_until": None if failures is None else failures.searched_until,
        "partial": found["partial"],
        "history": has_history(visit.chancy),
    }


def _within(wanted: JobFilter, word: str) -> JobFilter:
    return wanted if wanted.since is not None else replace(wanted, since=word)


def _told(group: FailureGroup, word: str, text: str, runs: Runs | None) -> dict[str, Any]:
    return {
        "func": group.func,
        "type": seen(group.type[:TYPE_MAX]),
        "where": None if group.where is None else seen(group.where),
        "count": group.count,
        "retrying": group.retrying,
        "message": seen(group.message[:MESSAGE_MAX]),
        "first_at": group.first_at,
        "last_at": group.last_at,
        "newest": str(group.newest),
        # Of a function's runs, as far as its workers have told; a run may fail in several ways.
        "share": min(group.count / runs.started, 1.0) if runs and runs.started else None,
        "line": None if runs is None else runs.line,
        "q": _query(group, word, text),
    }


def _query(group: FailureGroup, word: str, text: str) -> str:
    """What finds the jobs of a group, and those of the same function with the same exception from elsewhere.

    Returns:
        A query; empty: no query can name them, because their names are longer than any, or have an end of line in them.
    """
    try:
        wanted = JobFilter(funcs=(_exactly(group.func),), errors=(_exactly(group.type),))
    except InvalidFilter:
        return ""
    rest = [one for one in queries.terms(text) if not one.startswith(("func:", "error:", "state:"))]
    since = [] if any(one.startswith("since:") for one in rest) else [f"since:{word}"]
    return " ".join(["state:failed,retrying", str(wanted), *rest, *since])


def _exactly(name: str) -> str:
    return "".join(f"\\{letter}" if letter in "\\*?" else letter for letter in name)


async def _runs(visit: Visit, word: str) -> dict[str, Runs]:
    """What each function did in that time, as chancy-history has it; nothing where it is not installed."""
    if not has_history(visit.chancy):
        return {}
    found: dict[str, Runs] = await _ran.get(visit.chancy, word, partial(_read_runs, visit, word))
    return found


async def _read_runs(visit: Visit, word: str) -> dict[str, Runs]:
    seconds, step_s = RANGES[word]
    steps = seconds // step_s
    found: dict[str, Runs] = {}
    for row in await rows(visit.chancy, "read_failing", since_s=seconds, step_s=step_s):
        runs = found.setdefault(row["func"], Runs(0, [0.0] * steps))
        place = steps - 1 - int(row["steps_ago"])
        if 0 <= place < steps:
            runs.line[place] += row["bad"]
        found[row["func"]] = runs._replace(started=runs.started + row["started"])
    return found


FAILURES: Final = WebPage(
    path="failures",
    title="Failures",
    load=load,
    template="chancy_dashboard.templates/failures.html",
    group="Now",
    icon="failures",
    actions=actions_on("q"),
)
