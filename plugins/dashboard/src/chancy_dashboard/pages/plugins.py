"""Plugins: what is installed here, and how they do in running workers."""

from __future__ import annotations

from collections import Counter
from typing import Any, Final

from chancy.plugin import Visit, WebPage

# A name of an entry of the list says what the plugin brings; the rest of the hooks is for the curious.
BRINGS: Final = {
    "pages": "pages",
    "panels": "panels",
    "findings": "findings",
    "commands": "commands",
    "claim_budget": "limits",
    "is_leader": "the leader",
    "migrations": "tables",
}


async def load(visit: Visit) -> dict[str, Any]:
    """The plugins in force here, and in each worker."""
    chancy = visit.chancy
    workers = [worker for worker in await chancy.get_workers() if worker.alive]
    there: Counter[str] = Counter()
    failures: Counter[str] = Counter()
    ticked: dict[str, float] = {}
    errors: dict[str, tuple[str, str]] = {}
    for worker in workers:
        for one in worker.status.plugins if worker.status else ():
            there[one.name] += 1
            failures[one.name] += one.failures
            if one.ticked_s_ago is not None:
                ticked[one.name] = min(one.ticked_s_ago, ticked.get(one.name, one.ticked_s_ago))
            if one.error:
                errors[one.name] = (worker.name, one.error)
    here = [
        {
            "name": one.name,
            "origin": one.origin,
            "brings": [word for hook, word in BRINGS.items() if hook in chancy.plugins.implemented(one.name)],
            "hooks": chancy.plugins.implemented(one.name),
            "workers": there[one.name],
            "ticked_s_ago": ticked.get(one.name),
            "failures": failures[one.name],
            "error": errors.get(one.name),
        }
        for one in chancy.plugins.loaded
    ]
    names = {one.name for one in chancy.plugins.loaded}
    return {
        "plugins": sorted(here, key=lambda row: (row["error"] is None, row["name"])),
        "workers": len(workers),
        "elsewhere": [{"name": name, "workers": count} for name, count in there.items() if name not in names],
    }


PLUGINS: Final = WebPage(
    path="plugins",
    title="Plugins",
    load=load,
    template="chancy_dashboard.templates/plugins.html",
    group="System",
    icon="plugins",
)
