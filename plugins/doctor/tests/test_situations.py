"""Twelve things that go wrong at night: made for real, each is named with its cause and its cure."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import sys
import textwrap

import psycopg
import pytest
from conftest import COMMAND, Running, check_told, run
from psycopg.conninfo import make_conninfo

from chancy import Chancy, Job, Queue
from chancy.testing import new_folder


def mentions(finding, *words):
    """Whether what a person reads has all of these words."""
    text = f"{finding['what']} {finding['why']} {finding['fix']}"
    missing = [word for word in words if word not in text]
    assert not missing, f"{missing} not in {text}"


async def test_jobs_of_a_paused_queue_wait(chancy, worker, finding, query, cli, until):
    """Paused: which queue, how many jobs, for how long, and the command that resumes it, which does."""
    running = await worker()
    await chancy.pause_queue("default")
    await chancy.push_many([Job(func="shop_jobs.ok")] * 3)
    found = await finding("queue-paused")
    assert found["subject"] == {"kind": "queue", "name": "default"}
    assert found["evidence"]["waiting"] == 3
    mentions(found, "default is paused", "3 jobs wait in it")
    assert found["fix"] == "chancy queue resume default"
    assert cli(*found["fix"].split()[1:]).code == 0
    assert query("SELECT state FROM {s}.queues_v1 WHERE name = 'default'") == [("active",)]
    assert any(event["state"] == "paused" for event in running.events("queue_left"))
    await until(lambda: running.told("queue-paused"))


async def test_no_workers_tags_match_a_queue(chancy, worker, finding, until):
    """A tag that is spelled wrongly: the tags of both sides, and the worker to start."""
    running = await worker("--tag", "gpu-a100")
    await chancy.declare(Queue("render", tags=["gpu_a100"]))
    await chancy.push(Job(func="shop_jobs.ok", queue="render"))
    found = await finding("queue-unserved")
    mentions(found, "render", "gpu_a100", "gpu-a100", "chancy worker --tag gpu_a100")
    assert found["severity"] == "error"
    await until(lambda: running.told("queue-unserved"))


async def test_workers_were_told_to_serve_other_queues(chancy, worker, finding):
    """`chancy worker --queue`: the queues that they serve, and how to start one that serves this."""
    await worker("--queue", "mail")
    await chancy.push(Job(func="shop_jobs.ok"))
    found = await finding("queue-unserved")
    mentions(found, "no live worker was told to serve it", "they serve mail", "chancy worker --queue default")


async def test_a_worker_cannot_serve_a_queue_that_it_should(chancy, worker, finding):
    """A limit that no plugin there enforces: what the worker says of it."""
    await chancy.declare(Queue("calls", global_concurrency=1))
    await worker(CHANCY_PLUGINS__LIMITS__ENABLED="false")
    await chancy.push(Job(func="shop_jobs.ok", queue="calls"))
    found = await finding("queue-unserved")
    mentions(found, "which should serve it, does not", "global_concurrency")


async def test_the_allow_list_refuses_a_function(chancy, worker, finding, until):
    """`functions` leaves it out: which function, which patterns, and the settings to look at."""
    running = await worker(CHANCY_FUNCTIONS="shop.*")
    await chancy.push(Job(func="shop_jobs.ok"))
    found = await finding("function-not-allowed")
    assert found["subject"] == {"kind": "function", "name": "shop_jobs.ok"}
    mentions(found, "may not be run", "`functions` (shop.*)", "chancy config")
    assert running.events("function_left_alone")[0]["func"] == "shop_jobs.ok"


async def test_a_worker_was_killed(chancy, worker, finding, query, until):
    """Its lease runs out: which worker, how many jobs it left, and that nobody gives them back."""
    running = await worker("--name", "crane-1")
    await chancy.push_many([Job(func="shop_jobs.nap")] * 2)
    await until(lambda: query("SELECT count(*) FROM {s}.jobs WHERE state = 'running'") == [(2,)])
    running.end()
    found = await finding("worker-lost")
    assert found["subject"]["name"].startswith("crane-1")
    assert found["severity"] == "error"
    mentions(found, "crane-1", "2 jobs", "no worker is alive", "chancy worker")


async def test_jobs_failed_with_their_worker(chancy, worker, finding, query, until):
    """Another worker failed what it left, which had one attempt: which jobs, and how to run them again."""
    running = await worker("--name", "crane-2")
    await chancy.push(Job(func="shop_jobs.nap"))
    await until(lambda: query("SELECT count(*) FROM {s}.jobs WHERE state = 'running'") == [(1,)])
    running.end()
    other = await worker("--name", "crane-3")
    found = await finding("failed-with-worker")
    mentions(found, "crane-2", "shop_jobs.nap", "--retry")
    assert other.events("workers_lost")


async def test_a_snapshot_has_been_held_for_long(chancy, finding, dsn):
    """A forgotten transaction: its process, who it is, and the statement that ends it, which does."""
    with psycopg.connect(make_conninfo(dsn, application_name="metabase")) as forgotten:
        forgotten.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        forgotten.execute("SELECT 1")
        pid = str(forgotten.info.backend_pid)

        def old():
            return finding("snapshot-old", CHANCY_PLUGINS__DOCTOR__SNAPSHOT_S="0.1")

        found = await old()
        # Other tests of this server may hold one, too.
        while found["subject"]["name"] != f"backend {pid}":
            found = await old()
        mentions(found, "metabase", "idle in transaction", f"SELECT pg_terminate_backend({pid});")
        with psycopg.connect(dsn, autocommit=True) as operator:
            operator.execute(found["fix"])
        with pytest.raises(psycopg.OperationalError):
            forgotten.execute("SELECT 1")


async def test_a_job_kills_every_worker_that_runs_it(chancy, worker, finding, query, until):
    """Poison: which function, which job, how often, and how to be rid of it."""
    await chancy.push(Job(func="shop_jobs.kills", max_attempts=9))
    for number in range(2):
        running = await worker("--name", f"victim-{number}")
        await until(lambda one=running: one.process.poll() is not None)
    other = await worker("--name", "victim-3", CHANCY_FUNCTIONS="nothing")
    found = await finding("poison")
    assert found["subject"]["name"] == "shop_jobs.kills"
    assert found["evidence"]["lost_runs"] >= 2
    mentions(found, "shop_jobs.kills", "chancy job", "--cancel")
    await until(lambda: other.told("poison"))


async def test_a_function_fails_again_and_again(chancy, worker, finding):
    """A storm of retries: which function, what share of its runs, with which error, and a job to look at."""
    running = await worker()
    await chancy.push_many([Job(func="shop_jobs.fails", max_attempts=20)] * 60)
    found = await finding("retry-storm")
    assert found["subject"]["name"] == "shop_jobs.fails"
    assert found["evidence"]["succeeded"] == 0
    mentions(found, "100%", "TimeoutError", "the mail server did not answer", "chancy job ")
    assert running.events("attempt_failed")


def test_the_schema_is_older_than_the_code(chancy_sync, doctor, query, cli, schema):
    """Code was deployed and nobody migrated: both versions, and the command that migrates."""
    query("DELETE FROM {s}.migrations WHERE owner = 'kernel' AND version = (SELECT max(version) FROM {s}.migrations "
          "WHERE owner = 'kernel')")  # fmt: skip
    (found,) = doctor()
    assert found["id"] == "schema-behind"
    check_told(found, schema)
    mentions(found, "version", "kernel", f"chancy --schema {schema} migrate")
    refused = cli("worker")
    assert refused.code == 1
    assert f"chancy --schema {schema} migrate" in refused.err


def test_the_schema_is_newer_than_the_code(chancy_sync, doctor, query, schema):
    """Code was rolled back behind a migration that it cannot live with."""
    query("UPDATE {s}.migrations SET version = 99, oldest = 99 WHERE owner = 'kernel' AND version = "
          "(SELECT max(version) FROM {s}.migrations WHERE owner = 'kernel')")  # fmt: skip
    (found,) = doctor()
    assert found["id"] == "schema-ahead"
    check_told(found, schema)
    mentions(found, "newer", "pip install --upgrade chancy-core")


def test_there_is_no_schema(doctor, schema):
    """A schema that nobody made, or a name that is spelled wrongly; and it is not made."""
    (found,) = doctor()
    assert found["id"] == "schema-missing"
    check_told(found, schema)
    mentions(found, "has not been set up", f"chancy --schema {schema} migrate")
    assert [one["id"] for one in doctor()] == ["schema-missing"]


async def test_the_embedded_server_is_gone(environment, folder, until):
    """Somebody killed the private PostgreSQL under its worker: where it was, its log, and what starts it again."""
    home = new_folder("chancy-doctor-")
    variables = {name: value for name, value in environment.items() if name != "CHANCY_DSN"}
    variables |= {"CHANCY_EMBEDDED_DIR": str(home / "server")}
    running = Running(folder / "embedded.log", variables, folder, ())

    def gone():
        found = json.loads(run([*COMMAND, "doctor", "--json"], variables, folder).stdout)["findings"]
        return next((one for one in found if one["id"] == "embedded-server-gone"), None)

    try:
        await until(lambda: running.events("worker_started"))
        pid = int((home / "server" / "data" / "postmaster.pid").read_text().splitlines()[0])
        os.kill(pid, signal.SIGKILL)
        found = await until(gone)
        check_told(found, "no schema")
        mentions(found, str(home / "server"))
        await until(lambda: running.events("database_lost"))
        assert run([*COMMAND, *found["fix"].split()[1:]], variables, folder).returncode == 0
        await until(lambda: gone() is None)
    finally:
        running.end()
        run([*COMMAND, "db", "stop", "--force"], variables, folder)
        shutil.rmtree(home, ignore_errors=True)


def test_all_connections_are_in_use(chancy_sync, doctor, query, dsn, schema):
    """The limit of the role is reached: that it is this, and who holds connections."""
    role = f"busy_{schema}"
    query(f"CREATE ROLE {role} LOGIN CONNECTION LIMIT 1")
    try:
        query(f"GRANT USAGE ON SCHEMA {{s}} TO {role}")
        query(f"GRANT ALL ON ALL TABLES IN SCHEMA {{s}} TO {role}")
        with psycopg.connect(make_conninfo(dsn, user=role)):
            (found,) = doctor(CHANCY_DSN=make_conninfo(dsn, user=role))
    finally:
        query(f"DROP OWNED BY {role}")
        query(f"DROP ROLE {role}")
    assert found["id"] == "connections-used-up"
    check_told(found, schema)
    mentions(found, "too many connections", "pg_stat_activity")


async def test_nearly_all_connections_are_in_use(chancy, finding, query, dsn, schema):
    """Before it is too late: how many of how many."""
    role = f"nearly_{schema}"
    query(f"CREATE ROLE {role} LOGIN CONNECTION LIMIT 20")
    try:
        query(f"GRANT USAGE ON SCHEMA {{s}} TO {role}")
        query(f"GRANT ALL ON ALL TABLES IN SCHEMA {{s}} TO {role}")
        with psycopg.connect(make_conninfo(dsn, user=role)), psycopg.connect(make_conninfo(dsn, user=role)):
            found = await finding(
                "connections-few",
                CHANCY_DSN=make_conninfo(dsn, user=role),
                CHANCY_PLUGINS__DOCTOR__CONNECTIONS_SHARE="0.1",
            )
    finally:
        query(f"DROP OWNED BY {role}")
        query(f"DROP ROLE {role}")
    mentions(found, "of the 20 connections", role, "CONNECTION LIMIT 40")


async def test_a_deploy_broke_an_import(chancy, worker, finding, folder):
    """A module that does not import any more: which function, why, and how to see it."""
    (folder / "shop_broken.py").write_text("import shop_forgotten_dependency\n\ndef send(): ...\n")
    running = await worker()
    await chancy.push(Job(func="shop_broken.send"))
    found = await finding("function-not-importable")
    mentions(found, "shop_broken.send", "shop_forgotten_dependency", "python -c 'import shop_broken'")
    assert found["severity"] == "error"
    assert running.events("function_left_alone")[0]["func"] == "shop_broken.send"


async def test_a_schedule_names_a_function_that_does_not_exist(chancy, worker, finding, folder, cli):
    """It has not fired yet, and everybody would learn of it at three in the morning."""
    (folder / "night.toml").write_text(
        textwrap.dedent("""
        [[plugins.cron.schedules]]
        name = "nightly"
        cron = "0 3 1 1 *"
        job = "shop_jobs.reprot"
    """)
    )
    running = await worker(CHANCY_CONFIG=str(folder / "night.toml"))
    found = await finding("schedule-cannot-run")
    assert found["subject"] == {"kind": "schedule", "name": "nightly"}
    mentions(found, "shop_jobs.reprot", "chancy cron remove nightly")
    assert running.events("schedule_cannot_run_here")[0]["schedule"] == "nightly"


@pytest.fixture
def chancy_sync(dsn, schema):
    """The schema, migrated by code that has every installed plugin."""
    with Chancy(dsn, schema=schema):
        pass


def test_what_is_wrong_is_on_the_first_screen(chancy_sync, environment, folder, doctor):
    """On a terminal of 80 columns and 24 rows, cause and cure of a finding are seen without scrolling."""
    with Chancy(environment["CHANCY_DSN"], schema=environment["CHANCY_SCHEMA"]) as chancy:
        chancy.sync_push(Job(func="shop_jobs.ok"))
    assert [one["id"] for one in doctor()] == ["queue-unserved"]
    screen = run([sys.executable, "-c", TERMINAL, *COMMAND, "doctor"], environment, folder)
    lines = re.sub(r"\x1b\[[0-9;]*m", "", screen.stdout).splitlines()[:24]
    assert max(map(len, lines)) <= 80
    assert any("no worker is alive" in line for line in lines), screen
    assert any(line.strip() == "fix  chancy worker" for line in lines)


# A terminal of 80 columns, in which a command is run.
TERMINAL = """
import fcntl, os, pty, struct, sys, termios
main, child = pty.openpty()
fcntl.ioctl(child, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
if os.fork() == 0:
    os.close(main)
    for number in (0, 1):
        os.dup2(child, number)
    os.execvp(sys.argv[1], sys.argv[1:])
os.close(child)
try:
    while part := os.read(main, 65536):
        os.write(1, part)
except OSError:
    pass
"""
