"""The host: nobody's plugin can take the queue down, and every error names it."""

from __future__ import annotations

import asyncio
import threading
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import click
import hard_jobs
import psycopg
import pytest
from making import ECHO, plugin
from support import WITHIN_S, captured_events, until

from chancy import Backoff, Chancy, Job, Limit, Migration, Plugin, State, Worker
from chancy_core.errors import ConfigError, PluginError, SchemaError
from chancy_core.plugins.check import SPECS
from chancy_core.plugins.load import load_plugins
from chancy_core.store.session import WorkerConnection
from chancy_core.worker.tick import Ticker

RAISED = [ValueError("no"), NotImplementedError(), asyncio.CancelledError(), SystemExit(3), KeyboardInterrupt()]


async def run_one(chancy: Chancy, job: Job = ECHO) -> Any:
    async with Worker(chancy, grace_s=1):
        return await (await chancy.push(job)).wait(timeout=WITHIN_S)


# -- loading -----------------------------------------------------------------------------------


def test_every_problem_is_told_at_once_with_hook_and_signature():
    """One error lists the wrong hooks of all plugins, each with its signature and the nearest right name."""

    def on_pusk(self, jobs): ...
    def on_complete(self, outcomes): ...
    async def on_push(self, jobs): ...
    def on_claim(self, job): ...
    def is_leader(self, now=1): ...

    bad = [
        plugin("one", on_pusk=on_pusk, on_complete=on_complete),
        plugin("two", on_push=on_push, on_claim=on_claim, is_leader=is_leader),
    ]
    with pytest.raises(PluginError) as caught:
        Chancy(plugins=bad, discover=False)
    text = str(caught.value)
    for part in (
        "): on_pusk(jobs) is no hook. Did you mean 'on_push'?",
        "on_complete(outcomes) must be `async def`",
        "on_push(jobs) must be `def`",
        "on_claim(job) has no argument 'job'. Did you mean 'jobs'?",
        "is_leader(now=1) has no argument 'now'",
    ):
        assert part in text


def entry_points(monkeypatch: pytest.MonkeyPatch, *points: tuple[str, str, Any]) -> None:
    """Pretend that these plugins are installed: name, distribution, and what loading the entry point does."""

    def made(name: str, dist: str, found: Any) -> Any:
        def load_it() -> Any:
            if isinstance(found, BaseException):
                raise found
            return found

        return SimpleNamespace(
            name=name, value=f"{dist}:It", load=load_it, dist=SimpleNamespace(name=dist, version="1.2.3")
        )

    monkeypatch.setattr("importlib_metadata.entry_points", lambda **_: [made(*point) for point in points])


def test_installed_means_on_and_the_table_configures(monkeypatch):
    """An installed plugin is loaded with its table; `enabled = false` turns it off without importing it."""
    cls = type(plugin("sized", {"size": 3}))
    entry_points(monkeypatch, ("sized", "chancy-sized", cls), ("off", "chancy-off", ImportError("never")))
    tables = {"sized": {"size": 7}, "off": {"enabled": False}}
    (loaded,) = load_plugins(tables, [], [], discover=True, source="chancy.toml")
    assert (loaded.name, loaded.origin, loaded.plugin.size) == ("sized", "chancy-sized 1.2.3", 7)


@pytest.mark.parametrize(
    ("tables", "order", "fragment"),
    [
        ({"sized": {"siz": 1}}, [], "chancy.toml: plugins.sized.siz is unknown. Did you mean 'size'?"),
        ({"sized": {"size": "x"}}, [], "chancy.toml: plugins.sized.size: Expected `int`, got `str`"),
        ({"sizd": {}}, [], "is for a plugin that is not installed. Did you mean 'sized'?"),
        ({}, ["sizd"], "plugin_order names 'sizd', which is no plugin. Did you mean 'sized'?"),
    ],
)
def test_a_wrong_table_says_where_and_what_is_near(monkeypatch, tables, order, fragment):
    """An unknown key, a wrong type, a table or an order for what is not installed: file, path, nearest name."""
    entry_points(monkeypatch, ("sized", "chancy-sized", type(plugin("sized", {"size": 3}))))
    with pytest.raises(ConfigError) as caught:
        load_plugins(tables, [], order, discover=True, source="chancy.toml")
    assert fragment in str(caught.value)


@pytest.mark.parametrize("error", [ImportError("gone"), SystemExit(1), SyntaxError("bad")])
def test_a_plugin_that_does_not_import_is_named(monkeypatch, error):
    """A module that raises anything while it is imported is refused, with its distribution and entry point."""
    entry_points(monkeypatch, ("broken", "chancy-broken", error))
    with pytest.raises(PluginError, match=r"broken \(chancy-broken 1\.2\.3, entry point chancy-broken:It\) does not"):
        load_plugins({}, [], [], discover=True, source="")


def test_two_distributions_of_one_name_are_refused(monkeypatch):
    """Two versions of a plugin's name: both are named, and one has to go."""
    cls = type(plugin("twin"))
    entry_points(monkeypatch, ("twin", "chancy-twin", cls), ("twin", "other-twin", cls))
    with pytest.raises(PluginError, match=r"both chancy-twin 1\.2\.3 and other-twin 1\.2\.3"):
        load_plugins({}, [], [], discover=True, source="")


def test_what_is_no_plugin_is_refused(monkeypatch):
    """An entry point that leads to something else than a Plugin class is refused."""
    entry_points(monkeypatch, ("thing", "chancy-thing", dict))
    with pytest.raises(PluginError, match=r"no class derived from chancy\.Plugin"):
        load_plugins({}, [], [], discover=True, source="")


def test_order_is_by_name_unless_set():
    """Hooks are called in the order of the plugins' names, those named in plugin_order first."""
    calls: list[str] = []

    def pushes(name: str) -> Plugin:
        return plugin(name, on_push=lambda self, jobs: calls.append(name))

    for order, expected in (([], ["a", "b", "c"]), (["c", "a"], ["c", "a", "b"])):
        calls.clear()
        host = Chancy(plugins=[pushes("b"), pushes("c"), pushes("a")], plugin_order=order, discover=False).plugins
        host.on_push([ECHO])
        assert calls == expected
        assert [loaded.name for loaded in host.loaded] == expected


# -- on_push -----------------------------------------------------------------------------------


async def test_on_push_chains_replacements(new_chancy):
    """Each plugin gets what the one before it returned, and the result is what is stored."""

    def raise_priority(self, jobs):
        return [job.with_priority(job.priority + 1) for job in jobs]

    plugins = [plugin("a", on_push=raise_priority), plugin("b", on_push=raise_priority)]
    async with new_chancy(plugins=plugins) as chancy:
        one = await (await chancy.push(ECHO)).get()
        (many,) = await chancy.push_many("default", [ECHO])
        assert (one.priority, (await many.get()).priority) == (2, 2)


@pytest.mark.parametrize("error", RAISED, ids=lambda error: type(error).__name__)
async def test_on_push_that_raises_fails_the_push_and_nothing_else(new_chancy, error):
    """Whatever on_push raises, the push fails with the plugin's name, and nothing is stored."""

    def refuse(self, jobs):
        raise error

    async with new_chancy(plugins=[plugin("guard", on_push=refuse)]) as chancy:
        for push in (lambda: chancy.push(ECHO), lambda: chancy.push_many([ECHO, ECHO])):
            with pytest.raises(PluginError, match="'guard' refused the push in on_push"):
                await push()
        assert await chancy.count_jobs() == {}


@pytest.mark.parametrize("rubbish", [[], "x", 3, [ECHO, ECHO], [None]])
async def test_on_push_that_returns_rubbish_fails_the_push(new_chancy, rubbish):
    """A replacement that is no list of as many jobs fails the push."""
    async with new_chancy(plugins=[plugin(on_push=lambda self, jobs: rubbish)]) as chancy:
        with pytest.raises(PluginError, match="it must return None or a list of 1 jobs"):
            await chancy.push(ECHO)
        assert await chancy.count_jobs() == {}


# -- on_claim and on_complete ------------------------------------------------------------------


@pytest.mark.parametrize("error", RAISED, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("hook", ["on_claim", "on_complete", "on_recorded", "on_stop", "is_leader"])
async def test_hooks_of_a_worker_that_raise_lose_no_job(new_chancy, hook, error):
    """Whatever a worker's hook raises, the job runs, its outcome is recorded, and the failure is told and counted."""

    def fail(self):
        raise error

    async def fail_async(self):
        raise error

    hooks = {hook: fail_async if asyncio.iscoroutinefunction(SPECS[hook]) else fail, "on_tick": _tick}
    with captured_events() as events:
        async with new_chancy(plugins=[plugin("bad", {"interval": 0.01}, **hooks)]) as chancy:
            job = await run_one(chancy)
            if hook == "is_leader":
                async with Worker(chancy):
                    await until(lambda: chancy.plugins.failures["bad", hook])
    assert (job.state, job.result) == (State.SUCCEEDED, 1)
    assert chancy.plugins.failures["bad", hook] >= 1
    assert any(e["event"] == "hook_failed" and (e["plugin"], e["hook"]) == ("bad", hook) for e in events)


async def _tick(self, tick): ...


async def test_on_claim_may_change_jobs_but_not_swap_them(new_chancy):
    """Changed jobs run as changed; other jobs than those it was given are not accepted."""

    def change(self, jobs):
        return [job.with_kwargs(value=2) for job in jobs]

    def swap(self, jobs):
        return []

    async with new_chancy(plugins=[plugin("a", on_claim=change), plugin("b", on_claim=swap)]) as chancy:
        job = await run_one(chancy)
        assert job.result == 2
        assert chancy.plugins.failures == {("b", "on_claim"): 1}


async def test_what_on_complete_writes_commits_with_the_outcomes(new_chancy, dsn, schema):
    """A plugin's row is there when the outcome is; the row of one that then raised is not."""

    async def note(self, outcomes, connection):
        await connection.execute(f"CREATE TABLE IF NOT EXISTS {schema}.notes (id uuid)")
        for outcome in outcomes:
            await connection.execute(f"INSERT INTO {schema}.notes VALUES (%s)", [outcome.job.id])

    async def note_and_raise(self, outcomes, connection):
        await connection.execute(f"INSERT INTO {schema}.notes SELECT gen_random_uuid()")
        raise ValueError

    plugins = [plugin("a", on_complete=note), plugin("b", on_complete=note_and_raise)]
    async with new_chancy(plugins=plugins) as chancy:
        job = await run_one(chancy)
    with psycopg.connect(dsn) as connection:
        assert connection.execute(f"SELECT id FROM {schema}.notes").fetchall() == [(job.id,)]


async def _commit(self, outcomes, connection):
    await connection.execute("COMMIT")


async def _roll_back(self, outcomes, connection):
    await connection.execute("ROLLBACK")


async def _close(self, outcomes, connection):
    await connection.close()


async def _hang(self, outcomes, connection):
    await asyncio.sleep(3600)


async def _bad_sql(self, outcomes, connection):
    await connection.execute("SELECT nonsense")


@pytest.mark.parametrize("spoil", [_commit, _roll_back, _close, _bad_sql, _hang])
async def test_a_plugin_that_spoils_the_transaction_loses_no_outcome(new_chancy, spoil, monkeypatch):
    """A plugin that ends the transaction, closes the connection or never returns: outcomes are recorded once."""
    monkeypatch.setattr("chancy_core.plugins.ending.ON_COMPLETE_S", 0.2)
    async with new_chancy(plugins=[plugin("spoiler", on_complete=spoil)]) as chancy, Worker(chancy, grace_s=5):
        references = await chancy.push_many([ECHO] * 30)
        jobs = await chancy.wait_for_jobs(references, timeout=WITHIN_S)
    assert {job.state for job in jobs} == {State.SUCCEEDED}
    assert {job.attempts for job in jobs} == {1}
    assert chancy.plugins.failures["spoiler", "on_complete"] >= 1


async def test_failures_are_reported_once_in_a_while(new_chancy):
    """A hook that fails at each of many batches is logged once, and counted each time."""

    def fail(self, jobs):
        raise ValueError

    with captured_events() as events:
        async with new_chancy(plugins=[plugin("bad", on_claim=fail)]) as chancy, Worker(chancy):
            for _ in range(5):
                await (await chancy.push(ECHO)).wait(timeout=WITHIN_S)
    assert chancy.plugins.failures["bad", "on_claim"] == 5
    assert len([e for e in events if e["event"] == "hook_failed"]) == 1


def test_a_later_report_says_how_often_it_failed_meanwhile(new_chancy, monkeypatch):
    """After the pause the next failure is logged with the count of those in between; each plugin has its own."""

    def fail(self, jobs):
        raise ValueError

    host = new_chancy(plugins=[plugin("bad", on_claim=fail), plugin("worse", on_claim=fail)]).plugins

    def reports() -> list[tuple[str, int]]:
        with captured_events() as events:
            host.on_claim([], None)
        return [(event["plugin"], event["failures"]) for event in events if event["event"] == "hook_failed"]

    assert reports() == [("bad", 1), ("worse", 1)]
    assert reports() == reports() == []
    with monkeypatch.context() as patch:
        patch.setattr("chancy_core.plugins.containing.REPORT_EVERY_S", 0.0)
        assert reports() == [("bad", 3), ("worse", 3)]
    assert host.failures == {("bad", "on_claim"): 4, ("worse", "on_claim"): 4}


# -- on_recorded -------------------------------------------------------------------------------


async def test_on_recorded_is_told_what_has_committed(new_chancy, dsn, schema):
    """When it is called, another connection sees the outcomes, retries among them; `worker` is who ran them."""
    seen: list[tuple[State, bool, str]] = []

    def look(self, outcomes, worker):
        with psycopg.connect(dsn, autocommit=True) as connection:
            for outcome in outcomes:
                found = connection.execute(
                    f"SELECT state FROM {schema}.finished_jobs WHERE id = %(id)s UNION ALL "
                    f"SELECT state FROM {schema}.jobs WHERE id = %(id)s",
                    {"id": outcome.job.id},
                ).fetchall()
                seen.append((outcome.state, found == [(outcome.state.value,)], worker.name))

    failing = Job(func="jobs.fail", max_attempts=2, backoff=Backoff(base_s=3600, jitter=0))
    async with new_chancy(plugins=[plugin(on_recorded=look)]) as chancy, Worker(chancy) as worker:
        await chancy.push_many([ECHO, failing])
        await until(lambda: len(seen) == 2)
    assert set(seen) == {(State.SUCCEEDED, True, worker.name), (State.RETRYING, True, worker.name)}


async def test_on_recorded_hears_of_each_outcome_once(new_chancy):
    """Writes that were rolled back and repeated are told of once, and only once they are recorded."""
    told: list[Any] = []

    def count(self, outcomes):
        told.extend(outcome.job.id for outcome in outcomes)

    plugins = [plugin("spoiler", on_complete=_roll_back), plugin("counter", on_recorded=count)]
    async with new_chancy(plugins=plugins) as chancy, Worker(chancy):
        references = await chancy.push_many([ECHO] * 30)
        await chancy.wait_for_jobs(references, timeout=WITHIN_S)
        await until(lambda: len(told) >= 30)
    assert chancy.plugins.failures["spoiler", "on_complete"] >= 1
    assert sorted(told) == sorted(reference.identifier for reference in references)


async def test_on_recorded_does_not_hear_of_stale_outcomes(new_chancy, query):
    """An outcome that was refused, because the run is somebody else's by now, is not told of."""
    told: list[Any] = []
    hard_jobs.gate.clear()

    def count(self, outcomes):
        told.extend(outcome.job.id for outcome in outcomes)

    async with new_chancy(plugins=[plugin(on_recorded=count)]) as chancy, Worker(chancy) as worker:
        mine = await chancy.push(Job(func="hard_jobs.until_gate"))
        await until(lambda: worker.running == 1)
        query("UPDATE {s}.jobs SET claims = claims + 1")
        hard_jobs.gate.set()
        await until(lambda: worker.stale == 1)
        other = await chancy.push(ECHO)
        await other.wait(timeout=WITHIN_S)
        await until(lambda: told)
        query("DELETE FROM {s}.jobs WHERE id = %s", mine.identifier)
    assert told == [other.identifier]


async def test_a_finish_that_nobody_has_to_write_beside_is_one_statement(new_chancy, monkeypatch):
    """With on_recorded alone outcomes are written without a transaction around them; with on_complete, in one."""
    transactions = []
    real = WorkerConnection.transaction

    def counted(self):
        transactions.append(self)
        return real(self)

    monkeypatch.setattr(WorkerConnection, "transaction", counted)

    def hear(self, outcomes): ...
    async def write(self, outcomes): ...

    async with new_chancy(plugins=[plugin(on_recorded=hear)]) as chancy:
        await run_one(chancy)
    assert not transactions
    async with new_chancy(plugins=[plugin(on_complete=write)]) as chancy:
        await run_one(chancy)
    assert transactions


# -- claim_budget: the rest is in test_limits.py ---------------------------------------------------


async def test_claim_budget_is_refused_as_a_plain_function():
    """It is awaited, in the claim's transaction."""
    with pytest.raises(PluginError, match=r"claim_budget\(queue\) must be `async def`"):
        Chancy(plugins=[plugin(claim_budget=lambda self, queue: 1)], discover=False)


# -- on_start, on_tick, is_leader ----------------------------------------------------------------


async def test_on_start_that_raises_keeps_the_worker_from_starting(new_chancy):
    """The worker refuses to start, names the plugin, and leaves no row behind."""

    async def refuse(self, worker):
        raise ValueError("not today")

    async with new_chancy(plugins=[plugin("picky", on_start=refuse)]) as chancy:
        with pytest.raises(PluginError, match="'picky' did not start: ValueError: not today"):
            await Worker(chancy).start()
        assert await run_query(chancy, "SELECT worker FROM {schema}.workers") == []


async def test_on_stop_comes_after_the_last_outcome_in_the_opposite_order(new_chancy):
    """When a worker closes, what it ran has been recorded, and plugins go in the opposite of the order they came in."""
    seen: list[Any] = []

    def stops(name: str) -> Plugin:
        async def stop(self, worker):
            seen.append((name, worker.running, await worker.chancy.count_jobs()))

        return plugin(name, on_stop=stop)

    async with new_chancy(plugins=[stops("a"), stops("b")]) as chancy:
        hard_jobs.gate.clear()
        async with Worker(chancy, grace_s=WITHIN_S):
            await chancy.push(Job(func="hard_jobs.until_gate"))
            await until(lambda: _runs(chancy))
            # While it stops.
            asyncio.get_running_loop().call_later(0.3, hard_jobs.gate.set)
        assert seen == [("b", 0, {}), ("a", 0, {})]


async def _runs(chancy: Chancy) -> bool:
    return bool((await chancy.count_jobs()).get("default", {}).get("running"))


async def run_query(chancy: Chancy, sql: str) -> list[Any]:
    async with chancy.pool.connection() as connection:
        cursor = await connection.execute(sql.replace("{schema}", chancy.settings.schema).encode())
        return await cursor.fetchall()


async def test_on_tick_has_the_database_and_never_overlaps(new_chancy):
    """A tick can query and push; one that takes longer than its interval is not called twice at a time."""
    seen: list[Any] = []
    inside = 0

    async def tick(self, tick):
        nonlocal inside
        inside += 1
        async with tick.connection() as connection:
            cursor = await connection.execute("SELECT clock_timestamp()")
            ((now,),) = await cursor.fetchall()
        await tick.push("default", ECHO)
        await asyncio.sleep(0.03)
        seen.append((inside, now >= tick.now, tick.is_leader))
        inside -= 1

    async with new_chancy(plugins=[plugin("t", {"interval": 0.01}, on_tick=tick)]) as chancy, Worker(chancy):
        await until(lambda: len(seen) >= 3)
    assert set(seen) == {(1, True, True)}


async def test_on_tick_that_never_returns_is_ended_and_called_again(new_chancy):
    """A tick has its time; afterwards it is counted as failed, and comes again."""
    calls = 0

    async def hang(self, tick):
        nonlocal calls
        calls += 1
        await asyncio.sleep(3600)

    made = plugin("slow", {"interval": 0.01, "tick_timeout_s": 0.05}, on_tick=hang)
    async with new_chancy(plugins=[made]) as chancy, Worker(chancy):
        await until(lambda: calls >= 2)
        assert chancy.plugins.failures["slow", "on_tick"] >= 1


async def test_is_leader_says_where_leader_only_plugins_tick(new_chancy):
    """A plugin with leader_only ticks where is_leader says so, and the others tick everywhere."""
    ticked: list[str] = []
    leads = False

    def ticking(name: str, *, leader_only: bool) -> Plugin:
        async def tick(self, tick):
            ticked.append(name)

        made = plugin(name, {"interval": 0.01}, on_tick=tick)
        type(made).leader_only = leader_only
        return made

    plugins = [
        ticking("leaders", leader_only=True),
        ticking("all", leader_only=False),
        plugin("leadership", is_leader=lambda self: leads),
    ]
    async with new_chancy(plugins=plugins) as chancy, Worker(chancy):
        await until(lambda: ticked.count("all") >= 3)
        assert "leaders" not in ticked
        leads = True
        await until(lambda: "leaders" in ticked)


@pytest.mark.parametrize(("name", "told"), [("p", 1), ("pruner", 0)])
async def test_a_worker_without_a_pruner_says_so_once(new_chancy, name, told):
    """Unless a plugin of that name is loaded, a worker says once that finished jobs stay, and what to install."""
    with captured_events() as events:
        async with new_chancy(plugins=[plugin(name)]) as chancy:
            await run_one(chancy)
    found = [event for event in events if event["event"] == "pruner_not_loaded"]
    assert len(found) == told
    assert all("pip install chancy-pruner" in event["hint"] and event["log_level"] == "info" for event in found)


async def test_a_new_leader_ticks_at_once_however_long_the_interval(new_chancy, monkeypatch):
    """A plugin with an interval of an hour ticks as soon as this worker leads, and not again when it leads again."""
    monkeypatch.setattr("chancy_core.worker.tick.LOOK_S", 0.01)
    ticks: list[bool] = []
    looks = 0
    leads = False

    async def tick(self, tick):
        ticks.append(tick.is_leader)

    async def look(self, tick):
        nonlocal looks
        looks += 1

    hourly = plugin("hourly", {"interval": 3600.0}, on_tick=tick)
    type(hourly).leader_only = True
    plugins = [
        hourly,
        plugin("looking", {"interval": 0.01}, on_tick=look),
        plugin("leadership", is_leader=lambda self: leads),
    ]

    async def a_while():
        until_then = looks + 10
        await until(lambda: looks >= until_then)

    async with new_chancy(plugins=plugins) as chancy, Worker(chancy):
        await a_while()
        assert not ticks
        leads = True
        await until(lambda: ticks)
        leads = False
        await a_while()
        leads = True
        await a_while()
    assert ticks == [True]


async def test_a_tick_that_the_database_missed_does_not_wait_for_an_interval(new_chancy, monkeypatch):
    """A database that is away when an hourly tick is due delays it by seconds, not an hour; that is no failure."""
    monkeypatch.setattr("chancy_core.worker.tick.LONGEST_PAUSE_S", 0.01)
    ticked = asyncio.Event()
    tries = 0

    async def tick(self, tick):
        ticked.set()

    real = Ticker._now

    def now(self):
        nonlocal tries
        tries += 1
        if tries <= 2:
            raise psycopg.OperationalError("away")
        return real(self)

    monkeypatch.setattr(Ticker, "_now", now)
    made = plugin("hourly", {"interval": 3600.0}, on_tick=tick)
    async with new_chancy(plugins=[made]) as chancy, Worker(chancy):
        await asyncio.wait_for(ticked.wait(), 20)
        assert not chancy.plugins.failures


async def test_a_plugins_own_connection_is_like_all_others(new_chancy, dsn):
    """It is outside the pool, named as asked, commits by itself, reads times, and is closed after the block."""
    async with new_chancy(pool_max_size=1) as chancy:
        async with chancy.pool.connection(), chancy.connect(application_name="my plugin") as connection:
            cursor = await connection.execute(
                "SELECT current_setting('application_name'), current_setting('DateStyle')"
            )
            name, style = await cursor.fetchone()
            assert (name, style.partition(",")[0], connection.autocommit) == ("my plugin", "ISO", True)
        assert connection.closed


# -- what plugins bring --------------------------------------------------------------------------


async def test_migrations_of_plugins_run_with_the_kernels(new_chancy, schema):
    """A plugin's tables are made by migrate, under its own name, and stay when the plugin goes."""
    create = Migration("notes", 1, "CREATE TABLE {schema}.notes (id uuid);")
    async with new_chancy(plugins=[plugin("notes", migrations=lambda self: [create])]) as chancy:
        assert {m.owner for m in chancy.migrated} == {"kernel", "notes"}
    async with new_chancy() as without:
        await without.push(ECHO)
        assert await run_query(without, "SELECT count(*) FROM {schema}.notes") == [(0,)]


@pytest.mark.parametrize(
    ("rest", "problem"), [("SELECT nonsense", "UndefinedColumn"), ("COMMIT; SELECT nonsense", "FeatureNotSupported")]
)
async def test_a_migration_that_fails_changes_nothing(new_chancy, schema, rest, problem):
    """All migrations are one transaction, which a plugin cannot end: its wrong one is named, and leaves no schema."""
    wrong = Migration("wrong", 1, f"CREATE TABLE {{schema}}.a (id uuid); {rest}")
    with pytest.raises(
        SchemaError, match=r"Migration 1 of the plugin 'wrong' failed, and nothing was changed: " + problem
    ):
        await new_chancy(plugins=[plugin("wrong", migrations=lambda self: [wrong])]).open()
    async with new_chancy() as chancy:
        assert {m.owner for m in chancy.migrated} == {"kernel"}


def test_migrations_must_be_the_plugins_own(new_chancy):
    """Migrations in another's name, or with gaps, refuse the plugin."""
    stolen = plugin("thief", migrations=lambda self: [Migration("kernel", 1, "")])
    with pytest.raises(PluginError, match="'thief' brings migrations"):
        new_chancy(plugins=[stolen]).migrations()


def test_commands_of_plugins_are_found(new_chancy):
    """Commands come through the host; a plugin that fails to give them is named."""
    command = click.Command("hello")
    assert new_chancy(plugins=[plugin(commands=lambda self: [command])]).plugins.commands() == [command]
    with pytest.raises(PluginError, match=r"'p' \(Made in .*\) returned"):
        new_chancy(plugins=[plugin(migrations=lambda self: [3])]).migrations()


# -- around_job --------------------------------------------------------------------------------


@pytest.mark.parametrize("func", ["jobs.echo", "jobs.add"], ids=["loop", "thread"])
async def test_around_job_is_entered_where_the_job_runs_in_order(new_chancy, func):
    """Contexts of several plugins nest in plugin order, in the job's own thread, and are left with its success."""
    seen = []

    @contextmanager
    def noted(name):
        seen.append((f"{name} in", threading.get_ident()))
        yield
        seen.append((f"{name} out", threading.get_ident()))

    hooks = {name: _around(name, noted) for name in ("a", "b")}
    kwargs = {"value": 1} if func == "jobs.echo" else {"a": 1, "b": 2}
    async with new_chancy(plugins=[plugin(name, around_job=hook) for name, hook in hooks.items()]) as chancy:
        job = await run_one(chancy, Job(func=func, kwargs=kwargs))
    assert job.state == "succeeded"
    assert [what for what, _ in seen] == ["a in", "b in", "b out", "a out"]
    threads = {thread for _, thread in seen}
    assert len(threads) == 1
    assert (threads == {threading.get_ident()}) == (func == "jobs.echo")


def _around(name, context):
    def around_job(self, job):
        return context(name)

    return around_job


@pytest.mark.parametrize("error", RAISED, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("where", ["call", "enter", "leave"])
async def test_around_job_that_raises_fails_only_what_it_should(new_chancy, where, error):
    """A context that cannot be entered fails the attempt, by name; one that cannot be left changes nothing."""

    class Broken:
        def __enter__(self):
            if where == "enter":
                raise error

        def __exit__(self, *exception):
            if where == "leave":
                raise error

    def around_job(self):
        if where == "call":
            raise error
        return Broken()

    with captured_events() as events:
        async with new_chancy(plugins=[plugin("bad", around_job=around_job)]) as chancy:
            job = await run_one(chancy)
    assert chancy.plugins.failures["bad", "around_job"] == 1
    assert any(e["event"] == "hook_failed" and e["hook"] == "around_job" for e in events)
    if where == "leave":
        assert (job.state, job.result) == ("succeeded", 1)
    else:
        assert (job.state, job.errors[0].type) == ("failed", "PluginError")
        assert "'bad' failed in around_job" in job.errors[0].message


async def test_around_job_sees_that_the_time_limit_was_exceeded(new_chancy):
    """The context is left with the very error that the job's record has, not with how it was stopped."""
    seen = []

    @contextmanager
    def noted():
        try:
            yield
        except BaseException as error:
            seen.append((type(error).__name__, str(error)))
            raise

    def around_job(self, job):
        return noted()

    async with new_chancy(plugins=[plugin("a", around_job=around_job)]) as chancy:
        limits = [Limit(Limit.Type.TIME, 0.05)]
        job = await run_one(chancy, Job(func="jobs.sleep", kwargs={"seconds": 30}, limits=limits))
    assert seen == [("TimeLimitExceeded", job.errors[0].message)]


async def test_around_job_sees_the_jobs_error_and_cannot_swallow_it(new_chancy):
    """The context is left with what the job raised; that it wants to swallow it is not heard."""
    seen = []

    class Swallow:
        def __enter__(self): ...

        def __exit__(self, kind, error, traceback):
            seen.append((kind, str(error)))
            return True

    def around_job(self):
        return Swallow()

    def rubbish(self):
        return 7

    async with new_chancy(plugins=[plugin("a", around_job=around_job)]) as chancy:
        job = await run_one(chancy, Job(func="jobs.fail"))
    assert seen == [(ValueError, "no")]
    assert (job.state, job.errors[0].type) == ("failed", "ValueError")
    async with new_chancy(plugins=[plugin("a", around_job=rubbish)]) as chancy:
        job = await run_one(chancy)
    assert "must return a context manager or None, not 7" in job.errors[0].message
