"""A history of finished jobs that grows for ever."""

from __future__ import annotations

from chancy.plugin import Finding, Severity, Subject
from chancy_doctor.look import Look


async def check(look: Look) -> list[Finding]:
    """A finding if many finished jobs are kept and no live worker prunes them."""
    if any(plugin.name == "pruner" for worker in look.alive if worker.status for plugin in worker.status.plugins):
        return []
    ((rows,),) = await look.rows("count_history", schema=look.schema)
    if not look.alive or rows < look.thresholds.history_rows:
        return []
    return [
        Finding(
            id="history-not-pruned",
            severity=Severity.WARNING,
            subject=Subject("database", "table finished_jobs"),
            what=f"About {rows:,.0f} finished jobs are kept, and no live worker has a pruner.",
            evidence={"rows": int(rows)},
            why="They are kept for ever: the disk fills, and whatever reads the history becomes slower.",
            fix="pip install chancy-pruner",
        )
    ]
