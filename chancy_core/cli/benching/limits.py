"""What limits a drain, told from what was measured in it."""

from __future__ import annotations

import os
from typing import Final

import msgspec

from chancy_core.cli.benching.draining import Drain

# A process that computes for so much of the time has no time for more jobs.
BUSY: Final = 0.85
# The same for all processors of a machine: the last tenth of them nobody gets evenly.
MACHINE_BUSY: Final = 0.88
# What sessions do for so much of their time at work is what they are slow by.
MOSTLY: Final = 0.4
# Fewer sessions at work for each process: the server waits for the workers, or for what is between them.
HARDLY: Final = 0.3
# Words in the names of wait events (PostgreSQL manual, "Wait Event Tables").
_COMMIT: Final = ("WALSync", "WalSync", "WALWrite", "WalWrite", "SyncRep")
_DISK: Final = "IO "
_LOCKS: Final = ("Lock ", "LWLock ")


class Limit(msgspec.Struct, frozen=True):
    """What limits a drain.

    Attributes:
        what: one word for it: `machine`, `others` on it, `workers`, `commits`, `disk`, `locks`, `server`, `network`,
            `unclear`.
        why: what was measured that says so.
        then: what would help.
    """

    what: str
    why: str
    then: str


def limit_of(drain: Drain, *, near: bool, round_trip_ms: float) -> Limit:
    """What limited this drain.

    Args:
        drain: what was measured.
        near: whether the server is on this machine.
        round_trip_ms: of a question and its answer.
    """
    if drain.machine_busy is not None and drain.machine_busy >= MACHINE_BUSY:
        return _machine(drain, drain.machine_busy, near=near)
    if drain.worker_busy >= BUSY:
        return Limit(
            "workers",
            f"each worker's process computed for {_percent(drain.worker_busy)} of the time, "
            f"{drain.worker_cpu_us:.0f} µs a job",
            "More processes (`chancy worker --processes N`), here or on another machine.",
        )
    return _waiting(drain) or _between(drain, round_trip_ms)


def _waiting(drain: Drain) -> Limit | None:
    """What sessions wait for in the server, if that is what takes the time."""
    share = drain.waits
    commits = sum(part for name, part in share.items() if name.endswith(_COMMIT))
    disk = sum(part for name, part in share.items() if name.startswith(_DISK)) - commits
    locks = sum(part for name, part in share.items() if name.startswith(_LOCKS) and not name.endswith(_COMMIT))
    if commits >= MOSTLY:
        return Limit(
            "commits",
            f"{_percent(commits)} of what sessions did was to wait for the WAL to be on the disk, or on a standby",
            "A disk with faster syncs. More processes help as well: they share a sync.",
        )
    if locks >= MOSTLY:
        return Limit(
            "locks",
            f"{_percent(locks)} of what sessions did was to wait for locks",
            "Fewer processes. `chancy doctor` says what else holds locks.",
        )
    if disk >= MOSTLY:
        return Limit(
            "disk",
            f"{_percent(disk)} of what sessions did was to read and write files",
            "More memory for the server (shared_buffers), or a faster disk.",
        )
    return None


def _between(drain: Drain, round_trip_ms: float) -> Limit:
    """What it is, if sessions do not wait in the server."""
    share = drain.waits
    if drain.at_work / drain.processes < HARDLY:
        return Limit(
            "network",
            f"sessions were at work for only {_percent(drain.at_work / drain.processes)} of the time, and workers "
            f"computed for {_percent(drain.worker_busy)} of it: the rest is under way, {round_trip_ms:.2f} ms a trip",
            "More processes, until one of the others is the limit; or workers nearer to the server.",
        )
    if share.get("processor", 0.0) >= MOSTLY:
        return Limit(
            "server",
            f"{_percent(share['processor'])} of what sessions did was to compute in the server",
            "More processes, as long as the server has processors left; then faster ones.",
        )
    return Limit(
        "unclear", "nothing of what was seen stands out", "Try it for longer (`--seconds`), with nothing beside it."
    )


def _machine(drain: Drain, busy: float, *, near: bool) -> Limit:
    cores = os.cpu_count() or 1
    ours = (drain.worker_busy * drain.processes + near * drain.at_work * drain.waits.get("processor", 0.0)) / cores
    if ours < busy / 2:
        return Limit(
            "others",
            f"the processors of this machine were in use for {_percent(busy)} of the time, and most of it by others: "
            f"the benchmark had {_percent(ours)}",
            "See who computes here (`top`), and try again without them.",
        )
    shared = "which workers and server share" if near else "on which the workers run"
    return Limit(
        "machine",
        f"the processors of this machine, {shared}, were in use for {_percent(busy)} of the time; "
        f"a worker took {drain.worker_cpu_us:.0f} µs a job",
        "The server on a machine of its own, or more processors." if near else "Workers on a further machine.",
    )


def _percent(part: float) -> str:
    return f"{100 * part:.0f} %"
