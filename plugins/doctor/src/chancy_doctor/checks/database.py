"""What the server has trouble with: old snapshots, connections, notifications, dead rows, clocks."""

from __future__ import annotations

import time
from typing import Any

from psycopg.sql import Identifier, Literal

from chancy.plugin import Finding, Severity, Subject
from chancy_doctor.look import Look, shown_s


async def check_snapshots(look: Look) -> list[Finding]:
    """A finding for each that keeps vacuum from its work for too long."""
    found = []
    for kind, name, who, state, since_s, behind in await look.rows("find_snapshots"):
        old = (
            (behind or 0) >= look.thresholds.slot_transactions
            if since_s is None
            else since_s >= look.thresholds.snapshot_s
        )
        if old:
            found.append(_snapshot(kind, name, who, state, since_s, behind))
    return found


def _snapshot(kind: str, name: str, who: str, state: str | None, since_s: float | None, behind: int) -> Finding:
    held = "" if since_s is None else f" for {shown_s(since_s)}"
    what, fix = {
        "backend": (
            f"A snapshot has been held{held} by the process {name} ({who}; {state})",
            f"SELECT pg_terminate_backend({name});",
        ),
        "standby": (
            f"A snapshot has been held{held} by a standby with hot_standby_feedback (process {name}, {who})",
            f"SELECT * FROM pg_stat_replication WHERE pid = {name};",
        ),
        "prepared": (
            f"The transaction {name!r} ({who}) has been prepared{held}, and was never ended",
            f"ROLLBACK PREPARED {Literal(name).as_string(None)};",
        ),
        "slot": (
            f"The replication slot {name} ({state}, {who}) holds a snapshot",
            f"SELECT pg_drop_replication_slot({Literal(name).as_string(None)}); -- if nobody needs it any more"
            if who != "in use"
            else "SELECT * FROM pg_stat_replication; -- who uses it, and for what",
        ),
    }[kind]
    return Finding(
        id="snapshot-old",
        severity=Severity.WARNING,
        subject=Subject("database", f"{kind} {name}"),
        what=f"{what}, {behind or 0:,} transactions back.",
        evidence={"held_s": None if since_s is None else round(since_s, 1), "transactions": behind, "state": state},
        why="As long as it is held vacuum removes no dead row here, and claims become slower with every job.",
        fix=fix,
    )


async def check_slots(look: Look) -> list[Finding]:
    """A finding for each replication slot that nobody uses, and for which the disk fills."""
    return [
        Finding(
            id="slot-keeps-wal",
            severity=Severity.WARNING,
            subject=Subject("database", f"slot {name}"),
            what=f"The replication slot {name} ({kind}) is used by nobody, and "
            + ("can never be used again." if lost else f"the server keeps {kept / 1024**2:,.0f} MB of WAL for it."),
            evidence={"bytes": kept, "lost": int(lost)},
            why="WAL is kept until somebody reads it, or until the disk is full and the server stops.",
            fix=f"SELECT pg_drop_replication_slot({Literal(name).as_string(None)}); -- if nobody needs it any more",
        )
        for name, kind, kept, lost in await look.rows("read_slots")
        if lost or kept >= look.thresholds.slot_bytes
    ]


async def check_server(look: Look) -> list[Finding]:
    """What the server itself says of its connections, its notifications, its clock, and whether it takes changes."""
    (row,) = await look.dicts("read_server")
    found = [*_connections(look, row), *_changes(row)]
    if row["notify_share"] >= look.thresholds.notify_share:
        found.append(
            _of_server(
                row,
                "notify-queue-full",
                f"The server's queue of notifications is {row['notify_share']:.0%} full: some session listens and does "
                "not read.",
                {"share": round(row["notify_share"], 3)},
                "Once it is full, every transaction that notifies fails; workers go on by polling.",
                "SELECT pid, usename, application_name, state FROM pg_stat_activity ORDER BY xact_start;",
            )
        )
    apart_s = abs(time.time() - row["clock"])
    if apart_s >= look.thresholds.clock_s:
        found.append(
            _of_server(
                row,
                "clocks-differ",
                f"The clock of this machine and that of the database are {shown_s(apart_s)} apart.",
                {"apart_s": round(apart_s, 1)},
                "Jobs go by the database's clock; times that this machine computes, such as a scheduled_at, are off.",
                "timedatectl status",
            )
        )
    return found


def _connections(look: Look, row: dict[str, Any]) -> list[Finding]:
    limits = (
        ("the server", row["connections"], row["connections_max"], "ALTER SYSTEM SET max_connections = "),
        (
            f"the role {row['role']}",
            row["role_connections"],
            row["role_max"],
            f"ALTER ROLE {Identifier(row['role']).as_string(None)} CONNECTION LIMIT ",
        ),
        (
            f"the database {row['database']}",
            row["database_connections"],
            row["database_max"],
            f"ALTER DATABASE {Identifier(row['database']).as_string(None)} CONNECTION LIMIT ",
        ),
    )
    return [
        _of_server(
            row,
            "connections-few",
            f"{used:,} of the {most:,} connections that {whose} may have are in use.",
            {"used": used, "most": most},
            "Whoever needs one more is refused: workers that start, applications that push.",
            f"{more}{2 * most};",
        )
        for whose, used, most, more in limits
        if most and used >= most * look.thresholds.connections_share
    ]


def _changes(row: dict[str, Any]) -> list[Finding]:
    if not row["standby"] and not row["read_only"]:
        return []
    kind = "a standby, which takes no changes" if row["standby"] else "read-only by default"
    return [
        _of_server(
            row,
            "database-read-only",
            f"The database that answers is {kind}.{_age(row)}",
            {"standby": int(row["standby"])},
            "No job can be pushed, claimed or recorded there.",
            "SELECT pg_promote(); -- if it is to be the primary; otherwise name every host in the DSN, with "
            "target_session_attrs=read-write"
            if row["standby"]
            else "ALTER DATABASE "
            f"{Identifier(row['database']).as_string(None)} RESET default_transaction_read_only; -- or of the role",
            Severity.ERROR,
        )
    ]


def _age(row: dict[str, Any]) -> str:
    """How old what a standby shows is, if it lags."""
    behind_s = row["behind_s"] or 0
    return f" What it shows is {behind_s:,.0f} s old." if behind_s >= 1 else ""


async def check_tables(look: Look) -> list[Finding]:
    """Dead rows that pile up, and what keeps vacuum off."""
    found = []
    for name, live, dead, vacuumed_s, off in await look.rows("read_tables", schema=look.schema):
        table = f"{Identifier(look.schema).as_string(None)}.{Identifier(name).as_string(None)}"
        if off:
            found.append(_vacuum_off(name, table))
        if name == "jobs" and dead >= look.thresholds.dead_rows and dead > live:
            found.append(_dead_rows(name, table, live, dead, vacuumed_s))
    (row,) = await look.dicts("read_server")
    if not row["autovacuum"]:
        found.append(
            _of_server(
                row,
                "autovacuum-off",
                "Autovacuum is switched off on the server.",
                {},
                "Dead rows are never removed, so that claims become slower with every job, and the disk fills.",
                "ALTER SYSTEM SET autovacuum = on; SELECT pg_reload_conf();",
            )
        )
    if row["frozen_age"] >= look.thresholds.frozen_age:
        found.append(
            _of_server(
                row,
                "wraparound-near",
                f"The oldest transaction of the database {row['database']} is {row['frozen_age']:,} transactions old.",
                {"age": row["frozen_age"]},
                "At two thousand million the server takes no more changes.",
                "VACUUM (FREEZE, VERBOSE);",
                Severity.ERROR,
            )
        )
    return found


def _vacuum_off(name: str, table: str) -> Finding:
    return Finding(
        id="autovacuum-off",
        severity=Severity.WARNING,
        subject=Subject("database", f"table {name}"),
        what=f"Autovacuum is switched off for the table {name}.",
        why="Its dead rows are never removed, so that claims become slower with every job.",
        fix=f"ALTER TABLE {table} RESET (autovacuum_enabled);",
    )


def _dead_rows(name: str, table: str, live: int, dead: int, vacuumed_s: float | None) -> Finding:
    when = "never, as far as is known" if vacuumed_s is None else f"{shown_s(vacuumed_s)} ago"
    return Finding(
        id="dead-rows",
        severity=Severity.WARNING,
        subject=Subject("database", f"table {name}"),
        what=f"The table {name} has {dead:,} dead rows beside {live:,} live ones; it was last vacuumed {when}.",
        evidence={"dead": dead, "live": live, "vacuumed_s_ago": vacuumed_s},
        why="Claims step over dead rows; an old snapshot, a lock, or too few vacuum processes keep them there.",
        fix=f"VACUUM (VERBOSE) {table};",
    )


def _of_server(
    row: dict[str, Any],
    id_: str,
    what: str,
    evidence: dict[str, int | float | str | None],
    why: str,
    fix: str,
    severity: Severity = Severity.WARNING,
) -> Finding:
    subject = Subject("database", row["database"])
    return Finding(id=id_, severity=severity, subject=subject, what=what, evidence=evidence, why=why, fix=fix)
