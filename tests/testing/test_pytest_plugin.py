"""The pytest plugin that loads by itself, and what it costs others. The tutorial about tests uses its fixtures."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap

import drained_jobs
import psycopg
import pytest

from chancy.testing import Jobs
from chancy_core.testing import pytest_plugin
from chancy_core.testing.home import Home

NOTHING = """
    import sys

    def test_nothing_of_chancy_is_there():
        ours = ("chancy", "chancy_core", "psycopg", "msgspec")
        mine = {name for name in sys.modules if name.partition(".")[0] in ours}
        assert mine == {"chancy_core", "chancy_core.testing", "chancy_core.testing.pytest_plugin"}
"""


def run_pytest(folder, text, dsn, *options):
    (folder / "test_application.py").write_text(textwrap.dedent(text))
    (folder / "pytest.ini").write_text("[pytest]\n")
    environment = {**os.environ, "CHANCY_TEST_DSN": dsn, "CHANCY_DISCOVER": "false"}
    environment["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options],
        cwd=folder, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_whoever_did_not_use_it_paid_for_it(tmp_path, dsn):
    """One small file is imported, and nothing else of Chancy."""
    done = run_pytest(tmp_path, NOTHING, dsn, "-p", "no:xdist")
    assert "1 passed" in done.stdout, done.stdout + done.stderr


def test_the_fixtures_took_names_that_others_use():
    """All of them begin with the name of the distribution, and none is used by itself."""
    names = [
        name
        for name, value in vars(pytest_plugin).items()
        if isinstance(value, type(pytest.fixture(lambda: None))) and not name.startswith("_")
    ]
    assert names
    assert all(name.startswith("chancy_") for name in names)


def test_a_test_found_what_another_had_committed(dsn):
    """The schema stays for the next test while it is clean, and is replaced if it is not."""
    home = Home(dsn)
    first = home.chancy()
    with Jobs(first) as jobs:
        first.sync_push(drained_jobs.add.job.with_kwargs(a=1, b=1))
        jobs.drain()
    home.tidy()
    assert home.chancy() is first
    first.sync_push(drained_jobs.add.job.with_kwargs(a=1, b=1))
    home.tidy()
    second = home.chancy()
    assert second.settings.schema != first.settings.schema
    second.sync_pause_queue("default")
    home.tidy()
    assert home.chancy() is not second
    home.end()
    with psycopg.connect(dsn) as connection:
        schemas = [first.settings.schema, second.settings.schema]
        assert connection.execute("SELECT FROM pg_namespace WHERE nspname = ANY (%s)", [schemas]).rowcount == 0
