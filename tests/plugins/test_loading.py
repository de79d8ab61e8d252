"""Plugins: discovered, configured, checked; every error names them. What they bring."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import click
import pytest
from hosting import run_query
from making import ECHO, plugin

from chancy import Chancy, Migration, Plugin
from chancy_core.errors import ConfigError, PluginError, SchemaError
from chancy_core.plugins.load import load_plugins

# What is tested is how tables are made: none of an earlier test.
pytestmark = pytest.mark.new_tables


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
        ({"sized": {"size": "x"}}, [], "chancy.toml: plugins.sized.size is 'x': give a whole number."),
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
