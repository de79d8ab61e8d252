"""`chancy bench`: what a user's database takes, and what limits it."""

from __future__ import annotations

import msgspec
import psycopg
import pytest
from click.testing import CliRunner
from psycopg.conninfo import make_conninfo

from chancy_core.cli.benching import limits
from chancy_core.cli.benching.draining import Drain
from chancy_core.cli.benching.jobs import payload
from chancy_core.cli.group import chancy
from chancy_core.store.benching import find_benches
from chancy_core.store.flow import run_sync
from chancy_core.store.store import Store


def command(dsn, *arguments):
    """The command in this process; it starts its workers as processes of their own."""
    return CliRunner().invoke(chancy, ["--dsn", dsn, *arguments], catch_exceptions=False)


def benches(dsn):
    """The schemas of benchmarks that are there."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        return run_sync(connection, find_benches(Store("chancy")))


@pytest.fixture
def role(dsn, schema):
    """The DSN of a role that is no superuser, and may make schemas."""
    name = f"{schema}_bench"
    with psycopg.connect(dsn, autocommit=True) as admin:
        database = admin.execute("SELECT quote_ident(current_database())").fetchone()[0]
        admin.execute(f"CREATE ROLE {name} LOGIN PASSWORD 'bench'")
        admin.execute(f"GRANT CREATE ON DATABASE {database} TO {name}")
        yield make_conninfo(dsn, user=name, password="bench")
        admin.execute(f"DROP OWNED BY {name}")
        admin.execute(f"DROP ROLE {name}")


def test_nobody_could_say_how_many_jobs_his_own_database_takes(role):
    """As a role without special rights: every number is there, and no schema is left; a killed one is swept."""
    killed = "chancy_bench_1_abcdef"
    with psycopg.connect(role, autocommit=True) as left, psycopg.connect(role, autocommit=True) as busy:
        left.execute(f"CREATE SCHEMA {killed}")
        used = "chancy_bench_ffffffff_abcdef"
        busy.execute(f"CREATE SCHEMA {used}")
        busy.execute("SELECT pg_advisory_lock(hashtextextended(%s, 0))", [used])
        done = command(role, "bench", "--yes", "--json", "--seconds", "0.1", "--payload", "2kB", "--processes", "2")
        assert done.exit_code == 0, done.output
        found = msgspec.json.decode(done.stdout)
        assert [one["processes"] for one in found["drains"]] == [1, 2]
        assert 1900 < found["payload_bytes"] <= 2000
        assert found["swept"] == [killed]
        for one, limit in zip(found["drains"], found["limits"], strict=True):
            assert one["jobs"] > 0 < one["jobs_per_s"]
            assert one["worker_cpu_us"] > 0
            assert one["wal_bytes"] > 500
            assert limit["why"]
            assert limit["then"]
        for name in ("round_trip_ms", "commit_ms", "start_ms", "start_p99_ms"):
            assert found["waits"][name] > 0
        for name in ("single_per_s", "tasks_per_s", "bulk_per_s", "bulk_wal_bytes"):
            assert found["pushed"][name] > 0
        assert benches(role) == [used]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--payload", "two"], "'two' is no size: give bytes, such as 500, 2kB, 2KiB or 1MB."),
        (["--payload", "-1"], "is no size"),
        (["--payload", "1GB"], "is no size"),
        (["--payload", "2MB"], "payload_limit_bytes 1,048,576"),
        (["--seconds", "nan"], "give seconds from 0.1 to 600"),
        (["--processes", "0"], "give processes from 1 to 64"),
        (["--pushers", "1.5"], "give tasks from 1 to 1,000"),
        ([], "say --yes"),
    ],
)
def test_what_cannot_be_measured_was_begun(dsn, arguments, told):
    """What is wrong is said before anything is made."""
    done = command(dsn, "bench", *arguments)
    assert done.exit_code in {1, 2}
    assert told in " ".join(done.output.split())


def test_a_role_that_may_make_no_schema_was_shown_a_traceback(dsn, schema):
    """It is told which right it lacks."""
    name = f"{schema}_reader"
    with psycopg.connect(dsn, autocommit=True) as admin:
        admin.execute(f"CREATE ROLE {name} LOGIN PASSWORD 'bench'")
        try:
            done = command(make_conninfo(dsn, user=name, password="bench"), "bench", "--yes")
        finally:
            admin.execute(f"DROP ROLE {name}")
    assert done.exit_code == 1
    assert "GRANT CREATE ON DATABASE" in done.output


@pytest.mark.parametrize("size", [0, 1, 30, 200, 2000, 50_000])
def test_a_payload_had_another_size_than_was_asked_for(size):
    """It has that size, or is less than a record smaller."""
    length = len(msgspec.json.encode(payload(size)))
    assert length <= max(size, 2)
    assert size - length < 80


def drained(**changed):
    """A drain in which nothing stands out."""
    usual = {"processes": 1, "jobs": 1000, "took_s": 1.0, "jobs_per_s": 1000.0, "worker_cpu_us": 20.0,
             "worker_busy": 0.3, "machine_busy": 0.4, "wal_bytes": 800.0, "at_work": 1.0,
             "waits": {"Client ClientRead": 1.0}}  # fmt: skip
    return Drain(**{**usual, **changed})


@pytest.mark.parametrize(
    ("changed", "what"),
    [
        ({"machine_busy": 0.95, "worker_busy": 0.9, "processes": 64}, "machine"),
        ({"machine_busy": 0.95, "worker_busy": 0.01, "at_work": 0.0}, "others"),
        ({"machine_busy": None, "worker_busy": 0.95}, "workers"),
        ({"waits": {"IO WalSync": 0.3, "LWLock WALWrite": 0.3, "processor": 0.4}}, "commits"),
        ({"waits": {"IO WALSync": 0.3, "IPC SyncRep": 0.3, "processor": 0.4}}, "commits"),
        ({"waits": {"Lock tuple": 0.3, "LWLock BufferContent": 0.3, "processor": 0.4}}, "locks"),
        ({"waits": {"IO DataFileRead": 0.6, "processor": 0.4}}, "disk"),
        ({"at_work": 0.1, "waits": {"processor": 1.0}}, "network"),
        ({"waits": {"processor": 1.0}}, "server"),
        ({}, "unclear"),
        ({"waits": {}, "at_work": 0.0}, "network"),
    ],
)
def test_what_limits_was_guessed_at(changed, what):
    """Each limit follows from what was measured; the names of wait events are those of PostgreSQL 14 to 18."""
    found = limits.limit_of(drained(**changed), near=True, round_trip_ms=0.2)
    assert found.what == what
