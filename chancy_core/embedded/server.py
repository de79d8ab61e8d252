"""What a process holds of the embedded server: a share. The server runs as long as there is one."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from chancy_core.embedded import cluster, home, locks, processes, programs
from chancy_core.embedded.home import Home
from chancy_core.embedded.locks import FileLock
from chancy_core.embedded.refusal import unavailable
from chancy_core.errors import EmbeddedUnavailable
from chancy_core.log import log


@dataclass(frozen=True, eq=False)
class EmbeddedServer:
    """A share of a running private PostgreSQL. For development and tests, not for production.

    The server stops a moment after the last share is closed, or the last process with one has died,
    in whichever way. A forked child has no share: it can use the server as long as its parent has
    one, or acquire its own.

    Attributes:
        dsn: Connects to it over its private socket. Only the user that started it and root may.
        version: The version of the installed PostgreSQL, such as "18.6".
        directory: Where all of it is kept: the data, the log, the locks.
        log_path: What the server has to say. Emptied when it grows large.
    """

    dsn: str
    version: str
    directory: Path
    log_path: Path
    _home: Home = field(repr=False)
    _share: FileLock = field(repr=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the share back. Does not wait for the server to stop. Twice is as good as once."""
        if not self._share.is_open:
            return
        # Somebody may have killed the watcher, or removed the directory.
        with contextlib.suppress(OSError, subprocess.SubprocessError):
            processes.ensure_watcher(self._home)
        self._share.release()


def acquire(directory: Path | None = None) -> EmbeddedServer:
    """Start the private PostgreSQL of this user, or attach to the running one. Not for production.

    Blocks: about a second the first time, a fraction of one to start it again, milliseconds to
    attach. Every call gets a share of its own, which ends with `close()` or with the process.

    Args:
        directory: Where it lives, closed to other users. Absent: `CHANCY_EMBEDDED_DIR`, else a
            folder per major version in the user's state directory.

    Raises:
        EmbeddedUnavailable: It is not installed, or cannot run here: why, and what to do instead.
    """
    if sys.platform == "win32":
        raise unavailable("it runs on Linux and macOS only.")
    began = time.monotonic()
    try:
        found = programs.installed()
        place = home.prepare(directory or home.default(found.major))
        with locks.exclusive(place.start_lock):
            share, sockets, started = _share_of_running(place, found)
    except EmbeddedUnavailable:
        raise
    except (OSError, subprocess.SubprocessError) as error:
        raise unavailable(f"{error}.") from error
    server = EmbeddedServer(
        dsn=cluster.dsn(place, sockets),
        version=found.version,
        directory=place.path,
        log_path=place.log,
        _home=place,
        _share=share,
    )
    _report(server, started=started, duration_s=time.monotonic() - began)
    return server


def _share_of_running(place: Home, found: programs.Programs) -> tuple[FileLock, Path, bool]:
    share = locks.shared(place.users_lock)
    try:
        # Before the server: if this process is killed now, somebody is there to stop it.
        processes.ensure_watcher(place)
        sockets, started = cluster.ensure_running(place, found)
        processes.wait_for_watcher(place)
    except BaseException:
        share.release()
        raise
    return share, sockets, started


def _report(server: EmbeddedServer, *, started: bool, duration_s: float) -> None:
    fields = {
        "directory": str(server.directory),
        "version": server.version,
        "duration_s": round(duration_s, 3),
    }
    if started:
        note = "for development and tests, not for production"
        log.info("embedded_postgres_started", **fields, log_path=str(server.log_path), note=note)
    else:
        log.debug("embedded_postgres_attached", **fields)
