"""One queue: what waits in it and why, its limits, and what it did."""

from __future__ import annotations

from typing import Any, Final

from chancy.plugin import Visit, WebPage
from chancy_dashboard.acting.queues import CONFIGURE_HERE, DELETE_HERE, PAUSE_HERE, PAUSES, RESUME_HERE
from chancy_dashboard.pages.queues import row_of
from chancy_dashboard.reading import figures
from chancy_dashboard.reading.connections import rows
from chancy_dashboard.reading.parts import together
from chancy_dashboard.reading.series import RANGES, series

ENTRIES: Final = 6
FUNCTIONS: Final = 12


async def load(visit: Visit) -> dict[str, Any]:
    """What is known of one queue. Raises UnknownQueue."""
    chancy, name = visit.chancy, visit.path["name"]
    queue = await chancy.get_queue(name)
    found = await together(
        workers=chancy.get_workers(),
        waiting=rows(chancy, "find_waiting_in", queue=name, limit=figures.COUNTED),
        running=figures.running(chancy),
        lately=figures.lately(chancy, since="5m", queue=name),
        functions=figures.lately(chancy, since="1h", by="both", queue=name),
        series=series(chancy, visit.query.get("range"), name),
        pause=rows(chancy, "find_pause", queue=name),
        entries=rows(chancy, "find_audit_of", subject=f"queue {name}", limit=ENTRIES),
    )
    alive = [worker for worker in found["workers"] or () if worker.alive]
    running = [row for row in found["running"] or () if row["queue"] == name]
    lately = found["lately"].rows if found["lately"] is not None else ()
    waits = (found["waiting"] or [None])[0]
    serving = figures.Serving(alive).of(queue)
    row = row_of(queue, serving, waits, sum(one["count"] for one in running), lately[0] if lately else None)
    return {
        "queue": queue.to_dict(),
        "now": row,
        "serving": sorted(worker.name for worker in serving),
        "per_worker": max((one for one in figures.runs_by(running, "worker").values()), default=0),
        "functions": _functions(found["functions"], running),
        "series": found["series"],
        "ranges": [(one.word, one.title) for one in RANGES],
        "entries": found["entries"] or [],
        "paused": (found["pause"] or [None])[0] if row["kind"] == "paused" else None,
        "pauses": PAUSES,
        "partial": found["partial"],
    }


def _functions(lately: Any | None, running: list[dict[str, Any]]) -> list[dict[str, Any]]:
    runs = figures.runs_by(running, "func")
    if lately is None:
        return [{"func": func, "running": count, "known": None} for func, count in runs.most_common(FUNCTIONS)]
    known = {rate.func: rate for rate in lately.rows}
    names = [*known, *(func for func in runs if func not in known)][:FUNCTIONS]
    return [{"func": func, "running": runs[func], "known": known.get(func)} for func in names]


QUEUE: Final = WebPage(
    path="queues/{name:path}",
    title="Queue",
    load=load,
    template="chancy_dashboard.templates/queue.html",
    actions=(PAUSE_HERE, RESUME_HERE, CONFIGURE_HERE, DELETE_HERE),
)
