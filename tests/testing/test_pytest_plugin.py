"""The pytest plugin that loads by itself: its fixtures, however coroutines are run, and what it costs others."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap

import pytest

from chancy_core.testing import pytest_plugin

# Without any option: what an application has that installed Chancy, pytest and a plugin for coroutines.
APPLICATION = """
    import drained_jobs
    import pytest

    SEEN = []

    @pytest.fixture
    def anyio_backend():
        return "asyncio"

    @pytest.mark.parametrize("n", range(3))
    def test_plainly(chancy_app, chancy_jobs, n):
        chancy_jobs.refute_pushed()
        chancy_app.sync_push(drained_jobs.add.job.with_kwargs(a=n, b=n))
        assert chancy_jobs.drain().succeeded == 1
        chancy_jobs.assert_pushed(drained_jobs.add, state="succeeded", count=1)

    @pytest.mark.asyncio
    async def test_with_pytest_asyncio(chancy_app, chancy_async_jobs):
        async with chancy_async_jobs as jobs:
            await chancy_app.push(drained_jobs.count_down_later.job.with_kwargs(n=1))
            assert (await jobs.drain()).succeeded == 2

    @pytest.mark.anyio
    async def test_with_anyio(chancy_app, chancy_async_jobs):
        async with chancy_async_jobs as jobs:
            await chancy_app.push(drained_jobs.count_down_later.job.with_kwargs(n=1))
            assert (await jobs.drain()).succeeded == 2
"""
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


def test_an_application_had_to_write_its_own_fixtures(tmp_path, dsn):
    """In parallel processes, with pytest-asyncio as it is by default (strict) and with anyio."""
    done = run_pytest(tmp_path, APPLICATION, dsn, "-n", "2")
    assert "5 passed" in done.stdout, done.stdout + done.stderr


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
