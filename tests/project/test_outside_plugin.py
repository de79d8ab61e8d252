"""A plugin that somebody writes outside this workspace, with nothing but the documentation, works.

Its files are those of `docs/how-to/write-a-plugin.md`, word for word, installed where the workspace is not.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from test_public import PUBLIC, imports_of

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/how-to/write-a-plugin.md"
FILES = dict(re.findall(r'^```\w+ title="([^"]+)"\n(.*?)^```', PAGE.read_text(), re.DOTALL | re.MULTILINE))
ENDS_WITHIN_S = 300

# What happens when somebody works with it: jobs that end well, badly, badly in another queue, without a network, and
# before they could begin. Without the plugin, the one without a network would wait an hour for its second attempt.
PROGRAM = """
import asyncio
from chancy import Backoff, Chancy, Job, Queue, Worker

BAD = Job(func="builtins.int", kwargs={"base": 8})

async def main():
    async with Chancy() as chancy:
        await chancy.declare(Queue("mail"))
        await chancy.declare(Queue("closed", tags=["nobody"]))
        closed = await chancy.push("closed", Job(func="app.report"))
        await closed.cancel(reason="not needed")
        async with Worker(chancy):
            alone = Job(func="shop.pay", max_attempts=2, backoff=Backoff.fixed(3600))
            jobs = [Job(func="builtins.dict"), BAD, BAD.with_queue("mail"), alone]
            found = await chancy.wait_for_jobs(await chancy.push_many(jobs), timeout=120)
            print(*(job.state for job in found))

asyncio.run(main())
"""
SHOP = """
def pay():
    raise ConnectionRefusedError("nobody is there")
"""


class Outside:
    """A folder with the author's files, and another in which the distribution is installed."""

    def __init__(self, folder: Path, dsn: str, schema: str) -> None:
        self.source, self.site, self.work = (folder / name for name in ("acme-audit", "site", "work"))
        self.site.mkdir()
        self.work.mkdir()
        self._environment = {
            **os.environ,
            "CHANCY_DSN": dsn,
            "CHANCY_SCHEMA": schema,
            "CHANCY_DISCOVER": "true",
            "PYTHONPATH": str(self.site),
            "COLUMNS": "200",
        }

    def write(self) -> None:
        """The files of the page."""
        for name, text in FILES.items():
            path = (self.work if name == "chancy.toml" else self.source) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    def install(self) -> None:
        """What `pip install ./acme-audit` leaves, without asking for a build backend that may not be there."""
        project = tomllib.loads((self.source / "pyproject.toml").read_text())["project"]
        about = self.site / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
        about.mkdir()
        (about / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
        )
        points = "".join(f"{name} = {value}\n" for name, value in project["entry-points"]["chancy"].items())
        (about / "entry_points.txt").write_text(f"[chancy]\n{points}")
        for path in (self.source / "src").rglob("*"):
            if path.is_file():
                target = self.site / path.relative_to(self.source / "src")
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(path.read_bytes())

    def python(self, *arguments: str, folder: Path | None = None, code: int = 0, **environment: str) -> str:
        """Runs Python in the folder of work; returns what it said."""
        done = subprocess.run(
            [sys.executable, *arguments],
            env={**self._environment, **environment},
            cwd=folder or self.work,
            capture_output=True,
            text=True,
            timeout=ENDS_WITHIN_S,
            check=False,
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    def chancy(self, *arguments: str, code: int = 0) -> str:
        """Runs the command."""
        return self.python("-m", "chancy_core.cli", *arguments, code=code)


@pytest.fixture
def outside(tmp_path: Path, dsn: str, schema: str) -> Outside:
    """The plugin, written and installed."""
    made = Outside(tmp_path, dsn, schema)
    made.write()
    made.install()
    return made


def test_it_keeps_what_did_not_end_well_and_shows_it(outside: Outside) -> None:
    """Its table is made, its settings count, its hooks are called, and its command reads what they wrote."""
    (outside.work / "shop.py").write_text(SHOP)
    (outside.work / "chancy.toml").write_text(FILES["chancy.toml"] + "network_wait_s = 0.01\n")
    assert re.search(r"audit.*1", outside.chancy("migrate"))
    (row,) = re.findall(r"^.*acme-audit 1\.0.*$", outside.chancy("plugins"), re.MULTILINE)
    assert set(row.split()) >= {
        "audit",
        "on_end",
        "on_failure",
        "on_tick",
        "on_open",
        "migrations",
        "commands",
        "3600",
    }
    # A worker that has the plugin is started once; from then on it hears of every end.
    outside.python("-c", PROGRAM)
    assert "succeeded failed failed failed\n" in outside.python("-c", PROGRAM)
    told = outside.chancy("audit").splitlines()
    assert len([line for line in told if line.startswith("builtins.int failed (run): ")]) == 2
    assert told.count("shop.pay failed (run): nobody is there") == 2
    assert not [line for line in told if "builtins.dict" in line]
    assert outside.chancy("audit", "--func", "builtins.dict") == ""
    assert "What did not end well, the latest first." in outside.chancy("--help")


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("keep_days = 0", "plugins.audit: keep_days is 0: give a whole number from 1 to 3,650."),
        ('keep_days = "7"', "plugins.audit.keep_days is '7': give a whole number."),
        ("keep_dais = 7", "plugins.audit.keep_dais is unknown. Did you mean 'keep_days'?"),
        ("interval = 1e-9", "plugins.audit: interval is 1e-09: give seconds from 0.01 to"),
    ],
)
def test_a_wrong_setting_is_told_where_it_stands(outside: Outside, line: str, told: str) -> None:
    """By the command line, with the file and the key."""
    (outside.work / "chancy.toml").write_text(f"[plugins.audit]\n{line}\n")
    said = outside.chancy("migrate", code=1)
    assert f"{outside.work / 'chancy.toml'}: {told}" in said


def test_its_own_tests_pass(outside: Outside) -> None:
    """With the fixtures of `chancy.testing`, in its own folder."""
    said = outside.python(
        "-m", "pytest", "-q", "-p", "no:cacheprovider", folder=outside.source, CHANCY_DISCOVER="false"
    )
    assert "4 passed" in said


def test_it_imports_nothing_that_is_not_public(outside: Outside) -> None:
    """So that it works with the next release as well."""
    for file in outside.source.rglob("*.py"):
        assert {module for module, _ in imports_of(file)} <= set(PUBLIC)
