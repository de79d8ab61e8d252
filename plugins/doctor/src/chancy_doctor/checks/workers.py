"""Workers that were lost, and plugins that fail in those that live."""

from __future__ import annotations

from chancy import PluginStatus, WorkerInfo
from chancy.plugin import Finding, Severity, Subject
from chancy_doctor.look import Look, jobs_of, named, shown_s


async def check(look: Look) -> list[Finding]:
    """A finding for each lost worker, for runs of nobody, and for each plugin that fails."""
    running = {row[0]: row for row in await look.rows("find_running")}
    found = [_lost(look, worker, running) for worker in look.workers if not worker.alive]
    known = {worker.name for worker in look.workers}
    # A worker registers before it claims, so that its row was removed by somebody.
    found += [_orphans(look, row[0], row[2]) for row in running.values() if row[0] not in known]
    return [*found, *_versions(look), *_plugins(look)]


def _versions(look: Look) -> list[Finding]:
    """Workers of several versions, which during a deploy is nothing unusual, and is forgotten after it."""
    by_version: dict[str, list[WorkerInfo]] = {}
    for worker in look.alive:
        by_version.setdefault(worker.version or "of an unknown version", []).append(worker)
    if len(by_version) < 2:  # noqa: PLR2004 -- there is nothing to differ from
        return []
    # Those of the fewest workers first: mostly they are the ones that were forgotten.
    groups = sorted(by_version.items(), key=lambda item: (len(item[1]), item[0]))
    told = "; ".join(f"{version}: {named([one.name for one in group])}" for version, group in groups)
    return [
        Finding(
            id="versions-differ",
            severity=Severity.WARNING,
            subject=Subject("schema", look.schema),
            what=f"Live workers run {len(groups)} versions of Chancy: {told}.",
            evidence={version: len(group) for version, group in groups},
            why="During a deploy that is as it should be. After it somebody was forgotten: what a job gets depends on "
            "who claims it.",
            fix=look.command("workers"),
        )
    ]


def _lost(look: Look, worker: WorkerInfo, running: dict[str, tuple[object, ...]]) -> Finding:
    jobs = int(str(running[worker.name][2])) if worker.name in running else 0
    left = f"{jobs_of(jobs)} {'is' if jobs == 1 else 'are'} still marked" if jobs else "No job is marked"
    what = (
        f"The worker {worker.name} has given no sign of life for {shown_s(worker.seen_s_ago)}, and its lease has run "
        "out: it was killed, hangs, or cannot reach the database. "
        f"{left} as running on it."
    )
    why = (
        "Another worker gives its jobs back within one lease."
        if look.alive
        else "Nobody gives its jobs back: no worker is alive."
    )
    return Finding(
        id="worker-lost",
        severity=Severity.WARNING if look.alive else Severity.ERROR,
        subject=Subject("worker", worker.name),
        what=what,
        evidence={
            "seen_s_ago": round(worker.seen_s_ago, 1),
            "running": jobs,
            "live_workers": len(look.alive),
        },
        why=why,
        fix=look.command("worker"),
    )


def _orphans(look: Look, worker: object, jobs: object) -> Finding:
    return Finding(
        id="runs-without-worker",
        severity=Severity.WARNING,
        subject=Subject("worker", str(worker)),
        what=f"{jobs_of(int(str(jobs)))} marked as running on {worker}, which nobody knows: its row was removed.",
        evidence={"running": int(str(jobs))},
        why="They are given back by another worker, after a lease." if look.alive else "Nobody gives them back.",
        fix=look.command("plugins") if look.alive else look.command("worker"),
    )


def _plugins(look: Look) -> list[Finding]:
    failing: dict[str, list[tuple[WorkerInfo, PluginStatus]]] = {}
    for worker in look.alive:
        for plugin in worker.status.plugins if worker.status else ():
            # What is switched off stays so, whenever that was.
            if plugin.off or (plugin.error is not None and (plugin.failed_s_ago or 0.0) < look.thresholds.recent_s):
                failing.setdefault(plugin.name, []).append((worker, plugin))
    return [_off(look, name, seen) or _failing(look, name, seen) for name, seen in failing.items()]


def _off(look: Look, name: str, seen: list[tuple[WorkerInfo, PluginStatus]]) -> Finding | None:
    off = [(worker, plugin) for worker, plugin in seen if plugin.off]
    if not off:
        return None
    hooks = sorted({hook for _, plugin in off for hook in plugin.off})
    return Finding(
        id="hook-switched-off",
        severity=Severity.ERROR if "claim_budget" in hooks else Severity.WARNING,
        subject=Subject("plugin", name),
        what=f"{named(hooks)} of the plugin {name} is not called any more on {named([one.name for one, _ in off])}: a "
        "call went on although its time was over and it was cancelled.",
        evidence={"workers": len(off), "failures": sum(plugin.failures for _, plugin in off)},
        why="Queues that it limits are not claimed from, until these workers are started again."
        if "claim_budget" in hooks
        else "What the plugin does there is not done, until these workers are started again. It must let "
        "CancelledError pass.",
        fix=look.command("plugins"),
    )


def _failing(look: Look, name: str, seen: list[tuple[WorkerInfo, PluginStatus]]) -> Finding:
    _, last = min(seen, key=lambda one: one[1].failed_s_ago or 0.0)
    where = named([worker.name for worker, _ in seen])
    return Finding(
        id="plugin-failing",
        severity=Severity.WARNING,
        subject=Subject("plugin", name),
        what=f"The plugin {name} fails on {where}, last {shown_s(last.failed_s_ago or 0.0)} ago: {last.error}",
        evidence={"failures": sum(plugin.failures for _, plugin in seen), "workers": len(seen)},
        why="Jobs run all the same; what the plugin is for does not happen, or not always.",
        fix=look.command("plugins"),
    )
