"""What workers say of their plugins, and `chancy plugins`, which shows it."""

from __future__ import annotations

import asyncio
import os
import subprocess
from typing import ClassVar

import pytest
from click.testing import CliRunner
from support import WITHIN_S, until

from chancy import Job, Plugin, Worker, hookimpl
from chancy_core.cli import plugins as plugins_command
from chancy_core.cli.group import chancy as command
from chancy_core.executors import memory
from chancy_core.worker import heartbeat

ECHO = Job(func="jobs.echo", kwargs={"value": 1})


class Steady(Plugin):
    """Ticks, and elects."""

    name = "steady"
    leads: ClassVar[bool] = True

    @hookimpl
    async def on_tick(self, tick): ...

    @hookimpl
    def is_leader(self):
        return self.leads


class Faulty(Plugin):
    """Fails at each claim, with an error that no terminal and no database would like."""

    name = "faulty"

    @hookimpl
    def on_claim(self, jobs):
        raise ValueError("no\nnot \x85 \x00 \x1b[31m" + "x" * 1000)


@pytest.fixture(autouse=True)
def _often(monkeypatch):
    monkeypatch.setattr("chancy_core.worker.status.LOOK_S", 0.01)
    # A process takes as much as it takes, and that is news when it changes.
    monkeypatch.setattr("chancy_core.worker.status.family_bytes", lambda: 100_000_000)
    # The lease is as long as always, so that no busy machine loses it; what is said is written with a renewal.
    monkeypatch.setattr(heartbeat, "LOOK_EVERY_S", 0.05)


async def told(chancy, condition=lambda status: True):
    """The worker, once it has said something of itself that meets a condition."""

    async def said():
        (worker,) = await chancy.get_workers()
        return worker if worker.status is not None and condition(worker.status) else None

    return await until(said)


async def test_a_worker_tells_how_its_plugins_do(new_chancy):
    """Leadership, ticks with their age, failures with the last error and its age, for each plugin in order."""
    steady = Steady(interval=0.01)
    async with new_chancy(plugins=[steady, Faulty()]) as chancy, Worker(chancy, tags=["t"]) as worker:
        await (await chancy.push(ECHO)).wait(timeout=WITHIN_S)
        found = await told(chancy, lambda status: status.plugins[0].failures and status.plugins[1].ticks >= 2)
        assert (found.name, found.alive, found.status.leads) == (worker.name, True, True)
        assert {"*", "t"} <= set(found.tags)
        faulty, ticking = found.status.plugins
        assert (faulty.name, faulty.ticks, faulty.ticked_s_ago, faulty.failures) == ("faulty", 0, None, 1)
        assert faulty.error.startswith("on_claim: ValueError: no not     ")
        assert faulty.error.isprintable()
        assert len(faulty.error) == 200
        assert 0 <= faulty.failed_s_ago < 600
        assert (ticking.name, ticking.failures, ticking.error, ticking.failed_s_ago) == ("steady", 0, None, None)
        assert 0 <= ticking.ticked_s_ago < 600
        steady.leads = False
        await told(chancy, lambda status: status.leads is False)
    async with new_chancy() as chancy:
        assert await chancy.get_workers() == []


async def test_ages_grow_while_nothing_is_written(new_chancy, query):
    """What was said a minute ago of something that was ten seconds old then is seventy seconds old now."""
    async with new_chancy() as chancy:
        said = '{"plugins": [{"name": "p", "ticked_s_ago": 10, "failed_s_ago": 20}]}'
        query(
            "INSERT INTO {s}.workers (worker, tags, lease_until, status, status_at) "
            "VALUES ('w', '{}', now(), %s, now() - interval '1 minute')",
            said,
        )
        (plugin,) = (await told(chancy)).status.plugins
        assert 70 <= plugin.ticked_s_ago < 70 + WITHIN_S
        assert 80 <= plugin.failed_s_ago < 80 + WITHIN_S


async def test_what_has_not_changed_is_not_written_again(new_chancy, query):
    """The lease is renewed again and again; the status stays as it was written."""
    async with new_chancy(plugins=[Faulty()]) as chancy, Worker(chancy):
        await told(chancy, lambda status: status.slots)
        ((written_at, before),) = query("SELECT status_at, seen_at FROM {s}.workers")
        await until(lambda: query("SELECT seen_at > %s + interval '1 s' FROM {s}.workers", before) == [(True,)])
        assert query("SELECT status_at FROM {s}.workers") == [(written_at,)]


async def test_a_worker_that_was_forgotten_tells_again(new_chancy, query):
    """Registered anew after others took its row away, a worker says again what it said before."""
    async with new_chancy(plugins=[Faulty()]) as chancy, Worker(chancy) as worker:
        await told(chancy)
        query("DELETE FROM {s}.workers")
        await until(lambda: query("SELECT 1 FROM {s}.workers WHERE status IS NOT NULL"))
        assert (await told(chancy)).name == worker.name


async def test_a_worker_tells_its_slots_and_its_memory_once(chancy, monkeypatch):
    """Also without plugins; its memory again when it has changed by more than a tenth, and not at every byte."""
    async with Worker(chancy, concurrency=7):
        first = (await told(chancy, lambda status: status.slots)).status
        assert (first.slots, first.plugins, first.memory_bytes) == (7, [], 100_000_000)
        for held in (109_000_000, 111_000_000):
            looked = []
            # The second look at the same comes after the first was, or was not, told.
            monkeypatch.setattr(
                "chancy_core.worker.status.family_bytes", lambda held=held, to=looked: to.append(1) or held
            )
            await until(lambda to=looked: len(to) > 1)
        found = await told(chancy, lambda status: status.memory_bytes != first.memory_bytes)
        assert found.status.memory_bytes == 111_000_000


def test_the_memory_of_a_worker_is_that_of_its_children_too():
    """A job in a process takes none of the worker's own."""
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as child:
        assert child.pid in memory._children_of(os.getpid())
        assert memory.family_bytes() > memory.rss_bytes(child.pid) > 0


# -- chancy plugins ----------------------------------------------------------------------------


@pytest.fixture
def shown(dsn, schema, monkeypatch):
    """Runs `chancy plugins` with these plugins installed, on a terminal that is wide enough."""
    monkeypatch.setenv("COLUMNS", "300")

    def run(*plugins, dsn=dsn):
        chancy = plugins_command.Chancy(dsn, schema=schema, discover=False, plugins=plugins)
        result = CliRunner().invoke(plugins_command.plugins, obj=lambda **_: chancy)
        assert result.exit_code == 0, result.output
        return [line.split() for line in result.output.splitlines() if line.strip()]

    return run


async def test_the_command_shows_what_is_installed_and_how_it_does(new_chancy, shown, query, schema):
    """A line for each plugin with its order, origin and hooks; then one for each worker and plugin, lost ones too."""
    async with new_chancy(plugins=[Steady(interval=3600), Faulty()]) as chancy, Worker(chancy) as worker:
        await (await chancy.push(ECHO)).wait(timeout=WITHIN_S)
        await told(chancy, lambda status: status.plugins[0].failures and status.plugins[1].ticks)
        query("INSERT INTO {s}.workers VALUES ('zombie', '{}', now(), now() - interval '2 h', now() + interval '1 h')")
        query("UPDATE {s}.workers SET lease_until = now() WHERE worker = 'zombie'")
        lines = await asyncio.to_thread(shown, Steady(interval=3600), Faulty())
    assert lines[1] == ["1", "faulty", "added", "by", "hand", "on_claim"]
    assert lines[2] == ["2", "steady", "added", "by", "hand", "on_tick", "is_leader", "3600", "s"]
    faulty, steady, zombie = lines[4:]
    assert faulty[:4] == [worker.name, "yes", "faulty", "0"]
    assert faulty[4:9] == ["1", *faulty[5:6], "s", "ago:", "on_claim:"]
    assert steady == [worker.name, "yes", "steady", "1", *steady[4:5], "s", "ago", "0"]
    assert zombie == ["zombie", "lost,", "seen", "2", "h", "ago", "has", "not", "said"]


def test_the_command_without_a_database_shows_what_is_installed(shown):
    """Nothing answers there: the plugins are shown all the same, and why the rest is not."""
    lines = shown(Faulty(), dsn="postgresql://127.0.0.1:1/none")
    assert lines[1][:2] == ["1", "faulty"]
    assert " ".join(lines[2]).startswith("How they do in running workers is not known: Cannot connect to PostgreSQL")


def test_the_command_in_a_schema_of_another_version(new_chancy, shown, query, schema):
    """A schema that was not migrated: the plugins are shown, and what to run."""
    with new_chancy() as chancy:
        chancy.sync_migrate()
    query("DELETE FROM {s}.migrations WHERE version > 1")
    lines = shown(Faulty())
    assert lines[1][:2] == ["1", "faulty"]
    assert f"`chancy --schema {schema} migrate`" in " ".join(lines[2])


def test_the_command_takes_a_status_that_it_cannot_read(new_chancy, shown, query):
    """A status of another version, or written by hand, is shown as none."""
    with new_chancy() as chancy:
        chancy.sync_migrate()
    for worker, said in (("a", '{"plugins": 3}'), ("b", "[]"), ("c", '{"plugins": [], "leads": null, "more": 1}')):
        query(
            "INSERT INTO {s}.workers (worker, tags, lease_until, status, status_at) "
            "VALUES (%s, '{}', now() + interval '1 h', %s, now())",
            worker,
            said,
        )
    lines = shown()
    assert lines[-3:] == [["a", "has", "not", "said"], ["b", "has", "not", "said"], ["c", "no", "election"]]


def test_the_command_is_there(schema, dsn, query):
    """It is a command of `chancy`; it says so when no worker runs, and makes no tables."""
    environment = {"CHANCY_DSN": dsn, "CHANCY_SCHEMA": schema}
    result = CliRunner().invoke(command, ["plugins"], env=environment)
    assert "No plugin is installed" in result.output
    assert f"`chancy --schema {schema} migrate`" in result.output
    assert query("SELECT to_regclass('{s}.jobs')") == [(None,)]
    CliRunner().invoke(command, ["migrate"], env=environment)
    assert "No worker runs in schema" in CliRunner().invoke(command, ["plugins"], env=environment).output


async def test_the_command_names_what_workers_cannot_run(new_chancy, shown):
    """A function that a worker leaves to others stands below the table, with the queue and the reason, in one line."""
    async with new_chancy() as chancy, Worker(chancy) as worker:
        await chancy.push(Job(func="nowhere.f"))
        await told(chancy, lambda status: status.unable)
        lines = await asyncio.to_thread(shown)
    (line,) = [line for line in map(" ".join, lines) if "cannot run" in line]
    assert line.startswith(f"{worker.name} cannot run nowhere.f, as it found ")
    assert "leaves its jobs in the queue default to other workers: nowhere.f does not import" in line
