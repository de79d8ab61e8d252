"""What authors of plugins get wrong: each mistake gets an error that names the file, the plugin, and the cure."""

from __future__ import annotations

import importlib
import sys
import textwrap
from pathlib import Path
from typing import Any

import importlib_metadata
import pytest
from click.testing import CliRunner

from chancy import Chancy, ChancyError
from chancy.errors import ConfigError, PluginError
from chancy_core.cli.group import chancy as command

HEAD = """
from typing import Any, ClassVar
import click
from chancy.plugin import Migration, Plugin, Statements, hookimpl, read_migrations

"""


class Author:
    """Somebody who writes a plugin `audit`, in a file `audit_plugin.py`, and installs it or gives it in code."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.file = folder / "audit_plugin.py"
        self._patch = monkeypatch

    def writes(self, body: str, entry: str = "audit = audit_plugin:Audit") -> None:
        """The file, and the distribution that offers it."""
        self.file.write_text(HEAD + textwrap.dedent(body))
        about = self.folder / "acme_audit-1.0.dist-info"
        about.mkdir()
        (about / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-audit\nVersion: 1.0\n")
        (about / "entry_points.txt").write_text(f"[chancy]\n{entry}\n")
        # Whatever else is installed here.
        points = [
            point
            for found in importlib_metadata.Distribution.discover(path=[str(self.folder)])
            for point in found.entry_points
        ]
        self._patch.setattr("importlib_metadata.entry_points", lambda **_: points)
        importlib.invalidate_caches()

    def written(self) -> Any:
        """The class, for those who give it in code."""
        return importlib.import_module("audit_plugin").Audit

    def settings(self, text: str) -> Path:
        """A configuration file."""
        (self.folder / "chancy.toml").write_text(text)
        return self.folder / "chancy.toml"

    def error(self, text: str = "", **changed: Any) -> str:
        """What Chancy says to the plugin."""
        config = self.settings(text)
        with pytest.raises(ChancyError) as caught:
            Chancy("postgresql://", config=config, **{"discover": True, **changed})
        return str(caught.value)


@pytest.fixture
def author(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Author:
    """The author, whose file is importable for the length of the test."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "audit_plugin", raising=False)
    return Author(tmp_path, monkeypatch)


# -- the class -----------------------------------------------------------------------------


CLASSES = {
    "forgot hookimpl": (
        'name = "audit"\n    def on_push(self, jobs): ...',
        "on_push is named like a hook and not marked, so it is never called: put `@hookimpl` above it",
    ),
    "forgot hookimpl, and async": (
        'name = "audit"\n    async def on_tick(self, tick): ...',
        "on_tick is named like a hook and not marked",
    ),
    "marked a static method outside": (
        'name = "audit"\n    @hookimpl\n    @staticmethod\n    def on_push(jobs): ...',
        "on_push is a staticmethod whose mark does not count: put `@hookimpl` right above def",
    ),
    "a hook that is no method": (
        'name = "audit"\n    migrations: ClassVar[list] = []',
        "make it a method, or rename it",
    ),
    "own __init__": (
        'name = "audit"\n    def __init__(self, keep_days): self.keep_days = keep_days',
        "has an __init__ of its own, which would never be called: make each of its arguments a setting",
    ),
    "a setting without a type": (
        'name = "audit"\n    keep_days = 30',
        "`keep_days = 30` in Audit has no annotation, so it is no setting: write `keep_days: int = 30`",
    ),
    "an interval without a type": (
        'name = "audit"\n    interval = 5.0\n    @hookimpl\n    async def on_tick(self, tick): ...',
        "`interval = 5.0` in Audit has no annotation, so it is no setting: write `interval: float | None = 5.0`",
    ),
    "a default that others could change": (
        'name = "audit"\n    queues: list[str] = ["a"]',
        "Instead configure a `default_factory`",
    ),
    "no name": ("keep_days: int = 30", 'it has no name: write `name = "…"` in the class.'),
    "the name as a setting": ('name: str = "audit"', "its name is annotated, which makes it a setting"),
    "a name that is no name": ('name = "au dit"', "its name is 'au dit': give 1 to 50 letters, digits"),
    "the kernel's name": ('name = "kernel"', "its name is 'kernel': give"),
    "another name than its entry point": (
        'name = "audits"',
        "calls itself 'audits', and its entry point 'audit': both names must be the same. Change the one in the class",
    ),
    "a setting called enabled": ('name = "audit"\n    enabled: bool = True', "take another name"),
    "def where async def belongs": (
        'name = "audit"\n    @hookimpl\n    def on_complete(self, outcomes, connection): ...',
        "on_complete(outcomes, connection) must be `async def`",
    ),
    "async def where def belongs": (
        'name = "audit"\n    @hookimpl\n    async def on_push(self, jobs): ...',
        "on_push(jobs) must be `def`, not `async def`",
    ),
    "a misspelt hook": (
        'name = "audit"\n    @hookimpl\n    def on_pusch(self, jobs): ...',
        "on_pusch(jobs) is no hook. Did you mean 'on_push'?",
    ),
    "a misspelt argument": (
        'name = "audit"\n    @hookimpl\n    def on_push(self, job): ...',
        "on_push(job) has no argument 'job'. Did you mean 'jobs'?",
    ),
    "an argument with a default": (
        'name = "audit"\n    @hookimpl\n    def on_push(self, jobs=()): ...',
        "jobs has a default, which is never used: remove it",
    ),
    "a tick that never comes": (
        'name = "audit"\n    @hookimpl\n    async def on_tick(self, tick): ...',
        "on_tick is never called, because interval is None: write `interval: float | None = 60.0`",
    ),
    "a default of the wrong type": ('name = "audit"\n    keep_days: int = "30"', "keep_days is '30': expected `int`"),
    "an interval that is too short": (
        'name = "audit"\n    interval: float | None = 1e-9',
        "interval is 1e-09: give seconds from 0.01 to 31,536,000, or None for no ticks.",
    ),
}


@pytest.mark.parametrize(("body", "told"), CLASSES.values(), ids=CLASSES)
def test_a_mistake_in_an_installed_plugin_is_told(author: Author, body: str, told: str) -> None:
    """With the name of the plugin, or of its distribution; the file, or the entry point; and what to write instead."""
    author.writes(f"class Audit(Plugin):\n    {body}\n")
    error = author.error()
    assert told in error
    assert "audit" in error
    assert str(author.file) in error or "acme-audit 1.0" in error or "chancy.toml: plugins.audit" in error


@pytest.mark.parametrize(
    ("body", "told"),
    [case for name, case in CLASSES.items() if "entry point" not in name],
    ids=[name for name in CLASSES if "entry point" not in name],
)
def test_a_mistake_in_a_plugin_that_is_given_in_code_is_told(author: Author, body: str, told: str) -> None:
    """The same, with the file."""
    author.writes(f"class Audit(Plugin):\n    {body}\n")
    with pytest.raises(ChancyError) as caught:
        Chancy("postgresql://", discover=False, plugins=[author.written()()])
    assert told in str(caught.value)
    assert str(author.file) in str(caught.value)


def test_all_mistakes_of_a_plugin_are_told_together(author: Author) -> None:
    """So that they can be mended together."""
    author.writes(
        """
        class Audit(Plugin):
            name = "audit"
            keep_days = 30
            def on_claim(self, jobs): ...
            @hookimpl
            async def on_push(self, jobs): ...
        """
    )
    error = author.error()
    assert all(part in error for part in ("keep_days", "on_claim", "on_push(jobs) must be `def`"))


def test_what_is_no_mistake_is_no_error(author: Author) -> None:
    """Constants, helpers, properties, nested classes and hooks that are static methods; a property that raises."""
    author.writes(
        """
        class Audit(Plugin):
            name = "audit"
            LIMIT = 5
            _cache = {}
            keep: ClassVar[int] = 7
            leader_only = True
            answer_within_s = 2.0
            interval: float | None = 5

            class Row: ...

            @property
            def moody(self):
                raise RuntimeError("not now")

            def helper(self): ...

            @staticmethod
            @hookimpl
            def on_push(jobs): ...

            @hookimpl
            async def on_tick(self, tick): ...
        """
    )
    config = author.settings("[plugins.audit]\ninterval = 6")
    (loaded,) = Chancy("postgresql://", config=config, discover=True).plugins.loaded
    assert (loaded.name, loaded.plugin.interval) == ("audit", 6.0)


# -- how it is installed, and given -------------------------------------------------------


def test_an_entry_point_that_leads_to_the_module_is_told(author: Author) -> None:
    """Without `:Class`."""
    author.writes('class Audit(Plugin):\n    name = "audit"\n', entry="audit = audit_plugin")
    error = author.error()
    assert "audit (acme-audit 1.0, entry point audit_plugin) is a module" in error
    assert 'audit = "package.module:Class"' in error


def test_the_class_instead_of_an_instance_is_told(author: Author) -> None:
    """With the file, and with what to write."""
    author.writes('class Audit(Plugin):\n    name = "audit"\n')
    error = author.error(discover=False, plugins=[author.written()])
    assert f"plugins=[Audit] gives the class ({author.file}): give an instance, Audit()" in error


def test_an_instance_or_a_class_without_a_list_is_told(author: Author) -> None:
    """`plugins=Audit()` instead of `plugins=[Audit()]`."""
    author.writes('class Audit(Plugin):\n    name = "audit"\n')
    for given in (author.written(), author.written()(), "audit"):
        assert "give a list of instances, as in plugins=[Audit()]" in author.error(discover=False, plugins=given)


def test_what_is_no_plugin_at_all_is_told(author: Author) -> None:
    """With its repr."""
    assert "plugins=['audit']: give instances of classes derived from chancy.Plugin" in author.error(plugins=["audit"])


def test_a_table_while_nothing_is_discovered_is_told(author: Author) -> None:
    """It is not the plugin that is missing, and so nothing about pip."""
    author.writes('class Audit(Plugin):\n    name = "audit"\n')
    error = author.error("[plugins.audit]\n", discover=False)
    assert "chancy.toml: [plugins.audit] is not used, because discover is off" in error
    assert "pip install" not in error


def test_a_table_for_a_plugin_that_is_given_in_code_is_told(author: Author) -> None:
    """Its settings would be ignored."""
    author.writes('class Audit(Plugin):\n    name = "audit"\n    keep_days: int = 30\n')
    given = author.written()(keep_days=7)
    error = author.error("[plugins.audit]\nkeep_days = 1\n", plugins=[given])
    assert "[plugins.audit] is not used, because the plugin 'audit' was given in code" in error


@pytest.mark.parametrize("value", ['"no"', "0", "[]"])
def test_enabled_is_true_or_false(author: Author, value: str) -> None:
    """`enabled = "no"` turned it on."""
    author.writes('class Audit(Plugin):\n    name = "audit"\n')
    assert "plugins.audit.enabled is" in author.error(f"[plugins.audit]\nenabled = {value}\n")


def test_a_plugin_that_cannot_be_made_is_named(author: Author) -> None:
    """Its own check raises what is no ValueError."""
    author.writes(
        'class Audit(Plugin):\n    name = "audit"\n    def __post_init__(self):\n        {}["key"]\n',
    )
    error = author.error()
    assert "audit (acme-audit 1.0" in error
    assert "cannot be made from its settings: KeyError: 'key'" in error


# -- settings in code ---------------------------------------------------------------------

SETTINGS = """
from enum import StrEnum

class Mode(StrEnum):
    FAST = "fast"

class Audit(Plugin):
    name = "audit"
    keep_days: int = 30
    queues: tuple[str, ...] = ()
    mode: Mode = Mode.FAST
    api_token: str = ""
    anything: Any = None

    def __post_init__(self):
        self.days_s = self.keep_days * 86400
"""


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"keep_days": "7"}, "keep_days is '7': expected `int`, got `str`."),
        ({"keep_days": True}, "keep_days is True: expected `int`, got `bool`."),
        ({"queues": "mail"}, "queues is 'mail': expected `array`, got `str`."),
        ({"queues": ["mail", 3]}, "queues is ['mail', 3], and [1] in it: expected `str`, got `int`."),
        ({"mode": "slow"}, "mode is 'slow': invalid enum value 'slow'."),
        ({"tick_timeout_s": "5"}, "tick_timeout_s is '5': give seconds from 0.01 to 86,400."),
        ({"tick_timeout_s": None}, "tick_timeout_s is None: give seconds"),
    ],
)
def test_a_wrong_setting_in_code_is_told(author: Author, given: dict[str, Any], told: str) -> None:
    """Where it is given: before the plugin's own check stumbles over it, and long before a hook does."""
    author.writes(SETTINGS)
    with pytest.raises(ConfigError) as caught:
        author.written()(**given)
    assert str(caught.value) == f"The plugin 'audit' (Audit in {author.file}): {told}" or told.endswith("seconds")
    assert told in str(caught.value)


def test_a_secret_is_not_shown(author: Author) -> None:
    """Errors end in logs."""
    author.writes(SETTINGS)
    with pytest.raises(ConfigError, match="api_token is") as caught:
        author.written()(api_token=b"hunter2")
    assert "hunter2" not in str(caught.value)


def test_a_setting_in_code_is_what_the_file_would_have_made_of_it(author: Author) -> None:
    """A list for a tuple, a text for an enumeration; and what code alone can give stays the very object."""
    author.writes(SETTINGS)
    mark = object()
    made = author.written()(queues=["mail"], mode="fast", interval=5, anything=mark)
    assert made.queues == ("mail",)
    assert made.mode is importlib.import_module("audit_plugin").Mode.FAST
    assert made.anything is mark
    assert made.days_s == 30 * 86400


@pytest.mark.parametrize("value", [1e-9, -1, 0, float("nan"), float("inf"), True, "5"])
@pytest.mark.parametrize("name", ["interval", "tick_timeout_s"])
def test_times_have_a_range(author: Author, name: str, value: Any) -> None:
    """An interval of 1e-9 ticked 2,500 times a second."""
    author.writes('class Audit(Plugin):\n    name = "audit"\n')
    with pytest.raises(ConfigError) as caught:
        author.written()(**{name: value})
    assert f"The plugin 'audit' (Audit in {author.file}): {name} is {value!r}: give seconds from 0.01 to" in str(
        caught.value
    )


@pytest.mark.parametrize("value", ["0", "float('nan')", "'2'", "-1"])
def test_how_long_the_database_may_be_silent_has_a_range(author: Author, value: str) -> None:
    """It is an attribute of the class."""
    author.writes(f'class Audit(Plugin):\n    name = "audit"\n    answer_within_s = {value}\n')
    assert "answer_within_s is" in author.error()


def test_a_time_in_the_file_is_told_with_the_file(author: Author) -> None:
    """As any other setting."""
    author.writes('class Audit(Plugin):\n    name = "audit"\n')
    error = author.error("[plugins.audit]\ninterval = -1\n")
    assert error.endswith(
        "chancy.toml: plugins.audit: interval is -1.0: give seconds from 0.01 to 31,536,000, or None for no ticks."
    )


# -- commands, tables, statements ---------------------------------------------------------


def shown(author: Author, *arguments: str) -> tuple[int, str]:
    """The exit code of the command line, and what it says."""
    config = author.settings("")
    done = CliRunner().invoke(command, ["--dsn", "postgresql://", "--config", str(config), *arguments])
    assert done.exception is None or isinstance(done.exception, SystemExit)
    return done.exit_code, done.output


COMMANDS = """
class Audit(Plugin):
    name = "audit"

    @hookimpl
    def commands(self):
        return [{}]
"""


@pytest.mark.parametrize(
    ("brought", "told"),
    [
        ('click.Command("worker")', "brings the command 'worker', which Chancy has already: give it another name"),
        ('click.Command("a"), click.Command("a")', "brings the command 'a', which audit has already"),
        ("print", "from commands: return a list of objects of the type Command"),
        ('"audit"', "from commands: return a list of objects of the type Command"),
    ],
)
def test_a_command_that_cannot_be_is_told(
    author: Author, monkeypatch: pytest.MonkeyPatch, brought: str, told: str
) -> None:
    """One of a name that is taken, and one that is none; with the plugin and its file. There is help all the same."""
    monkeypatch.setenv("CHANCY_DISCOVER", "true")
    author.writes(COMMANDS.format(brought))
    for arguments, code in ((["--help"], 0), (["audit"], 1)):
        found, output = shown(author, *arguments)
        assert found == code
        assert f"The plugin 'audit' (Audit in {author.file})" in output
        assert told in output


def test_two_plugins_with_one_command_are_told(author: Author) -> None:
    """The second one is, and whose it is already."""
    author.writes(COMMANDS.format('click.Command("depth")'))
    cls = author.written()
    twin = type("Twin", (cls,), {"name": "twin", "__module__": cls.__module__})
    host = Chancy("postgresql://", discover=False, plugins=[cls(), twin()]).plugins
    with pytest.raises(PluginError, match=r"'twin' \(Twin in .*\) brings the command 'depth', which audit has already"):
        host.commands()


def test_the_kernels_commands_work_beside_one_that_cannot_be(author: Author, monkeypatch: pytest.MonkeyPatch) -> None:
    """A plugin's mistake takes nobody's worker away."""
    monkeypatch.setenv("CHANCY_DISCOVER", "true")
    author.writes(COMMANDS.format('click.Command("worker")'))
    done = CliRunner().invoke(command, ["--config", str(author.settings("")), "worker", "--help"])
    assert done.exit_code == 0
    assert "--concurrency" in done.output


@pytest.mark.parametrize(
    ("brought", "told"),
    [
        ('[Migration("other", 1, "SELECT 1")]', "each owner must be its name, and the versions count from 1"),
        ('[Migration("audit", 2, "SELECT 1")]', "each owner must be its name, and the versions count from 1"),
        ('["CREATE TABLE x ()"]', "from migrations: return a list of objects of the type Migration"),
        ("None", "failed in migrations: TypeError"),
    ],
)
def test_migrations_that_cannot_be_are_told(author: Author, brought: str, told: str) -> None:
    """Another owner, a gap, and what is none."""
    author.writes(
        'class Audit(Plugin):\n    name = "audit"\n    @hookimpl\n'
        f"    def migrations(self):\n        return {brought}\n"
    )
    host = Chancy("postgresql://", discover=False, plugins=[author.written()()]).plugins
    with pytest.raises(PluginError, match="The plugin 'audit'") as caught:
        host.migrations()
    assert told in str(caught.value)


@pytest.mark.parametrize("package", ["audit_migrations", "audit_migration"])
def test_a_folder_without_migrations_is_told(author: Author, package: str) -> None:
    """One that was left out of the distribution, or whose name is misspelt: there would be no table, and no word."""
    (author.folder / "audit_migrations").mkdir()
    author.writes(
        'class Audit(Plugin):\n    name = "audit"\n    @hookimpl\n'
        f'    def migrations(self):\n        return read_migrations("audit", "{package}")\n'
    )
    host = Chancy("postgresql://", discover=False, plugins=[author.written()()]).plugins
    with pytest.raises(PluginError, match="'audit' failed in migrations: SchemaError: There is no migration") as caught:
        host.migrations()
    assert f"in {package}: is the name written as it is imported" in str(caught.value)


@pytest.mark.parametrize(
    ("package", "told"),
    [
        ("audit_sql", "There is no statement 'find' in audit_sql. Did you mean 'finds_all'?"),
        ("audit_sqll", "There is no statement 'find' in audit_sqll. There is no such folder: is audit_sqll written as"),
    ],
)
async def test_a_statement_that_is_not_there_is_told(author: Author, package: str, told: str) -> None:
    """With the nearest one, or with what is wrong with the folder."""
    author.writes(f'class Audit(Plugin):\n    name = "audit"\n\nSQL = Statements("{package}")\n')
    (author.folder / "audit_sql").mkdir()
    (author.folder / "audit_sql" / "finds_all.sql").write_text("SELECT 1")
    author.written()
    with pytest.raises(PluginError) as caught:
        await importlib.import_module("audit_plugin").SQL.rows(None, "schema_x", "find")
    assert told in str(caught.value)
