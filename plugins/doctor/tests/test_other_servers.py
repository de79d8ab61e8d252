"""What only a server with other settings, a second one, or a pooler before it can show: each made for real."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from chancy import Chancy
from chancy.plugin import find_problems
from chancy.testing import new_folder
from chancy_doctor import Doctor
from chancy_doctor.checks.pooler import _is_pooled
from chancy_doctor.look import beginning

sys.path.append(str(Path(__file__).parents[3] / "tests"))
clusters = pytest.importorskip("chaos.cluster", reason="needs the repository")
SETTINGS = {"wal_level": "logical", "max_prepared_transactions": "5", "max_replication_slots": "5"}


@pytest.fixture(scope="module")
def primary():
    """A server of our own, whose settings allow what the common one does not."""
    folder = new_folder("chancy-primary-")
    try:
        bin_folder = clusters.server_programs(folder)
    except clusters.Skipped as skipped:
        pytest.skip(str(skipped))
    with clusters.Cluster(folder / "primary", bin_folder, SETTINGS) as cluster:
        cluster.make()
        cluster.bin_folder = bin_folder
        yield cluster
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
async def there(primary, schema):
    """A schema there; with its DSN."""
    async with Chancy(primary.dsn(), schema=schema, discover=False) as chancy:
        await chancy.migrate()
    return primary.dsn()


async def test_a_prepared_transaction_that_was_forgotten_was_told_only_in_theory(there, primary, told):
    """With the statement that ends it, which does."""
    with psycopg.connect(there) as forgotten:
        forgotten.execute("SELECT pg_current_xact_id()")
        forgotten.execute("PREPARE TRANSACTION 'it''s forgotten'")
    found = await told("snapshot-old", at=there, snapshot_s=0.001)
    assert "it's forgotten" in found.what
    primary.query(found.fix)
    assert primary.query("SELECT count(*) FROM pg_prepared_xacts") == [(0,)]


async def test_a_standby_and_its_slot_that_hold_a_snapshot_were_told_only_in_theory(there, primary, told, until):
    """A query there, told back by hot_standby_feedback; and then the slot of a standby that is gone."""
    primary.query("SELECT pg_create_physical_replication_slot('reports')")
    settings = {**SETTINGS, "hot_standby_feedback": "on", "primary_slot_name": "reports",
                "wal_receiver_status_interval": "1s"}  # fmt: skip
    with clusters.Cluster(primary.folder.parent / "standby", primary.bin_folder, settings) as standby:
        standby.make_standby(primary, "reports")
        with psycopg.connect(standby.dsn()) as reader:
            reader.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            reader.execute("SELECT 1")

            def held():
                primary.query("SELECT pg_current_xact_id()")
                return primary.query("SELECT xmin IS NOT NULL FROM pg_replication_slots") == [(True,)]

            await until(held)
            found = await told("snapshot-old", at=there, slot_transactions=1)
            assert "The replication slot reports (physical, in use" in found.what
    await until(lambda: primary.query("SELECT active FROM pg_replication_slots") == [(False,)])
    found = await told("snapshot-old", at=there, slot_transactions=1)
    assert "The replication slot reports (physical, used by nobody" in found.what
    kept = await told("slot-keeps-wal", at=there, slot_bytes=1)
    assert "reports" in kept.what
    primary.query(found.fix.partition(" --")[0])
    assert primary.query("SELECT count(*) FROM pg_replication_slots") == [(0,)]


async def test_a_standby_without_a_slot_that_holds_a_snapshot_was_told_only_in_theory(there, primary, told, until):
    """Its sender holds the snapshot of what is read there."""
    settings = {**SETTINGS, "hot_standby_feedback": "on", "wal_receiver_status_interval": "1s"}
    with clusters.Cluster(primary.folder.parent / "feedback", primary.bin_folder, settings) as standby:
        standby.make_standby(primary, "reading")
        with psycopg.connect(standby.dsn()) as reader:
            reader.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            reader.execute("SELECT 1")

            def held():
                primary.query("SELECT pg_current_xact_id()")
                rows = primary.query("SELECT age(backend_xmin) FROM pg_stat_activity WHERE backend_type = 'walsender'")
                return any(row[0] for row in rows)

            await until(held)
            found = await told("snapshot-old", at=there, slot_transactions=1)
    assert "by a standby with hot_standby_feedback" in found.what


needs_pgbouncer = pytest.mark.skipif(
    shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin") is None, reason="pgbouncer is not installed"
)


class Bouncer:
    """A pgbouncer before a database."""

    def __init__(self, dsn, mode):
        parts = conninfo_to_dict(dsn)
        self.folder = new_folder("chancy-bouncer-")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.dsn = make_conninfo("", user=parts["user"], dbname=parts["dbname"], host="127.0.0.1", port=self.port)
        (self.folder / "users.txt").write_text(f'"{parts["user"]}" ""\n')
        (self.folder / "pgbouncer.ini").write_text(
            f"[databases]\n{parts['dbname']} = host={parts['host']} port={parts['port']}\n[pgbouncer]\n"
            f"listen_addr = 127.0.0.1\nlisten_port = {self.port}\nunix_socket_dir =\nauth_type = trust\n"
            f"auth_file = {self.folder}/users.txt\npool_mode = {mode}\n"
        )
        # Root is refused.
        account = clusters.account(self.folder)
        for path in (self.folder, *self.folder.iterdir()):
            os.chown(path, account.uid, account.gid)
        with (self.folder / "log").open("wb") as log:
            self.process = subprocess.Popen(
                ["pgbouncer", str(self.folder / "pgbouncer.ini")], stdout=log, stderr=log, stdin=subprocess.DEVNULL,
                env={"PATH": f"{os.environ['PATH']}:/usr/sbin"}, **clusters.as_account(account),
            )  # fmt: skip

    def answers(self):
        assert self.process.poll() is None, (self.folder / "log").read_text()
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.port)):
            return True
        return False

    def end(self):
        self.process.kill()
        self.process.wait()
        shutil.rmtree(self.folder)


@pytest.fixture
def pooled(primary, until):
    """Starts a pgbouncer before the database; returns its DSN: `await pooled("transaction")`."""
    started = []

    async def start(mode):
        started.append(Bouncer(primary.dsn(), mode))
        await until(started[-1].answers)
        return started[-1].dsn

    yield start
    for one in started:
        one.end()


@needs_pgbouncer
async def test_a_transaction_pooler_that_nobody_had_named_was_not_told(there, told, pooled, schema):
    """Found by what it does, not by its name; told to the settings, it is no finding."""
    at = await pooled("transaction")
    found = await told("pooler-not-told", at=at)
    assert found.severity == "error"
    async with Chancy(at, schema=schema, discover=False, plugins=[Doctor()], pooler=True) as informed:
        assert await find_problems(informed, within_s=60) == []


@needs_pgbouncer
async def test_a_session_pooler_and_none_at_all_are_no_findings(there, pooled, schema):
    """With session pooling nothing changes."""
    for at in (await pooled("session"), there):
        async with Chancy(at, schema=schema, discover=False, plugins=[Doctor()]) as opened:
            async with beginning(opened, Doctor().thresholds, time.monotonic() + 600) as look:
                assert not await _is_pooled(look)
            assert await find_problems(opened, within_s=60) == []
