"""The embedded PostgreSQL: what it serves, and to how many at once."""

from __future__ import annotations

import contextlib
import os

import pytest
from servers_at_home import (
    HOLD,
    is_stopped,
    postmaster,
    process,
    query,
    wait_until,
    watcher_pid,
)
from support import captured_events

from chancy_core.embedded import acquire


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
