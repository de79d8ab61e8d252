"""Workers: what each runs now, and what keeps it from running more."""

from __future__ import annotations

from collections import Counter
from typing import Any, Final

from chancy import WorkerInfo
from chancy.plugin import Visit, WebPage
from chancy_dashboard.reading import figures
from chancy_dashboard.reading.parts import together

# Tags that every worker has of itself.
OF_ITSELF: Final = ("hostname=", "worker=", "worker_id=", "python=", "chancy=", "os=", "arch=")
SHOWN: Final = 300
FUNCS_SHOWN: Final = 4


async def load(visit: Visit) -> dict[str, Any]:
    """Every worker that has not been forgotten, those with trouble first."""
    found = await together(workers=visit.chancy.get_workers(), running=figures.running(visit.chancy))
    workers: list[WorkerInfo] = found["workers"] or []
    alive = [worker for worker in workers if worker.alive]
    versions = Counter(worker.version or "?" for worker in alive)
    newest = max(versions, key=_order, default=None)
    runs: dict[str, list[dict[str, Any]]] = {}
    for row in found["running"] or ():
        runs.setdefault(row["worker"], []).append(row)
    shown = [_row(worker, runs.get(worker.name, []), newest) for worker in alive]
    shown.sort(key=lambda row: (not row["trouble"], not row["old"], row["name"]))
    names = {worker.name for worker in workers}
    return {
        "workers": shown[:SHOWN],
        "alive": len(alive),
        "running": sum(row["running"] for row in shown),
        "hosts": len({row["host"] for row in shown}),
        "leader": next((row["name"] for row in shown if row["leads"]), None),
        "versions": sorted(versions, key=_order),
        "lost": [_lost(worker, runs.get(worker.name, [])) for worker in workers if not worker.alive],
        "orphans": [row for name, rows in runs.items() if name not in names for row in rows],
        "unable": _unable(alive),
        "partial": found["partial"],
    }


def _row(worker: WorkerInfo, runs: list[dict[str, Any]], newest: str | None) -> dict[str, Any]:
    status = worker.status
    plugins = status.plugins if status else []
    return {
        "name": worker.name,
        "host": next((tag.partition("=")[2] for tag in worker.tags if tag.startswith("hostname=")), worker.name),
        "tags": [tag for tag in worker.tags if tag != "*" and not tag.startswith(OF_ITSELF)],
        "queues": worker.queues,
        "running": sum(row["count"] for row in runs),
        "runs": runs[:FUNCS_SHOWN],
        "more": sum(row["count"] for row in runs[FUNCS_SHOWN:]),
        "longest_s": max((row["oldest_s"] for row in runs), default=None),
        "lease_left_s": worker.lease_left_s,
        "started_at": worker.started_at,
        "version": worker.version,
        "told": status is not None,
        "slots": status.slots if status else None,
        "memory_bytes": status.memory_bytes if status else None,
        "old": worker.version != newest,
        "leads": bool(status and status.leads),
        "unable": status.unable if status else [],
        "unserved": status.unserved if status else [],
        "plugins": plugins,
        "trouble": bool(status and (status.unable or status.unserved)) or any(one.error for one in plugins),
    }


def _lost(worker: WorkerInfo, runs: list[dict[str, Any]]) -> dict[str, Any]:
    return {"name": worker.name, "seen_s_ago": worker.seen_s_ago, "running": sum(row["count"] for row in runs)}


def _unable(alive: list[WorkerInfo]) -> list[dict[str, Any]]:
    """The functions that some workers cannot run, and how many of them."""
    told: dict[tuple[str, str], dict[str, Any]] = {}
    for worker in alive:
        for one in worker.status.unable if worker.status else ():
            row = told.setdefault(
                (one.func, one.problem), {"func": one.func, "problem": one.problem, "workers": [], "queue": one.queue}
            )
            row["workers"].append(worker.name)
    return list(told.values())


def _order(version: str) -> tuple[tuple[int, str], ...]:
    """Versions in their order, whatever somebody calls one."""
    return tuple((int(part), "") if part.isdigit() and len(part) < 9 else (-1, part) for part in version.split("."))  # noqa: PLR2004 -- no number of a version is longer


WORKERS: Final = WebPage(
    path="workers",
    title="Workers",
    load=load,
    template="chancy_dashboard.templates/workers.html",
    group="Now",
    icon="workers",
)
