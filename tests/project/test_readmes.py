"""The pages of the plugins, which are their pages on an index as well: what they show is so."""

from __future__ import annotations

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
TYPED = re.compile(r"^(?:\$ )?chancy ([^#&>\n]*)", re.MULTILINE)

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
