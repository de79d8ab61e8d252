"""The tutorial about tests: its examples are tests, and pass."""

from __future__ import annotations

import os
import subprocess
import sys

from docpages import BLOCK, ROOT

PAGE = ROOT / "docs" / "tutorial" / "testing.md"


def test_the_page_showed_tests_that_fail(tmp_path, dsn, schema):
    """In parallel processes, with no option but that: with unittest, pytest-asyncio as it is by default, and anyio."""
    for _, name, _, code in BLOCK.findall(PAGE.read_text()):
        if name.endswith(".py"):
            (tmp_path / name).write_text(code)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CHANCY_")}
    environment |= {"CHANCY_TEST_DSN": dsn, "CHANCY_DSN": dsn, "CHANCY_SCHEMA": schema, "CHANCY_DISCOVER": "false"}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-n", "2", "-p", "no:cacheprovider"],
        cwd=tmp_path, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "8 passed" in done.stdout, done.stdout + done.stderr
    assert "warning" not in done.stdout.lower(), done.stdout
