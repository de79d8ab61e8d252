"""PostgreSQL clusters of the suite's own: by TCP, with settings, standbys, and rough ends."""

from __future__ import annotations

import os
import random
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

import psycopg
from psycopg.conninfo import make_conninfo

from chancy_core.embedded import accounts, programs
from chancy_core.embedded.home import Home
from chancy_core.errors import EmbeddedUnavailable

STARTS_WITHIN_S = 60.0
USER = "chancy"
# Fault after fault is about PostgreSQL's answers, and not about the disk of the machine.
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "fsync": "off",
    "max_connections": "100",
    "shared_buffers": "32MB",
    "dynamic_shared_memory_type": "mmap",
    "wal_level": "replica",
    "max_wal_senders": "8",
    "hot_standby": "on",
    "autovacuum_naptime": "5s",
    "log_line_prefix": "%m [%p] %q%a ",
    "lc_messages": "C",
    "timezone": "UTC",
}


class Skipped(Exception):  # noqa: N818 -- it is no error
    """This machine lacks what a scenario needs; the text says what."""


def account(folder: Path) -> accounts.Account:
    """As whom a server runs: root's, as somebody else."""
    return accounts.for_server(accounts.current(), folder / "data")


def as_account(account: accounts.Account) -> dict[str, Any]:
    """Options for a process that runs as that account."""
    if account.uid == os.geteuid():
        return {}
    return {"user": account.uid, "group": account.gid, "extra_groups": ()}


def free_port() -> int:
    """A port that nothing uses, below those which the system gives to outgoing connections."""
    while True:
        port = random.randrange(20_000, 30_000)
        with suppress(OSError), socket.socket() as tried:
            tried.bind(("127.0.0.1", port))
            return port


def server_programs(folder: Path) -> Path:
    """PostgreSQL's programs, in a place where the server's account can run them.

    Raises:
        Skipped: they are not installed.
    """
    owner = accounts.current()
    home = Home(folder, owner, account(folder))
    try:
        return programs.runnable(programs.installed(), home).path("postgres").parent
    except EmbeddedUnavailable as error:
        raise Skipped(str(error).splitlines()[0]) from error


class Cluster:
    """One PostgreSQL, made, started, stopped and killed as a scenario wants.

    Args:
        folder: where it lives; the data may lie elsewhere.
        bin_folder: PostgreSQL's programs.
        settings: beside the usual ones.
        environ: variables that its processes get.
        prefix: nsenter and its options, if it runs on a host of its own; it is reached by a socket in its folder then.
    """

    def __init__(
        self,
        folder: Path,
        bin_folder: Path,
        settings: Mapping[str, str] | None = None,
        environ: Mapping[str, str] | None = None,
        prefix: Sequence[str] = (),
    ) -> None:
        self.folder = folder
        self._prefix = prefix
        self.data = folder / "data"
        self.log = folder / "server.log"
        self.port = free_port()
        self._bin = bin_folder
        self._settings = {**SETTINGS, "unix_socket_directories": str(folder) if prefix else "", **(settings or {})}
        self._environ = dict(environ or {})
        self.process: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True, exist_ok=True)
        self.account = account(folder)
        os.chown(folder, self.account.uid, self.account.gid)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    @property
    def pid(self) -> int:
        """Its first process, which lets new sessions in."""
        assert self.process is not None, "the server does not run"
        return self.process.pid

    def dsn(self, **changed: Any) -> str:
        """Connects to it, past every network."""
        given = {
            "host": str(self.folder) if self._prefix else "127.0.0.1",
            "port": self.port,
            "user": USER,
            "dbname": "postgres",
            "sslmode": "disable",
        }
        return make_conninfo("", **{**given, "gssencmode": "disable", **changed})

    # -- its life --------------------------------------------------------------------------

    def make(self, *options: str) -> Self:
        """Make the data, and start."""
        self._run(
            "initdb", "-D", str(self.data), "-U", USER, "--auth=trust", "--no-sync", "--no-instructions",
            "--encoding=UTF8", "--locale=C", *options,
        )  # fmt: skip
        with (self.data / "pg_hba.conf").open("a") as rules:
            rules.write(f"host replication {USER} 127.0.0.1/32 trust\n")
        return self.start()

    def make_standby(self, primary: Cluster, name: str = "standby", source: str | None = None) -> Self:
        """Copy a primary, and follow it by a DSN, its own by default."""
        self._run("pg_basebackup", "-D", str(self.data), "-d", primary.dsn(application_name=name), "-R", "--no-sync",
                  "-c", "fast")  # fmt: skip
        follows = make_conninfo(source or primary.dsn(), application_name=name)
        (self.data / "postgresql.auto.conf").write_text(f"primary_conninfo = '{follows}'\n")
        return self.start()

    def start(self) -> Self:
        """Start, and wait until it answers."""
        self.launch()
        deadline = time.monotonic() + STARTS_WITHIN_S
        while not self.answers():
            if self.process is None or self.process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"the server did not start: {self.tail()}")
            time.sleep(0.05)
        return self

    def launch(self) -> None:
        """Start, and wait for nothing."""
        options = [part for name, value in self._settings.items() for part in ("-c", f"{name}={value}")]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*self._on_host(), str(self._bin / "postgres"), "-D", str(self.data), "-p", str(self.port), *options],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/", start_new_session=True,
                env=self._environment(), **({} if self._prefix else as_account(self.account)),
            )  # fmt: skip

    def _on_host(self) -> list[str]:
        # Root enters the host, and becomes the server's account there.
        return [*self._prefix, f"-S{self.account.uid}", f"-G{self.account.gid}"] if self._prefix else []

    def answers(self) -> bool:
        """Whether it takes connections now."""
        try:
            with psycopg.connect(self.dsn(connect_timeout=2)):
                return True
        except psycopg.OperationalError:
            return False

    def stop(self, number: signal.Signals = signal.SIGINT) -> None:
        """Stop it: by SIGINT at once, in good order; by SIGQUIT without one."""
        if self.process is not None:
            self.process.send_signal(number)
            self.process.wait(STARTS_WITHIN_S)
            self.process = None

    def kill(self) -> None:
        """Kill every process of it, as a machine that loses power."""
        if self.process is None:
            return
        # The postmaster first, or it would begin to recover.
        every = [self.process.pid, *self.children()]
        for pid in every:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()
        self.process = None
        (self.data / "postmaster.pid").unlink(missing_ok=True)

    def signal_all(self, number: signal.Signals) -> None:
        """Send a signal to every process of it."""
        if self.process is not None:
            for pid in [self.process.pid, *self.children()]:
                with suppress(ProcessLookupError):
                    os.kill(pid, number)

    def children(self) -> list[int]:
        """The processes that the postmaster has started."""
        if self.process is None:
            return []
        found = []
        for status in Path("/proc").glob("[0-9]*/stat"):
            with suppress(OSError):
                if int(status.read_text().rpartition(")")[2].split()[1]) == self.process.pid:
                    found.append(int(status.parent.name))
        return found

    # -- what is asked of it ---------------------------------------------------------------

    def query(self, text: str, *parameters: object) -> list[tuple[Any, ...]]:
        """Run one statement on a connection of its own."""
        with psycopg.connect(self.dsn(connect_timeout=10), autocommit=True) as connection:
            cursor = connection.execute(text.encode(), parameters or None)
            return cursor.fetchall() if cursor.description else []

    def set(self, **settings: str) -> None:
        """Change settings of the running server."""
        with psycopg.connect(self.dsn(options="-c default_transaction_read_only=off"), autocommit=True) as connection:
            for name, value in settings.items():
                connection.execute(f"ALTER SYSTEM SET {name} = '{value}'".encode())
            connection.execute("SELECT pg_reload_conf()")

    def backends(self, application_name: str) -> list[int]:
        """The server processes of connections with that name."""
        return [row[0] for row in self.query(
            "SELECT pid FROM pg_stat_activity WHERE application_name = %s", application_name)]  # fmt: skip

    def tail(self) -> str:
        """The end of its log."""
        return self.log.read_text(errors="replace")[-2000:] if self.log.exists() else ""

    def _run(self, name: str, *arguments: str) -> None:
        done = subprocess.run(
            [str(self._bin / name), *arguments], capture_output=True, text=True, timeout=STARTS_WITHIN_S, cwd="/",
            check=False, env={**self._environment(), "LD_PRELOAD": ""}, **as_account(self.account),
        )  # fmt: skip
        if done.returncode:
            raise AssertionError(f"{name}: {done.stderr}")

    def _environment(self) -> dict[str, str]:
        return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", **self._environ}


def needs(*names: str) -> Callable[[], None]:
    """A check for programs that a scenario starts, which raises Skipped for the first that is missing."""

    def check() -> None:
        for name in names:
            if shutil.which(name, path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin") is None:
                raise Skipped(f"{name} is not installed")

    return check


def needs_root() -> None:
    """Raise Skipped for anybody else."""
    if os.geteuid():
        raise Skipped("only root may do this")
