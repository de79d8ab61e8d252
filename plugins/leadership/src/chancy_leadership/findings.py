"""What is wrong with leadership: workers stand for election, and nobody has led for long."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from chancy import Chancy
from chancy.plugin import Finding, Severity, Subject, command_line
from chancy_leadership.errors import TermsLost
from chancy_leadership.leader import get_leader

# A leader that was killed is followed by another within a lease; what takes several has another cause.
LEASES: Final = 3
LEAST_S: Final = 30.0


async def find(chancy: Chancy, lease_s: float) -> list[Finding]:
    """A finding if live workers have this plugin, and nobody leads.

    Args:
        chancy: the application.
        lease_s: how long a leader leads without a sign of life, by the settings here.
    """
    try:
        found = await get_leader(chancy)
    except TermsLost as error:
        return [_finding(chancy, "terms-lost", str(error), {})]
    if found is not None and found.holder is not None:
        return []
    patience_s = max(LEASES * lease_s, LEAST_S)
    now = datetime.now(UTC)
    standing = [
        worker.name
        for worker in await chancy.get_workers()
        if worker.alive and worker.status is not None and (now - worker.started_at).total_seconds() > patience_s
        for plugin in worker.status.plugins
        if plugin.name == "leadership"
    ]
    if not standing or (found is not None and (now - found.lease_until).total_seconds() < patience_s):
        return []
    what = f"Nobody leads, although {len(standing)} live workers stand for election, {standing[0]} among them."
    return [_finding(chancy, "nobody-leads", what, {"workers": len(standing)})]


def _finding(chancy: Chancy, id_: str, what: str, evidence: dict[str, int | float | str | None]) -> Finding:
    return Finding(
        id=id_,
        severity=Severity.ERROR,
        subject=Subject("schema", chancy.settings.schema),
        what=what,
        evidence=evidence,
        why="What is for the leader only is done by nobody: pruning, among others.",
        fix=command_line(chancy, "plugins"),
    )
