"""Failures: what fails in the same way, how often, and acting on it."""

from __future__ import annotations

from typing import Any, Final

from msgspec.structs import replace

from chancy import FailureGroup, JobFilter
from chancy.plugin import Visit, WebPage, is_outage, log, text_of
from chancy_dashboard import queries
from chancy_dashboard.figures import HISTORY, lately
from chancy_dashboard.jsons import seen
from chancy_dashboard.meaning import actions_on
from chancy_dashboard.parts import together
from chancy_dashboard.reading import rows

WITHIN_S: Final = 0.8
SHOWN: Final = 50
#: The ranges that can be looked at: their seconds, and how long each step of their lines is.
RANGES: Final = {"1h": (3_600, 120), "24h": (86_400, 3_600), "7d": (604_800, 21_600)}
MESSAGE_MAX: Final = 400


async def load(visit: Visit) -> dict[str, Any]:
    """The groups, the most frequent first."""
    word = visit.query.get("since", "1h")
    word = word if word in RANGES else "1h"
    typed = queries.read(visit.query.get("q", ""))
    shared = {"since": word, "ranges": list(RANGES), "q": typed.text, "wrong": typed.wrong}
    if typed.wanted is None:
        return {**shared, "groups": [], "count": 0, "searched_until": None, "partial": [], "history": False}
    wanted = _within(typed.wanted, word)
    seconds, step_s = RANGES[word]
    found = await together(
        failures=visit.chancy.find_failures(wanted, limit=SHOWN, within_s=WITHIN_S),
        runs=_runs(visit, word),
    )
    failures, runs = found["failures"], found["runs"] or {}
    groups = [] if failures is None else failures.groups
    lines = await _lines(visit, sorted({one.func for one in groups}), seconds, step_s) if runs else {}
    return {
        **shared,
        "groups": [_told(one, word, typed.text, runs, lines) for one in groups],
        "count": 0 if failures is None else failures.count,
        "searched_until": None if failures is None else failures.searched_until,
        "partial": found["partial"],
        "history": any(one.name == HISTORY for one in visit.chancy.plugins.loaded),
    }


def _within(wanted: JobFilter, word: str) -> JobFilter:
    return wanted if wanted.since is not None else replace(wanted, since=word)


def _told(
    group: FailureGroup, word: str, text: str, runs: dict[str, Any], lines: dict[str, list[float]]
) -> dict[str, Any]:
    rate = runs.get(group.func)
    started = rate.started if rate is not None else 0
    return {
        "func": group.func,
        "type": seen(group.type),
        "where": None if group.where is None else seen(group.where),
        "count": group.count,
        "retrying": group.retrying,
        "message": seen(group.message[:MESSAGE_MAX]),
        "first_at": group.first_at,
        "last_at": group.last_at,
        "newest": str(group.newest),
        # Of a function's runs, as far as its workers have told; a run may fail in several ways.
        "share": min(group.count / started, 1.0) if started else None,
        "line": lines.get(group.func),
        "q": _query(group, word, text),
    }


def _query(group: FailureGroup, word: str, text: str) -> str:
    """What finds the jobs of a group, and those of the same function with the same exception from elsewhere."""
    wanted = JobFilter(funcs=(_exactly(group.func),), errors=(_exactly(group.type),))
    rest = [one for one in queries.terms(text) if not one.startswith(("func:", "error:", "state:"))]
    since = [] if any(one.startswith("since:") for one in rest) else [f"since:{word}"]
    return " ".join(["state:failed,retrying", str(wanted), *rest, *since])


def _exactly(name: str) -> str:
    return "".join(f"\\{letter}" if letter in "\\*?" else letter for letter in name)


async def _runs(visit: Visit, word: str) -> dict[str, Any]:
    """What each function did in that time, as chancy-history has it; nothing where it is not installed."""
    try:
        found = await lately(visit.chancy, since=word, by="func")
    except Exception as error:
        if is_outage(error):
            raise
        log.warning("history_not_read", error=text_of(error))
        return {}
    return {} if found is None else {one.func: one for one in found.rows}


async def _lines(visit: Visit, funcs: list[str], seconds: int, step_s: int) -> dict[str, list[float]]:
    """How many runs of each function failed, step by step."""
    found = await rows(visit.chancy, "read_failing", funcs=funcs, since_s=seconds, step_s=step_s)
    steps = seconds // step_s
    lines: dict[str, list[float]] = {func: [0.0] * steps for func in funcs}
    for row in found:
        place = steps - 1 - int(row["steps_ago"])
        if 0 <= place < steps:
            lines[row["func"]][place] += float(row["bad"])
    return lines


FAILURES: Final = WebPage(
    path="failures",
    title="Failures",
    load=load,
    template="chancy_dashboard.templates/failures.html",
    group="Now",
    icon="failures",
    actions=actions_on("q"),
)
