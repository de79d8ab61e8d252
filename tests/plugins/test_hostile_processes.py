"""Hostile plugins that are installed: what the commands do, and how workers end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import jobs
import pytest
from children import nursery
from support import IMPORT_PATH, SHARED, WITHIN_S, until

from chancy import Job, State, Worker


class Site:
    """A folder in which distributions are installed, and the `chancy` command that sees them."""

    def __init__(self, folder: Path, dsn: str, schema: str) -> None:
        self.folder = folder
        self.environment = {**os.environ, "CHANCY_DSN": dsn, "CHANCY_SCHEMA": schema, "CHANCY_DISCOVER": "true"}
        self.environment["PYTHONPATH"] = os.pathsep.join([IMPORT_PATH, *filter(None, [os.environ.get("PYTHONPATH")])])
        self.processes: list[subprocess.Popen[str]] = []

    def installs(self, module: str, body: str, *, name: str = "evil", version: str = "1.0") -> None:
        """Put a distribution there, with one plugin `Evil` in one module."""
        about = self.folder / f"{module}-{version}.dist-info"
        about.mkdir()
        (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: {version}\n")
        (about / "entry_points.txt").write_text(f"[chancy]\n{name} = {module}:Evil\n")
        (self.folder / f"{module}.py").write_text(PREAMBLE + body)

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        command = [sys.executable, str(SHARED / "cli_child.py"), str(self.folder), *arguments]
        self.processes.append(
            subprocess.Popen(
                command,
                env=self.environment,
                cwd=self.folder,
                text=True,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )
        )
        return self.processes[-1]

    def run(self, *arguments: str) -> tuple[int, str]:
        """Its exit code, and what it said."""
        process = self.start(*arguments)
        output, errors = process.communicate(timeout=300)
        return process.returncode, output + errors


PREAMBLE = """
import asyncio
from chancy import Migration, Plugin, hookimpl
from chancy_core.cli import worker
worker.ENDS_WITHIN_S = 0.5
from chancy_core.plugins import calling, host
calling.LETS_GO_WITHIN_S = host.ON_START_S = host.ON_STOP_S = 0.2

async def deaf():
    while True:
        try:
            await asyncio.sleep(1)
        except asyncio.CancelledError:
            pass

"""


@pytest.fixture
def site(tmp_path, dsn, schema) -> Iterator[Site]:
    made = Site(tmp_path, dsn, schema)
    yield made
    for process in made.processes:
        process.kill()
        process.communicate()


UNUSABLE = {
    "it does not import": ("import nothing_of_that_name", "evil (evil 1.0, entry point evil:Evil) does not import"),
    "it exits when imported": ("raise SystemExit(0)", "does not import: SystemExit: 0"),
    "def where async def belongs": (
        'class Evil(Plugin):\n    name = "evil"\n    @hookimpl\n    def on_tick(self, tick): ...',
        "on_tick(tick) must be `async def`",
    ),
    "a wrong signature": (
        'class Evil(Plugin):\n    name = "evil"\n    @hookimpl\n    def on_push(self, job): ...',
        "on_push(job) has no argument 'job'. Did you mean 'jobs'?",
    ),
}


@pytest.mark.parametrize("kind", UNUSABLE)
def test_an_unusable_plugin_ends_the_command_and_is_named(site, kind):
    """Exit code 1, one message without a traceback, and no schema was made."""
    body, message = UNUSABLE[kind]
    site.installs("evil", body)
    code, said = site.run("worker")
    assert (code, message in said, "Traceback" in said) == (1, True, False), said
    assert "evil (evil 1.0, " in said


def test_two_distributions_with_one_name_end_the_command_and_are_named(site):
    """Both versions are named, for `chancy worker` and `chancy migrate` alike."""
    for module, version in (("evil", "1.0"), ("evil_fork", "2.0")):
        site.installs(module, 'class Evil(Plugin):\n    name = "evil"', version=version)
    for command in ("worker", "migrate"):
        code, said = site.run(command)
        assert (code, "Traceback" in said) == (1, False), said
        assert "evil 1.0" in said
        assert "evil_fork 2.0" in said


WRONG = "CREATE TABLE {schema}.evil (n int); COMMIT; SELECT nonsense"


def test_a_migration_that_fails_is_undone_and_the_next_one_works(site, query):
    """`chancy migrate` ends with 1 and names it, nothing is half-written; once it is repaired, it works."""
    migrating = """
class Evil(Plugin):
    name = "evil"

    @hookimpl
    def migrations(self):
        return [Migration("evil", 1, "CREATE TABLE {schema}.good (n int)"), Migration("evil", 2, SQL)]
"""
    site.installs("evil", f"SQL = {WRONG!r}{migrating}")
    for command in ("migrate", "worker"):
        code, said = site.run(command)
        assert (code, "Traceback" in said) == (1, False), said
        assert "Migration 2 of the plugin 'evil' failed, and nothing was changed" in said
    assert query("SELECT to_regnamespace('{s}')") == [(None,)]
    (site.folder / "evil.py").write_text(
        f"{PREAMBLE}SQL = {WRONG.replace('COMMIT; SELECT nonsense', 'SELECT 1')!r}{migrating}"
    )
    code, said = site.run("migrate")
    assert (code, "applied evil 1\napplied evil 2\n" in said) == (0, True), said
    assert query("SELECT count(*) FROM {s}.evil, {s}.good") == [(0,)]


def test_a_worker_that_a_plugin_keeps_from_starting_ends(site):
    """A start that swallows its cancellation: exit code 1, the plugin named, and nothing holds the process."""
    site.installs(
        "evil", "class Evil(Plugin):\n    name = 'evil'\n    @hookimpl\n    async def on_start(self): await deaf()"
    )
    code, said = site.run("worker")
    assert code == 1, said
    assert "'evil' did not start" in said
    assert "exit_forced" in said


def test_a_worker_whose_plugin_does_not_let_it_go_ends_well(site, query):
    """Ticks and a stop that swallow their cancellation: the job ran, the exit code is that of a worker that drained."""
    site.installs(
        "evil",
        """
class Evil(Plugin):
    name = "evil"
    interval: float | None = 0.01
    tick_timeout_s: float = 0.05

    @hookimpl
    async def on_tick(self): await deaf()

    @hookimpl
    async def on_stop(self): await deaf()
""",
    )
    worker = site.start("worker")
    code, said = site.run("push", "jobs.echo", "--kwargs", '{"value": 7}', "--wait")
    assert (code, '"result": 7' in said) == (0, True), said
    worker.send_signal(signal.SIGTERM)
    _, said = worker.communicate(timeout=300)
    assert worker.returncode == 0, said
    # The tick as well, if it was given up before the signal came.
    assert any("hook_switched_off" in line and '"hook":"on_stop"' in line for line in said.splitlines()), said
    assert "exit_forced" in said
    assert query("SELECT state, attempts FROM {s}.finished_jobs") == [("succeeded", 1)]
    assert query("SELECT count(*) FROM {s}.workers") == [(0,)]


async def test_a_worker_killed_in_a_plugins_long_statement_leaves_nothing_locked(chancy, tmp_path, dsn, schema, query):
    """The server ends the statement, and with it the dead worker's transaction: another worker runs the job."""
    reference = await chancy.push(Job.from_func(jobs.noop, max_attempts=2))
    with nursery(tmp_path, dsn, schema) as new:
        victim = new(worker={"lease_s": 3}, plugins=["hostile.Sleeper"])
        await until(lambda: query(ASLEEP, schema))
        victim.send(signal.SIGKILL)
        victim.wait()
    assert query(ASLEEP, schema)
    async with Worker(chancy):
        job = await reference.wait(timeout=2 * WITHIN_S)
    assert (job.state, job.attempts) == (State.SUCCEEDED, 2)


# The statement of a worker that has locked rows of this schema.
ASLEEP = (
    "SELECT pid FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%%' AND state = 'active' AND EXISTS (SELECT "
    "FROM pg_locks WHERE pg_locks.pid = pg_stat_activity.pid AND relation = to_regclass(%s || '.jobs'))"
)
