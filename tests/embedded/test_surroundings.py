"""The embedded PostgreSQL: whatever the environment and the directory are."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path

import pytest
from servers_at_home import (
    HOLD,
    IS_ROOT,
    is_stopped,
    needs_root,
    process,
    query,
    wait_until,
)

from chancy_core.embedded import accounts, acquire, home, programs
from chancy_core.errors import EmbeddedUnavailable


def test_pg_variables_do_not_matter(directory, monkeypatch):
    """Variables that mean another server reach neither this server nor connections to it."""
    for name, value in {
        "PGDATA": "/nonexistent",
        "PGHOST": "/nonexistent",
        "PGHOSTADDR": "192.0.2.1",
        "PGPORT": "1",
        "PGUSER": "stranger",
        "PGDATABASE": "elsewhere",
        "PGPASSWORD": "wrong",
        "PGPASSFILE": "/nonexistent",
        "PGOPTIONS": "-c nonsense=1",
        "PGCLIENTENCODING": "LATIN1",
        "PGSSLMODE": "verify-full",
        "PGGSSENCMODE": "require",
        "PGCHANNELBINDING": "require",
        "PGREQUIREPEER": "stranger",
        "PGTARGETSESSIONATTRS": "standby",
    }.items():
        monkeypatch.setenv(name, value)
    with acquire(directory) as server:
        found = query(server.dsn, "SELECT current_user::text, current_database()::text")
    assert found == [("chancy", "postgres")]


def programs_are_closed(directory: Path) -> bool:
    """Whether the user that root's server runs as cannot reach the installed programs, so that they are copied."""
    account = home.prepare(directory / "probe").account
    return accounts.first_closed(programs.installed().path("postgres").parents, account) is not None


@pytest.mark.parametrize("name", ["with spaces", 'it\'s "quoted" \\', "a,b", "ünïcødé", "/".join(["long" * 10] * 5)])
def test_path(folder, name):
    """Any path will do; one that no socket or DSN can hold gets a private socket directory."""
    if '"' in name and programs_are_closed(folder):
        pytest.skip("initdb does not find the programs that were copied to such a path")
    with acquire(folder / name) as server:
        assert query(server.dsn, "SELECT 1") == [(1,)]
        (sockets,) = query(server.dsn, "SHOW unix_socket_directories")[0]
        assert Path(sockets.strip('"')).stat().st_mode & 0o777 == 0o700
    wait_until(lambda: is_stopped(folder / name))
    assert not Path(sockets.strip('"')).exists()


def test_directory_behind_a_symbolic_link(folder):
    """By a link or by its name, it is the same directory and the same server."""
    (folder / "real").mkdir()
    (folder / "link").symlink_to("real")
    with acquire(folder / "link") as one, acquire(folder / "real") as other:
        assert one.directory == folder / "real"
        assert one.dsn == other.dsn


@pytest.mark.parametrize("umask", [0o000, 0o077])
def test_umask(folder, umask):
    """Whatever the umask is, the server starts, and nobody else gets in."""
    directory = folder / "made" / "pg"
    with process(HOLD, directory, umask=umask) as child:
        dsn = child.stdout.readline()
        assert query(dsn, "SELECT 1") == [(1,)]
        assert directory.stat().st_mode & 0o777 == (0o710 if IS_ROOT else 0o700)
        assert not directory.parent.stat().st_mode & 0o022
        for each in directory.iterdir():
            # A copy of the programs has no secrets.
            assert each.name.startswith("programs-") or not each.stat().st_mode & 0o007, each
    wait_until(lambda: is_stopped(directory))


def test_squatted_socket_directory(folder):
    """A link or an open folder of that name in /tmp is refused, never followed."""
    directory = folder / ("long" * 30)
    sockets = home.prepare(directory).sockets
    try:
        sockets.symlink_to(folder)
        with pytest.raises(EmbeddedUnavailable, match="not a private folder"):
            acquire(directory)
        wait_until(lambda: is_stopped(directory))
        sockets.unlink()
        sockets.mkdir()
        sockets.chmod(0o777)
        with pytest.raises(EmbeddedUnavailable, match="not a private folder"):
            acquire(directory)
    finally:
        with contextlib.suppress(FileNotFoundError):
            sockets.rmdir()


def test_directory_is_a_file(folder):
    """A file in the way is an error that names it."""
    (folder / "file").touch()
    for path in (folder / "file", folder / "file" / "below"):
        with pytest.raises(EmbeddedUnavailable, match="file"):
            acquire(path)


def test_directory_full_of_other_things(folder):
    """A directory that Chancy did not make is refused and left as it is."""
    (folder / "thesis.tex").touch()
    with pytest.raises(EmbeddedUnavailable, match="not empty"):
        acquire(folder)
    assert [each.name for each in folder.iterdir()] == ["thesis.tex"]
    assert folder.stat().st_mode & 0o777 == 0o755


def test_data_of_another_major_version(directory):
    """Data that this PostgreSQL cannot read are named, with both versions, and kept."""
    with acquire(directory):
        pass
    wait_until(lambda: is_stopped(directory))
    version = directory / "data" / "PG_VERSION"
    version.write_text("9\n")
    with pytest.raises(EmbeddedUnavailable, match=r"made by PostgreSQL 9, and 18 cannot"):
        acquire(directory)
    assert version.read_text() == "9\n"


def test_default_directory(folder, monkeypatch):
    """It is CHANCY_EMBEDDED_DIR, else the state directory, and one per major version."""
    monkeypatch.delenv("CHANCY_EMBEDDED_DIR", raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", str(folder))
    if sys.platform == "linux":
        assert home.default(18) == folder / "chancy" / "postgres-18"
    monkeypatch.setenv("CHANCY_EMBEDDED_DIR", str(folder / "named"))
    assert home.default(18) == folder / "named"


@needs_root
@pytest.mark.skipif(sys.platform != "linux", reason="the place is another one there")
def test_default_directory_of_root(folder, monkeypatch):
    """Where root's state directory is closed to the user of root's server, it is /var/lib."""
    folder.chmod(0o700)
    monkeypatch.delenv("CHANCY_EMBEDDED_DIR", raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", str(folder))
    assert home.default(18) == Path("/var/lib/chancy/postgres-18")
