"""What may come next in a query: fields, states, and the names that there are."""

from __future__ import annotations

import time
from typing import Any, Final
from weakref import WeakKeyDictionary

from psycopg.errors import QueryCanceled

from chancy import Chancy, State
from chancy.errors import ChancyError
from chancy.plugin import Visit, WebPage
from chancy_dashboard.reading.connections import rows
from chancy_dashboard.showing.jsons import seen
from chancy_dashboard.showing.queries import TEXT_MAX, written

SHOWN: Final = 12
# Names change seldom, and somebody types ten characters in a second or two.
FOR_S: Final = 30.0
# So many of the newest jobs are asked for their functions.
LOOKED_AT: Final = 2_000
FAILURES: Final = 30
WITHIN_S: Final = 0.3
FIELDS: Final = {
    "state": "where a job is: pending, failed, live, finished …",
    "func": "the function, with * for any text",
    "queue": "the queue",
    "error": "text of the last error",
    "since": "something happened to it since: 2h, today, 14:00",
    "until": "nothing has happened to it since",
    "kwargs.": "an argument, as in kwargs.user:7",
    "meta.": "a value of its meta, as in meta.tenant:acme",
    "worker": "the worker of its latest attempt",
    "attempts": "how often it was started: >2, 1..3",
    "priority": "lower runs first: 0, >5",
    "key": "its unique key",
    "note": "text of its note",
    "tag": "a tag of its queue",
    "id": "its id, or how that begins",
}
TIMES: Final = ("15min", "1h", "2h", "24h", "7d", "today", "yesterday")
STATES: Final = (*(state.value for state in State), "live", "finished")

_Names = dict[str, dict[str, str]]
_kept: Final[WeakKeyDictionary[Chancy, tuple[float, _Names]]] = WeakKeyDictionary()


async def load(visit: Visit) -> dict[str, Any]:
    """The completions of the last term of a query: what it may become, what that is, and how often it is."""
    text = visit.query.get("q", "")[:TEXT_MAX]
    before, _, last = text.rpartition(" ")
    sign = "-" if last.startswith("-") else ""
    field, colon, value = last.removeprefix("-").partition(":")
    if not colon:
        found = [
            {"value": f"{sign}{name}{'' if name.endswith('.') else ':'}", "text": told, "count": ""}
            for name, told in FIELDS.items()
            if name.startswith(field.lower())
        ]
        return {"options": found[:SHOWN] if field or not before else [*found][:SHOWN]}
    *others, part = value.split(",")
    begin = "".join(f"{other}," for other in others)
    names = await _names(visit.chancy, field)
    near = [name for name in names if part.lower() in name.lower()]
    near.sort(key=lambda name: not name.lower().startswith(part.lower()))
    return {
        "options": [
            {"value": f"{sign}{field}:{begin}{written(name)}", "text": seen(names[name]), "count": ""}
            for name in near[:SHOWN]
        ]
    }


async def _names(chancy: Chancy, field: str) -> dict[str, str]:
    """What a field may be, and a few words to each."""
    if field == "state":
        return dict.fromkeys(STATES, "")
    if field in ("since", "until"):
        return dict.fromkeys(TIMES, "")
    kept = _kept.get(chancy)
    if kept is None or time.monotonic() - kept[0] > FOR_S:
        kept = _kept[chancy] = time.monotonic(), await _look(chancy)
    return kept[1].get(field, {})


async def _look(chancy: Chancy) -> _Names:
    queues = await chancy.get_all_queues()
    workers = await chancy.get_workers()
    return {
        "queue": {queue.name: str(queue.state.value) for queue in queues},
        "tag": {tag: "" for queue in queues for tag in sorted(queue.tags)},
        "worker": {worker.name: "" if worker.alive else "lost" for worker in workers},
        "func": await _functions(chancy),
        "error": await _errors(chancy),
    }


async def _functions(chancy: Chancy) -> dict[str, str]:
    try:
        return {row["func"]: "" for row in await rows(chancy, "find_functions", limit=LOOKED_AT)}
    except QueryCanceled:
        return {}


async def _errors(chancy: Chancy) -> dict[str, str]:
    try:
        failures = await chancy.find_failures("since:7d", limit=FAILURES, within_s=WITHIN_S)
    except (ChancyError, QueryCanceled):
        return {}
    return {group.type: group.message[:80] for group in reversed(failures.groups)}


COMPLETE: Final = WebPage(path="complete", title="Completions", load=load, template=None)
