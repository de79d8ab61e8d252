"""What is wrong with the history: workers that do not count, and counts that nobody writes."""

from __future__ import annotations

from typing import Final

from chancy import Chancy
from chancy.plugin import Finding, Severity, Subject, command_line, opened, with_connection
from chancy_history.store import read_unwritten

# A worker writes what it has counted within a minute, and a lost database is seen as such.
LATE_S: Final = 180.0
NAMED: Final = 4


async def find(chancy: Chancy, name: str) -> list[Finding]:
    """What is wrong now; `name` is the plugin's."""
    counting = [
        (worker.name, any(plugin.name == name for plugin in worker.status.plugins))
        for worker in await chancy.get_workers()
        if worker.alive and worker.status is not None and worker.status.plugins
    ]
    without = [worker for worker, counts in counting if not counts]
    if without:
        return [_not_counted(chancy, name, without, len(counting))]
    late_s = await with_connection(
        await opened(chancy), lambda connection: read_unwritten(connection, chancy.settings.schema, name, LATE_S)
    )
    return [] if late_s is None else [_not_written(chancy, name, late_s)]


def _not_counted(chancy: Chancy, name: str, without: list[str], workers: int) -> Finding:
    shown = ", ".join(without[:NAMED]) + (f" and {len(without) - NAMED} more" if len(without) > NAMED else "")
    return Finding(
        id="history-not-counted",
        severity=Severity.WARNING,
        subject=Subject("plugin", name),
        what=f"{len(without)} of {workers} live workers do not count what they run, because they do not have the "
        f"plugin {name}: {shown}.",
        evidence={"without": len(without), "workers": workers},
        why="Rates, waits and failures of the history are those of the other workers only.",
        fix=command_line(chancy, "plugins"),
    )


def _not_written(chancy: Chancy, name: str, late_s: float) -> Finding:
    return Finding(
        id="history-not-written",
        severity=Severity.WARNING,
        subject=Subject("plugin", name),
        what=f"Jobs have ended in the last {late_s / 60:.0f} min, and no worker has written what it counted since.",
        evidence={"late_s": round(late_s, 1)},
        why="The history has a hole, and whatever reads it takes these jobs for none at all.",
        fix=command_line(chancy, "plugins"),
    )
