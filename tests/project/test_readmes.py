"""The pages of the plugins, which are their pages on an index as well: what they show is so."""

from __future__ import annotations

import ast
import importlib
import re
import shlex
from pathlib import Path

import click
import pytest
from docpages import ROOT

from chancy import Chancy
from chancy_core.cli.group import chancy as command

TEMPLATE = ROOT / "examples" / "plugin-template" / "README.md"
READMES = [*sorted((ROOT / "plugins").glob("*/README.md")), TEMPLATE]
FENCED = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```", re.DOTALL | re.MULTILINE)
# In a block of SQL, and in quotes behind `psql -c`.
QUERIES = {"sql": re.compile(r"^SELECT [^;]+", re.MULTILINE), "": re.compile(r"(?<=')SELECT [^']+(?=')")}
TYPED = re.compile(r"^(?:\$ )?chancy ([^#&>\n]*)", re.MULTILINE)

# `await` stands at the top of an example.
AST = ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT

each_readme = pytest.mark.parametrize("page", READMES, ids=lambda page: page.parent.name)


@each_readme
def test_a_readme_did_not_say_where_to_go_next(page: Path) -> None:
    """It is the end of each, and there is one title."""
    text = page.read_text()
    headings = re.findall(r"^#+ .*", "".join(FENCED.split(text)[::3]), re.MULTILINE)
    assert headings[-1] == "## Where to go next"
    assert [one for one in headings if one.startswith("# ")] == headings[:1]
    assert "\n## When something fails\n" in text or "\n## What it costs, and when something fails\n" in text


@each_readme
def test_a_command_of_a_readme_was_not_understood(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is there, and has these options."""
    monkeypatch.setenv("CHANCY_DISCOVER", "true")
    shown = [code for kind, code in FENCED.findall(page.read_text()) if kind in {"", "console"}]
    for line in {found for code in shown for found in TYPED.findall(code)}:
        found, arguments = command, shlex.split(line)
        context = click.Context(command)
        while isinstance(found, click.Group):
            _, (name, *arguments), _ = found.make_parser(context).parse_args(arguments)
            found = found.get_command(context, name)
            assert found is not None, f"chancy {line}"
            context = click.Context(found, parent=context)
        found.parse_args(context, arguments)


@each_readme
def test_a_setting_of_a_readme_was_refused(page: Path, tmp_path: Path) -> None:
    """What is shown of the configuration file is what the plugins take, each block by itself."""
    for kind, code in FENCED.findall(page.read_text()):
        if kind == "toml" and page != TEMPLATE:  # whose plugins are installed nowhere
            file = tmp_path / "chancy.toml"
            file.write_text(code)
            Chancy("postgresql://", config=file, discover=True)


@each_readme
def test_a_name_of_a_readme_was_not_there(page: Path) -> None:
    """Its Python can be read, and what it takes from us can be had."""
    for kind, code in FENCED.findall(page.read_text()):
        tree = compile(code if kind == "python" else "", page.parent.name, "exec", AST, dont_inherit=True)
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module.startswith("chancy"):
                module = importlib.import_module(node.module)
                assert [one.name for one in node.names if not hasattr(module, one.name)] == []


async def test_a_query_of_a_readme_named_a_column_that_is_none(
    dsn: str, schema: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each runs on a schema with the plugins' tables, and the template's."""
    history = pytest.importorskip("chancy_history", reason="needs chancy-history")
    monkeypatch.syspath_prepend(TEMPLATE.parent / "src")
    plugins = [history.History(), importlib.import_module("acme_chancy").Failures()]
    shown = [block for page in READMES for block in FENCED.findall(page.read_text())]
    queries = [query for kind, code in shown if kind in QUERIES for query in QUERIES[kind].findall(code)]
    assert len(queries) > 1
    async with Chancy(dsn, schema=schema, discover=False, plugins=plugins) as chancy:
        await chancy.migrate()
        async with chancy.pool.connection() as connection:
            for query in queries:
                await connection.execute(query.replace("chancy.", f'"{schema}".').encode())
