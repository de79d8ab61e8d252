"""What was measured, as one value, as a document and as text."""

from __future__ import annotations

import click
import msgspec

from chancy_core.cli.benching.draining import Drain
from chancy_core.cli.benching.limits import Limit
from chancy_core.cli.benching.measuring import Pushed, Waits
from chancy_core.cli.showing import show_facts, show_rows
from chancy_core.cli.times import size
from chancy_core.store.benching import ServerLook

_SECONDS_A_DAY = 86_400


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """One run of `chancy bench`.

    Attributes:
        server: what was seen of the server before.
        pooler: whether a transaction pooler stands before it.
        payload_bytes: the arguments of each job, as JSON.
        seconds: how long each step was to take.
        waits: round trip, commit, push to start.
        pushed: what pushing costs.
        drains: how jobs were run, by one process, then by more.
        limits: what limited each of these.
        swept: schemas of earlier runs that were killed, which were dropped.
    """

    server: ServerLook
    pooler: bool
    payload_bytes: int
    seconds: float
    waits: Waits
    pushed: Pushed
    drains: list[Drain]
    limits: list[Limit]
    swept: list[str]


def show(run: Run) -> None:
    """Print it for people."""
    waits, pushed = run.waits, run.pushed
    show_facts(
        [
            ("round trip", f"{waits.round_trip_ms:.2f} ms, {_where(run)}"),
            ("commit", f"{waits.commit_ms:.2f} ms, {_durably(run.server)}"),
            ("push to start", f"{waits.start_ms:.1f} ms (p99 {waits.start_p99_ms:.1f} ms) on an idle worker"),
            ("push", f"{pushed.single_per_s:,.0f}/s one by one, {pushed.tasks_per_s:,.0f}/s by {pushed.pushers} tasks"),
            ("", f"{pushed.bulk_per_s:,.0f}/s in bulk, {pushed.bulk_wal_bytes:,.0f} B of WAL each"),
        ]
    )
    click.echo()
    show_rows(
        ("processes", "jobs/s", "worker CPU", "busy", "WAL a job", "in the server"), [_row(one) for one in run.drains]
    )
    for one, limit in zip(run.drains, run.limits, strict=True):
        click.echo()
        label = f"{one.processes} process{'es' if one.processes > 1 else ''}"
        show_facts([(label, f"What limits it: {limit.why}."), ("", limit.then)])
    click.echo()
    for line in remarks(run):
        show_facts([("*", line)])


def remarks(run: Run) -> list[str]:
    """What else whoever reads this should know."""
    best = max(run.drains, key=lambda one: one.jobs_per_s)
    wal_day = best.jobs_per_s * (best.wal_bytes + run.pushed.bulk_wal_bytes) * _SECONDS_A_DAY
    at_best = f"At {best.jobs_per_s:,.0f} jobs a second the server would write {size(wal_day)} of WAL a day."
    said = [f"{at_best} These jobs do nothing: yours take their own time beside."]
    if run.server.others:
        said.append(
            f"{run.server.others} other sessions were at work when this began: WAL, waits and paces have theirs too."
        )
    if run.pooler:
        said.append(
            "All went through the pooler: round trips are to the server and back through it. A worker hears no "
            "notifications there, so its push to start is how often it looks."
        )
    if run.server.synchronous_commit == "off" or not run.server.fsync:
        said.append("Commits do not wait for the disk here: a crash of the machine loses the last of them.")
    if run.swept:
        said.append(f"Swept what earlier runs had left: {', '.join(run.swept)}.")
    return said


def _where(run: Run) -> str:
    return "the server is on this machine" if run.server.is_near else "the server is on another machine"


def _durably(server: ServerLook) -> str:
    if not server.fsync:
        return "with fsync off"
    if server.standby and server.synchronous_commit in ("on", "remote_apply", "remote_write"):
        return "on the disk and on a standby"
    return f"synchronous_commit is {server.synchronous_commit}"


def _row(drain: Drain) -> tuple[str, ...]:
    waits = ", ".join(f"{name} {100 * part:.0f} %" for name, part in list(drain.waits.items())[:2])
    return (
        f"{drain.processes}",
        f"{drain.jobs_per_s:,.0f}",
        f"{drain.worker_cpu_us:.0f} µs",
        f"{100 * drain.worker_busy:.0f} %",
        f"{drain.wal_bytes:,.0f} B",
        f"{drain.at_work:.1f} at work: {waits}" if waits else "not seen",
    )
