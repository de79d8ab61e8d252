"""Home: what is wrong now, and how the queues do."""

from __future__ import annotations

from typing import Any, Final

from chancy.plugin import Visit, WebPage
from chancy_dashboard.parts import together
from chancy_dashboard.reading import rows
from chancy_dashboard.troubles import troubles_of

WORKERS_SHOWN: Final = 8
QUEUES_SHOWN: Final = 11
COUNTED: Final = 10_000


async def load(visit: Visit) -> dict[str, Any]:
    """What is wrong, what waits and what runs."""
    chancy = visit.chancy
    found = await together(
        troubles=troubles_of(chancy),
        waiting=rows(chancy, "find_waiting", limit=COUNTED),
        workers=chancy.get_workers(runs=True),
    )
    troubles, waiting, workers = found["troubles"], found["waiting"] or [], found["workers"] or []
    alive = [worker for worker in workers if worker.alive]
    return {
        "findings": [] if troubles is None else [one.to_dict() for one in troubles.findings],
        "waiting": sum(queue["count"] for queue in waiting),
        "waiting_exact": all(queue["count"] < COUNTED for queue in waiting),
        "oldest": max(waiting, key=lambda queue: queue["oldest_s"], default=None),
        "queues": sorted(waiting, key=lambda queue: -queue["oldest_s"])[:QUEUES_SHOWN],
        "running": sum(len(worker.runs or ()) for worker in workers),
        "workers": [worker.to_dict() for worker in alive[:WORKERS_SHOWN]],
        "alive": len(alive),
        "lost": len(workers) - len(alive),
        "partial": found["partial"],
    }


HOME: Final = WebPage(
    path="", title="Home", load=load, template="chancy_dashboard.templates/home.html", group="Now", icon="home"
)
