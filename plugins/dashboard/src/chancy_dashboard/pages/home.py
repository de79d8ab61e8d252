"""Home: what is wrong now, and how the queues do."""

from __future__ import annotations

from typing import Any, Final, cast

from chancy.plugin import Visit, WebPage
from chancy_dashboard.door.visit import Visiting
from chancy_dashboard.reading import figures
from chancy_dashboard.reading.connections import rows
from chancy_dashboard.reading.parts import together
from chancy_dashboard.reading.series import HOUR_S, RANGES, last_hour, series
from chancy_dashboard.reading.troubles import PATIENCE_S, Troubles

WORKERS_SHOWN: Final = 6
QUEUES_SHOWN: Final = 11
FAILURES_SHOWN: Final = 5
SCHEDULES_SHOWN: Final = 7
# A few are shown here; on the page of failures one can look further back.
FAILING_WITHIN_S: Final = 0.06


async def load(visit: Visit) -> dict[str, Any]:
    """What is wrong, what waits, runs and fails, and what comes next."""
    chancy = visit.chancy
    found = await together(
        troubles=_troubles(cast("Visiting", visit)),
        waiting=figures.waiting(chancy),
        running=figures.running(chancy),
        workers=chancy.get_workers(),
        # Five hundred queues are read in the time of all the rest, and only their number is told.
        queues=rows(chancy, "count_queues"),
        series=series(chancy, visit.query.get("range")),
        hour=last_hour(chancy),
        failures=chancy.find_failures("since:1h", limit=FAILURES_SHOWN, within_s=FAILING_WITHIN_S),
        schedules=figures.next_schedules(chancy, SCHEDULES_SHOWN),
    )
    # Whoever follows the page sees it for long: the checks may have ended while the rest was looked up.
    troubles = found["troubles"] or await cast("Visiting", visit).reader.troubles(0.0)
    waiting = found["waiting"] or {}
    workers, running = found["workers"] or [], found["running"] or []
    alive = [worker for worker in workers if worker.alive]
    hour = found["hour"]
    return {
        "findings": None if troubles is None else [one.to_dict() for one in troubles.findings],
        **_waiting(waiting),
        "queues": found["queues"][0]["count"] if found["queues"] else 0,
        "running": sum(row["count"] for row in running),
        "workers": [_worker(worker, running) for worker in alive[:WORKERS_SHOWN]],
        "alive": len(alive),
        "lost": len(workers) - len(alive),
        "leader": next((worker.name for worker in alive if worker.status and worker.status.leads), None),
        "series": found["series"],
        "ranges": [(one.word, one.title) for one in RANGES],
        "failed": None if hour is None else hour.bad,
        "ran": None if hour is None else hour.ran,
        "per_s": None if hour is None else hour.finished / HOUR_S,
        "failures": found["failures"],
        "schedules": found["schedules"],
        "partial": found["partial"],
    }


async def _troubles(visit: Visiting) -> Troubles | None:
    """What is wrong, if that is known in a moment: nobody looks at an empty window for it."""
    return await visit.reader.troubles(None if visit.patient else PATIENCE_S)


def _waiting(waiting: dict[str, dict[str, Any]]) -> dict[str, Any]:
    ordered = sorted(waiting.values(), key=lambda queue: -queue["oldest_s"])
    return {
        "waiting": sum(queue["count"] for queue in ordered),
        "waiting_exact": all(queue["exact"] for queue in ordered),
        "oldest": ordered[0] if ordered else None,
        "longest": ordered[:QUEUES_SHOWN],
    }


def _worker(worker: Any, running: list[dict[str, Any]]) -> dict[str, Any]:
    runs = [row for row in running if row["worker"] == worker.name]
    return {
        "name": worker.name,
        "queues": worker.queues,
        "leads": bool(worker.status and worker.status.leads),
        "version": worker.version,
        "lease_left_s": worker.lease_left_s,
        "running": sum(row["count"] for row in runs),
        "runs": runs[:3],
    }


HOME: Final = WebPage(
    path="", title="Home", load=load, template="chancy_dashboard.templates/home.html", group="Now", icon="home"
)
