"""What is shown on a standby: everything that only looks works there, and says how old it is."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest

from chancy import Chancy, Job
from chancy.plugin import find_problems
from chancy.testing import new_folder
from chancy_doctor import Doctor

sys.path.append(str(Path(__file__).parents[3] / "tests"))
clusters = pytest.importorskip("chaos.cluster", reason="needs the repository")


async def test_looks_went_to_the_primary_since_nobody_knew_how_old_a_standby_is(cli, until):
    """Jobs are found there; while it lags, `status` and the doctor say how old what they show is."""
    folder = new_folder("chancy-standby-")
    try:
        bin_folder = clusters.server_programs(folder)
    except clusters.Skipped as skipped:
        pytest.skip(str(skipped))
    with (
        clusters.Cluster(folder / "primary", bin_folder) as primary,
        clusters.Cluster(folder / "standby", bin_folder) as standby,
    ):
        primary.make()
        async with Chancy(primary.dsn(), discover=False) as chancy:
            await chancy.push(Job(func="os.getcwd"))
            standby.make_standby(primary)
            await chancy.push(Job(func="os.getcwd"))
            counted = "SELECT count(*) FROM chancy.jobs"
            await until(lambda: standby.query(counted) == [(2,)])
            standby.query("SELECT pg_wal_replay_pause()")
            await chancy.push(Job(func="os.getcwd"))
            received = "SELECT pg_last_wal_receive_lsn() > pg_last_wal_replay_lsn()"
            await until(lambda: standby.query(received) == [(True,)])
            aged = "SELECT now() - pg_last_xact_replay_timestamp() > interval '1.5 seconds'"
            await until(lambda: standby.query(aged) == [(True,)])
        told = json.loads(cli("--dsn", standby.dsn(), "--schema", "chancy", "status", "--json").out)
        assert told["database"]["behind_s"] >= 1.5
        assert [queue["jobs"] for queue in told["queues"]] == [{"pending": 2}]
        async with Chancy(standby.dsn(), discover=False, plugins=[Doctor()], auto_migrate=False) as looking:
            (found,) = [one for one in await find_problems(looking, within_s=60) if one.id == "database-read-only"]
            assert " s old." in found.what
            standby.query("SELECT pg_wal_replay_resume()")
            await until(lambda: standby.query(counted) == [(3,)])
    shutil.rmtree(folder, ignore_errors=True)
