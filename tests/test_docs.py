"""What the documentation shows works, and what it lists is complete."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from chancy_core.config.settings import NAMES
from chancy_core.plugins.check import SPECS

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
PROGRAM = re.compile(r'^```python title="run"\n(.*?)^```', re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\]\((?!https?:|#)([^)#]+)")


def programs() -> list[Any]:
    """Every complete program in the documentation."""
    return [
        pytest.param(program, id=f"{page.relative_to(ROOT)}-{number}")
        for page in PAGES
        for number, program in enumerate(PROGRAM.findall(page.read_text()), 1)
    ]


@pytest.mark.parametrize("program", programs())
def test_every_complete_program_runs(
    program: str, dsn: str, schema: str, tmp_path: Path, new_chancy: Callable[..., Any]
) -> None:
    """A program that the documentation shows as complete runs as it stands."""
    file = tmp_path / "example.py"
    file.write_text(program)
    environment = {**os.environ, "CHANCY_DSN": dsn, "CHANCY_SCHEMA": schema, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, file], env=environment, capture_output=True, text=True, timeout=60, cwd=tmp_path, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr


def test_there_are_programs() -> None:
    """The test above has something to run: the README begins with one."""
    assert any("README" in str(param.id) for param in programs())


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    """Every relative link in the documentation names a file that exists."""
    for target in LINK.findall(page.read_text()):
        assert (page.parent / target).exists(), target


def test_every_setting_is_documented() -> None:
    """The page of settings names each of them."""
    page = (ROOT / "docs/reference/settings.md").read_text()
    missing = [name for name, (_, key) in NAMES.items() if f"`{key}`" not in page]
    assert not missing


def test_every_hook_is_documented() -> None:
    """The page of hooks has a heading for each, with its arguments."""
    page = (ROOT / "docs/reference/plugins.md").read_text()
    for name, spec in SPECS.items():
        arguments = ", ".join(spec.__code__.co_varnames[: spec.__code__.co_argcount])
        assert f"### `{name}({arguments})`" in page
