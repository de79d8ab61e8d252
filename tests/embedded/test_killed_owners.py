"""The embedded PostgreSQL: what it survives."""

from __future__ import annotations

import os
import signal
import subprocess
import threading

import pytest
from servers_at_home import (
    HOLD,
    IS_ROOT,
    QUIET,
    is_stopped,
    postmaster,
    process,
    query,
    wait_until,
    watcher_pid,
)

from chancy_core.embedded import acquire, home, programs, watcher
from chancy_core.errors import EmbeddedUnavailable


def kill_postmaster(directory):
    os.kill(postmaster(directory), signal.SIGKILL)
    # The signal takes effect a moment after it was sent; until then the server looks well.
    wait_until(lambda: postmaster(directory) is None)


def kill_watcher(directory):
    os.kill(watcher_pid(directory), signal.SIGKILL)
    wait_until(lambda: not watcher.is_locked(str(directory / "watcher.lock")))


def is_alive(process):
    return process.poll() is None


def sleeper(**options):
    return subprocess.Popen(["/bin/sleep", "600"], **options)


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
