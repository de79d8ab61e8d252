"""Hostile plugins, hook by hook: which jobs run, what is logged, how it ends. No job is lost, none runs twice."""

from __future__ import annotations

import asyncio
import inspect
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jobs
import ledger
import psycopg
import pytest
from books import all_done, check_the_books
from children import nursery
from hostile import Deaf, Hostile
from making import ECHO, plugin
from support import IMPORT_PATH, SHARED, WITHIN_S, captured_events, until

from chancy import Backoff, Job, Queue, State, Worker
from chancy_core.errors import PluginError
from chancy_core.plugins import budgets, calling, ending, host
from chancy_core.plugins.check import SPECS

# Called while something is loaded, pushed or opened: how those fail is in test_plugins.py and test_opening_hooks.py.
NOT_OF_A_WORKER = {"on_push", "migrations", "commands", "on_open", "on_close"}
# How a worker goes on with a hook that does not return in time, or blocks: whether it runs jobs.
WORKS = {
    "on_claim": True,
    "around_job": True,
    "on_failure": True,
    "on_complete": True,
    "on_end": True,
    "on_recorded": True,
    "on_tick": True,
    "is_leader": True,
    "on_start": False,
    "on_stop": True,
}
COROUTINES = [hook for hook in WORKS if inspect.iscoroutinefunction(SPECS[hook])]
BLOCKS_S = 1.2


def test_every_hook_of_a_worker_is_tried():
    """A hook that is added has to say here how a worker goes on with a hostile one."""
    assert set(WORKS) == set(SPECS) - NOT_OF_A_WORKER - {"claim_budget"}  # which has a test of its own


@pytest.fixture
def hastened(monkeypatch) -> Iterator[None]:
    """What a hook may take is a moment, so that tests need not wait for it."""
    for name in ("ON_START_S", "ON_STOP_S"):
        monkeypatch.setattr(host, name, 1.0)
    for name in ("ON_COMPLETE_S", "ON_END_S"):
        monkeypatch.setattr(ending, name, 1.0)
    monkeypatch.setattr(budgets, "CLAIM_BUDGET_S", 1.0)
    monkeypatch.setattr(calling, "LETS_GO_WITHIN_S", 0.2)
    jobs.gate.clear()
    yield
    jobs.gate.set()


async def all_let_go() -> None:
    """Open the gate, and wait until no abandoned hook is left: the loop of the test could not close."""
    jobs.gate.set()
    await until(lambda: not calling._left)


async def works(chancy: Any, *, ticks: str | None = None) -> list[dict[str, Any]]:
    """Run a few jobs, which must succeed in their first attempt, and one that fails; what was logged meanwhile."""
    with captured_events() as events:
        async with Worker(chancy, grace_s=WITHIN_S):
            references = await chancy.push_many([ECHO] * 5)
            ran = await chancy.wait_for_jobs(references, timeout=WITHIN_S)
            references = await chancy.push_many([ECHO] * 5)
            ran += await chancy.wait_for_jobs(references, timeout=WITHIN_S)
            if ticks:
                await until(lambda: chancy.plugins.failures[ticks, "on_tick"])
            # For the hook that is called of those only.
            unlucky = await (await chancy.push(Job("jobs.fail"))).wait(timeout=WITHIN_S)
    assert unlucky.state is State.FAILED
    assert [(job.state, job.attempts, job.result) for job in ran] == [(State.SUCCEEDED, 1, 1)] * 10
    return events


@pytest.mark.parametrize("hook", [hook for hook in COROUTINES if WORKS[hook]])
async def test_a_hook_that_swallows_its_cancellation_is_left_behind(new_chancy, hastened, hook):
    """Finishing, ticking and stopping go on without it: it is counted, switched off with a word, not called again."""
    async with new_chancy(plugins=[Deaf(hook=hook)]) as chancy:
        events = await works(chancy, ticks="deaf" if hook == "on_tick" else None)
        assert chancy.plugins.failures == {("deaf", hook): 1}
        assert not chancy.plugins.has(hook, "deaf")
        off = [event for event in events if event["event"] == "hook_switched_off"]
        assert [(event["plugin"], event["hook"], event["log_level"]) for event in off] == [("deaf", hook, "error")]
        assert [e["how"] for e in events if e["event"] == "worker_stopped"] == ["drained"]
        await all_let_go()


async def test_the_hooks_of_others_are_called_when_one_is_left_behind(new_chancy, hastened):
    """The plugin that is not to blame is told of every outcome, and is not counted as failed."""
    told = []

    async def on_complete(self, outcomes):
        told.extend(outcome.job.id for outcome in outcomes)

    async with new_chancy(plugins=[Deaf(hook="on_complete"), plugin("good", on_complete=on_complete)]) as chancy:
        await works(chancy)
        assert chancy.plugins.failures == {("deaf", "on_complete"): 1}
        await all_let_go()
    assert len(told) == len(set(told)) == 11


async def test_claim_budget_that_swallows_its_cancellation_holds_up_only_what_it_limits(new_chancy, hastened):
    """It is not asked again, and nothing is claimed without its word; queues without limits are served as ever."""
    async with new_chancy(plugins=[Deaf(hook="claim_budget")]) as chancy:
        await chancy.declare(Queue("limited", global_concurrency=5))
        limited = await chancy.push("limited", ECHO)
        events = await works(chancy)
        assert chancy.plugins.failures == {("deaf", "claim_budget"): 1}
        assert len([event for event in events if event["event"] == "hook_switched_off"]) == 1
        assert (await limited.get()).state is State.PENDING
        await all_let_go()


@pytest.mark.parametrize("kind", ["never returns", "swallows its cancellation"])
async def test_on_start_that_does_not_end_is_a_worker_that_does_not_start(new_chancy, hastened, kind):
    """The worker refuses to start, and names the plugin; its row is gone."""

    async def never(self):
        await asyncio.sleep(3600)

    bad = plugin("deaf", on_start=never) if kind == "never returns" else Deaf(hook="on_start")
    async with new_chancy(plugins=[bad]) as chancy:
        with pytest.raises(PluginError, match=r"'deaf' did not start: .*it took too long"):
            await Worker(chancy).start()
        async with chancy.pool.connection() as connection:
            cursor = await connection.execute(f"SELECT count(*) FROM {chancy.settings.schema}.workers")
            assert await cursor.fetchall() == [(0,)]
        await all_let_go()


@pytest.mark.parametrize("hook", COROUTINES)
async def test_a_slow_hook_delays_and_breaks_nothing(new_chancy, hook):
    """A hook that takes its time, within what it has, fails nothing."""

    async def slow(self):
        await asyncio.sleep(0.3)

    async with new_chancy(plugins=[plugin("slow", {"interval": 0.01}, **{hook: slow})]) as chancy:
        events = await works(chancy)
        assert not chancy.plugins.failures
    assert not [event for event in events if event["event"].startswith("hook_")]


@pytest.mark.parametrize("hook", WORKS)
async def test_a_hook_that_blocks_the_loop_is_named(new_chancy, hook):
    """Everything waits meanwhile, nothing is lost, and the log says who it was; but for around_job, see its section."""

    def blocks(self):
        if not blocked:
            blocked.append(hook)
            time.sleep(BLOCKS_S)

    async def blocks_as_coroutine(self):
        blocks(self)

    async def tick(self): ...

    blocked: list[str] = []
    hooks = {"on_tick": tick, hook: blocks_as_coroutine if hook in COROUTINES else blocks}
    async with new_chancy(plugins=[plugin("rude", {"interval": 0.01}, **hooks)]) as chancy:
        events = await works(chancy)
    assert blocked == [hook]
    named = [event for event in events if event["event"] == "hook_blocked"]
    if hook != "around_job":
        assert [(event["plugin"], event["hook"]) for event in named] == [("rude", hook)]
        assert named[0]["held_s"] >= BLOCKS_S


# -- processes -----------------------------------------------------------------------------------


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


# -- at random -----------------------------------------------------------------------------------


async def pushed(chancy: Any, job: Job, count: int) -> None:
    """Push so many jobs past a plugin that refuses some pushes: what is refused stores nothing."""
    left = count
    while left:
        try:
            await chancy.push_many("many", [job] * min(left, 100))
        except PluginError:
            continue
        left -= 100


async def test_ten_thousand_jobs_with_a_plugin_that_is_hostile_at_random(new_chancy, tmp_path, dsn, schema):
    """Two workers whose plugin is hostile in every hook, one of them killed: each job ends once, none runs twice."""
    number, book = 10_000, tmp_path / "ledger"
    book.touch()
    job = Job.from_func(jobs.noop, max_attempts=50, backoff=Backoff(base_s=0.01, max_s=0.05), keep_result=False)
    async with new_chancy(plugins=[Hostile()]) as chancy:
        await chancy.declare(Queue("many", executor=ledger.EXECUTOR, executor_options={"path": str(book)}))
        await pushed(chancy, job, number)
        assert await chancy.count_jobs() == {"many": {"pending": number}}
        with nursery(tmp_path, dsn, schema) as new:
            start: Callable[[], Any] = lambda: new(  # noqa: E731
                worker={"lease_s": 1.5, "concurrency": 50}, plugins=["hostile.Hostile"]
            )
            children = [start(), start()]
            for child in children:
                await asyncio.to_thread(child.ready)
            await until(lambda: _finished(dsn, schema) >= number // 4, 600)
            children[0].send(signal.SIGKILL)
            children[0].wait()
            start()
            await all_done(chancy, number, within_s=600)
            for child in children[1:]:
                child.send(signal.SIGTERM)
                assert child.wait(300) == 0, child.said()
        finished = await check_the_books(chancy, book, number)
        assert {row[1] for row in finished} == {"succeeded"}
        assert "hook_failed" in children[1].said()


def _finished(dsn: str, schema: str) -> int:
    time.sleep(0.05)
    with psycopg.connect(dsn, autocommit=True) as connection:
        return connection.execute(f"SELECT count(*) FROM {schema}.finished_jobs").fetchone()[0]
