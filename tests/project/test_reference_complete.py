"""Whatever has a name has its place in the reference: events, errors, metrics, settings and commands of plugins."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import click
import pytest
from docpages import ROOT

from chancy_core.cli.group import chancy as command
from chancy_core.plugins.base import Plugin

REFERENCE = ROOT / "docs/reference"
LEVELS = {"debug", "info", "warning", "error"}
SOURCES = [
    file
    for folder in (ROOT / "chancy_core", *sorted((ROOT / "plugins").glob("*/src")))
    for file in sorted(folder.rglob("*.py"))
]
PLUGINS = sorted(folder.parents[2] for folder in (ROOT / "plugins").glob("*/src/*/plugin.py"))


def rows(page: str) -> set[str]:
    """The names at the beginning of a page's rows and headings."""
    return set(re.findall(r"^(?:\| |#+ )`([\w.]+)", (REFERENCE / page).read_text(), re.MULTILINE))


@cache
def events() -> dict[str, str]:
    """Each event that the code writes, as a pattern, and where: a name that is put together stands for several."""
    found = {}
    for file in SOURCES:
        text = file.read_text()
        if "log." not in text:
            continue
        tree = ast.parse(text)
        for call in ast.walk(tree):
            if _writes(call):
                found.update((name, f"{file}:{call.lineno}") for name in _names(call, tree))
    return found


def _writes(node: ast.AST) -> bool:
    """Whether a call writes an event."""
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute) or not node.args:
        return False
    return node.func.attr in LEVELS and isinstance(node.func.value, ast.Name) and node.func.value.id == "log"


def _names(call: ast.Call, tree: ast.Module) -> list[str]:
    """What an event is called; if it has the name of a variable, whatever name stands in that function."""
    first = call.args[0]
    if isinstance(first, ast.Constant):
        return [str(first.value)]
    if isinstance(first, ast.JoinedStr):
        return ["".join(str(part.value) if isinstance(part, ast.Constant) else r"\w+" for part in first.values)]
    around = max(
        (one for one in ast.walk(tree) if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef)),
        key=lambda one: one.lineno if one.lineno <= call.lineno <= one.end_lineno else 0,
    )
    texts = [str(node.value) for node in ast.walk(around) if isinstance(node, ast.Constant)]
    return [text for text in texts if re.fullmatch(r"[a-z]+(_[a-z]+)+", text)]


def test_every_event_is_in_the_reference() -> None:
    """The page of events has a row for each that the kernel or a plugin writes."""
    told = rows("events.md")
    written = events()
    assert len(written) > 100
    missing = {name: where for name, where in written.items() if not any(re.fullmatch(name, row) for row in told)}
    assert not missing


def test_no_event_of_the_reference_is_gone() -> None:
    """Each row of the page of events has a name that is in the code."""
    text = "".join(file.read_text() for file in SOURCES)
    patterns = [name for name in events() if "\\" in name]
    rare = {row for row in rows("events.md") if f'"{row}"' not in text}
    assert {row for row in rare if not any(re.fullmatch(pattern, row) for pattern in patterns)} == set()


@pytest.mark.parametrize("module", ["chancy.errors", *(f"chancy_{plugin.name}" for plugin in PLUGINS)])
def test_every_error_is_in_the_reference(module: str) -> None:
    """The page of errors names each class that is raised on purpose."""
    found = import_module(module)
    values = ((name, getattr(found, name)) for name in found.__all__)
    errors = {name for name, value in values if isinstance(value, type) and issubclass(value, BaseException)}
    page = (REFERENCE / "errors.md").read_text()
    assert {name for name in errors if name not in rows("errors.md") and f"`{name}`" not in page} == set()


def test_every_metric_is_in_the_reference() -> None:
    """The page of metrics has a row for each number that is served."""
    sources = [ast.parse(file.read_text()) for file in (ROOT / "plugins/metrics/src").rglob("*.py")]
    texts = {node.value for tree in sources for node in ast.walk(tree) if isinstance(node, ast.Constant)}
    served = {str(text) for text in texts if re.fullmatch(r"chancy_(?!metrics)[a-z_]+", str(text))}
    told = {name.removesuffix("_total") for name in rows("metrics.md")}
    assert len(served) > 15
    assert {name for name in served if name not in told} == set()


def settings_of(plugin: Path) -> list[str]:
    """The settings of a plugin, which are the fields of its class."""
    module = import_module(f"chancy_{plugin.name}.plugin")
    classes = [value for value in vars(module).values() if isinstance(value, type) and issubclass(value, Plugin)]
    return [
        name
        for kind in classes
        if kind.__module__ == module.__name__
        for name in kind.__struct_fields__
        if name in kind.__annotations__
    ]


@pytest.mark.parametrize("plugin", PLUGINS, ids=lambda plugin: plugin.name)
def test_every_setting_of_a_plugin_is_in_its_readme(plugin: Path) -> None:
    """The README of a plugin names each of its settings."""
    text = (plugin / "README.md").read_text()
    shown = ("`{}`", "\n{} = ", f"[[plugins.{plugin.name}.{{}}]]")
    missing = [name for name in settings_of(plugin) if not any(form.format(name) in text for form in shown)]
    assert not missing


def commands(group: Any, before: str, context: click.Context) -> Iterator[str]:
    """Every command, with the words before it."""
    for name in group.list_commands(context):
        one = group.get_command(context, name)
        if isinstance(one, click.Group):
            yield from commands(one, f"{before} {name}", context)
        else:
            yield f"{before} {name}"


def test_every_command_of_a_plugin_is_in_the_documentation(monkeypatch: pytest.MonkeyPatch) -> None:
    """A README or a page of the reference shows each command."""
    monkeypatch.setenv("CHANCY_DISCOVER", "true")
    pages = [*(ROOT / "plugins").glob("*/README.md"), *REFERENCE.glob("*.md")]
    text = "".join(page.read_text() for page in pages)
    found = list(commands(command, "chancy", click.Context(command)))
    assert len(found) > 30
    assert [one for one in found if one not in text] == []
