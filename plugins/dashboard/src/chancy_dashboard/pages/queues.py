"""Queues: all of them, those with trouble first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from chancy import Chancy, Queue, WorkerInfo
from chancy.plugin import Done, Visit, WebAction, WebPage
from chancy_dashboard.acting.queues import PAUSE_HERE, RESUME_HERE
from chancy_dashboard.reading import figures
from chancy_dashboard.reading.parts import together

SHOWN: Final = 100
ORDERS: Final = ("outlook", "name", "waiting", "oldest")


async def load(visit: Visit) -> dict[str, Any]:
    """Every queue: what waits, how it goes, and how it will be."""
    chancy = visit.chancy
    found = await together(
        queues=chancy.get_all_queues(),
        unreadable=chancy.get_unreadable_queues(),
        workers=chancy.get_workers(),
        waiting=figures.waiting(chancy),
        running=figures.running(chancy),
        lately=figures.lately(chancy, since="5m", steps=5),
    )
    wanted = visit.query.get("name", "").lower()
    waiting = found["waiting"] or {}
    rates = {} if found["lately"] is None else {rate.queue: rate for rate in found["lately"].rows}
    queues = [queue for queue in found["queues"] or () if wanted in queue.name.lower()]
    undeclared = [row for name, row in waiting.items() if name not in {queue.name for queue in found["queues"] or ()}]
    order = visit.query.get("by") if visit.query.get("by") in ORDERS else ORDERS[0]
    page = max(int(n) if (n := visit.query.get("page", "1")).isascii() and n.isdigit() and len(n) < 7 else 1, 1)  # noqa: PLR2004
    alive = [worker for worker in found["workers"] or () if worker.alive]
    runs = figures.runs_by(found["running"] or (), "queue")
    ordered = sorted(queues, key=lambda queue: _key(str(order), queue, waiting.get(queue.name)))
    serving = figures.Serving(alive)
    shown = [
        row_of(queue, serving.of(queue), waiting.get(queue.name), runs[queue.name], rates.get(queue.name))
        for queue in ordered[(page - 1) * SHOWN : page * SHOWN]
    ]
    if order == ORDERS[0]:
        shown.sort(key=lambda row: (row["kind"] != "error", -(row["oldest_s"] or 0)))
    return {
        "queues": shown,
        "count": len(queues),
        "page": page,
        "pages": (len(queues) + SHOWN - 1) // SHOWN,
        "by": order,
        "name": visit.query.get("name", ""),
        "waiting": sum(row["count"] for row in waiting.values()),
        "waiting_exact": all(row["exact"] for row in waiting.values()),
        "waiting_in": len(waiting),
        "unreadable": found["unreadable"] or [],
        "undeclared": undeclared,
        "knows": found["lately"] is not None,
        "partial": found["partial"],
    }


def _key(order: str, queue: Queue, waits: dict[str, Any] | None) -> Any:
    match order:
        case "name":
            return queue.name
        case "waiting":
            return -(waits["count"] if waits else 0), queue.name
        case "oldest":
            return -(waits["oldest_s"] if waits else -1), queue.name
    # Trouble is where something waits for long; a queue that is paused, somebody knows of.
    return queue.state is Queue.State.PAUSED, -(waits["oldest_s"] if waits else -1), queue.name


def row_of(
    queue: Queue, serving: Sequence[WorkerInfo], waits: dict[str, Any] | None, running: int, rate: Any | None
) -> dict[str, Any]:
    """What is shown of one queue."""
    count = waits["count"] if waits else 0
    seen = figures.outlook(
        queue, count, len(serving), rate.in_per_s if rate else None, rate.out_per_s if rate else None
    )
    return {
        "name": queue.name,
        "state": queue.state,
        "resume_at": queue.resume_at if queue.state is Queue.State.PAUSED else None,
        "kind": seen.kind,
        "outlook": seen.text,
        "waiting": count,
        "exact": waits is None or waits["exact"],
        "oldest_s": waits["oldest_s"] if waits else None,
        "running": running,
        "slots": figures.slots_of(queue, serving),
        "serving": len(serving),
        "limits": figures.limits_told(queue),
        **_rates(rate),
    }


def _rates(rate: Any | None) -> dict[str, Any]:
    names = ("in_per_s", "out_per_s", "wait_p50_s", "wait_p95_s", "wait_p99_s", "failing", "trend")
    return {name: getattr(rate, name, None) for name in names}


async def _declare(visit: Visit) -> Done:
    chancy: Chancy = visit.chancy
    name = visit.form.get("name", "").strip()
    await chancy.declare(Queue(name))
    return Done(f"The queue {name} is declared.", f"queues/{name}", f"queue {name}")


QUEUES: Final = WebPage(
    path="queues",
    title="Queues",
    load=load,
    template="chancy_dashboard.templates/queues.html",
    group="Now",
    icon="queues",
    actions=(
        PAUSE_HERE,
        RESUME_HERE,
        WebAction(name="declare", permission="configure", run=_declare, queue=lambda visit: visit.form.get("name")),
    ),
)
