"""What is wrong with the partitions of finished jobs: jobs finish into the default ones, because others are missing."""

from __future__ import annotations

from typing import Final

from chancy import Chancy
from chancy.plugin import Finding, Severity, Subject, command_line
from chancy_pruner.make import coverage
from chancy_pruner.policy import OUTCOMES
from chancy_pruner.store import PrunerStore

# After so many rounds a pruner has made what was missing, unless something keeps it from that.
ROUNDS: Final = 6


async def find(chancy: Chancy) -> list[Finding]:
    """A finding for each outcome that has no partition for what finishes now, although somebody prunes."""
    workers = [worker for worker in await chancy.get_workers() if worker.alive and worker.status]
    pruning = [one for worker in workers if worker.status for one in worker.status.plugins if one.name == "pruner"]
    if not any(one.ticks >= ROUNDS for one in pruning):
        return []
    async with chancy.pool.connection() as connection:
        partitions = await PrunerStore(chancy.settings.schema, connection).partitions()
    errors = [one.error for one in pruning if one.error]
    found = []
    for state in OUTCOMES:
        covered = coverage(partitions, state)
        if covered is not None and covered.until_at is not None and covered.until_at > covered.now:
            continue
        ends = (
            "there is none" if covered is None or covered.until_at is None else f"the last ended at {covered.until_at}"
        )
        found.append(
            Finding(
                id="partition-missing",
                severity=Severity.WARNING,
                subject=Subject("database", f"table finished_{state}"),
                what=f"There is no partition for jobs that end {state} now: {ends}."
                + (f" The pruner says: {errors[0]}" if errors else ""),
                evidence={"pruners": len(pruning)},
                why="They go into the default partition, where they have to be deleted one by one when they are old.",
                fix=command_line(chancy, "prune", "--now"),
            )
        )
    return found
