"""What authors of plugins get wrong in commands, tables and statements: told, with the cure."""

from __future__ import annotations

import importlib

import pytest
from authors import Author
from click.testing import CliRunner

from chancy import Chancy
from chancy.errors import PluginError
from chancy_core.cli.group import chancy as command


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
