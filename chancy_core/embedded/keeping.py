"""Keeping the embedded server running by hand, looking at it, and stopping it."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from pathlib import Path
from typing import Final, NamedTuple

from chancy_core.embedded import cluster, home, keeper, locks, processes, programs, server, watcher
from chancy_core.embedded.home import Home
from chancy_core.embedded.refusal import unavailable
from chancy_core.errors import EmbeddedUnavailable

# Python starts in 20 ms, and a fast shutdown takes a second; a machine that needs longer is overloaded, not broken.
KEEPER_WITHIN_S: Final = 30.0
STOPS_WITHIN_S: Final = 130.0
# How long the last user but the keeper may take to be gone, before it counts as one that stays.
LEAVES_WITHIN_S: Final = 1.0
_POLL_S: Final = 0.02


class Look(NamedTuple):
    """How the embedded server is.

    Attributes:
        directory: where it lives, or would.
        version: of the installed PostgreSQL.
        made: whether there are data.
        running: whether it runs.
        kept: whether it goes on when nobody uses it.
        pid: its process; None: it does not run, or is not ready.
        dsn: connects to it; None: it does not run, or is not ready.
        log: what it has to say.
    """

    directory: Path
    version: str
    made: bool
    running: bool
    kept: bool
    pid: int | None
    dsn: str | None
    log: Path


def look(directory: Path | None = None) -> Look:
    """How the server is; starts nothing, and makes nothing.

    Raises:
        EmbeddedUnavailable: it is not installed, or its directory is none of ours.
    """
    found = programs.installed()
    path = (directory or home.default(found.major)).expanduser().resolve()
    if not (path / "start.lock").exists():
        return Look(path, found.version, False, False, False, None, None, path / "server.log")
    place = home.prepare(path)
    running = watcher.is_locked(str(place.server_lock))
    sockets = watcher.sockets_when_ready(str(place.data)) if running else None
    return Look(
        place.path,
        found.version,
        place.data.exists(),
        running,
        _is_kept(place),
        watcher.postmaster(str(place.data)) if running else None,
        None if sockets is None else cluster.dsn(place, Path(sockets)),
        place.log,
    )


def keep(directory: Path | None = None) -> tuple[server.EmbeddedServer, bool]:
    """Start the server unless it runs, and see to it that it goes on when nobody uses it.

    Returns:
        A share of it, which is to be closed, and whether it was kept already.

    Raises:
        EmbeddedUnavailable: it is not installed, or cannot run here.
    """
    share = server.acquire(directory)
    try:
        place = home.prepare(share.directory)
        with locks.exclusive(place.start_lock):
            lock = locks.try_exclusive(place.keeper_lock)
            if lock is None:
                return share, True
            with lock:
                os.ftruncate(lock.fileno(), 0)
                script = [sys.executable, "-I", "-S", keeper.__file__, str(place.path), str(lock.fileno())]
                processes.detach(script, place, lock, place.owner)
        _wait_for_keeper(place)
    except BaseException:
        share.close()
        raise
    return share, False


def stop(directory: Path | None = None, *, force: bool = False) -> bool:
    """Do not keep the server any longer, and wait until it has stopped, unless others use it.

    Args:
        directory: where it lives.
        force: stop it although others use it.

    Returns:
        Whether it has stopped; if not, others use it, and it stops when they have ended.
    """
    found = look(directory)
    if not found.running and not found.kept:
        return True
    place = home.prepare(found.directory)
    _end_keeper(place)
    if force:
        # With this lock nobody starts it anew meanwhile.
        with locks.exclusive(place.start_lock):
            watcher.stop(str(place.path))
        return not watcher.is_locked(str(place.server_lock))
    patience_s = LEAVES_WITHIN_S
    deadline = time.monotonic() + STOPS_WITHIN_S
    began = time.monotonic()
    while watcher.is_locked(str(place.server_lock)) and time.monotonic() < deadline:
        if time.monotonic() - began > patience_s and _is_used(place):
            return False
        time.sleep(_POLL_S)
    return not watcher.is_locked(str(place.server_lock))


def _is_used(place: Home) -> bool:
    # The watcher asks in the same order: whoever comes new takes the start lock first.
    with locks.exclusive(place.start_lock):
        lock = locks.try_exclusive(place.users_lock)
        if lock is None:
            return True
        lock.close()
    return False


def _is_kept(place: Home) -> bool:
    return place.keeper_lock.exists() and watcher.is_locked(str(place.keeper_lock))


def _wait_for_keeper(place: Home) -> None:
    deadline = time.monotonic() + KEEPER_WITHIN_S
    while not _keeper_pid(place):
        if time.monotonic() > deadline or not _is_kept(place):
            raise unavailable(f"the process that keeps it does not start with {sys.executable}. See {place.log}.")
        time.sleep(_POLL_S)


def _end_keeper(place: Home) -> None:
    deadline = time.monotonic() + KEEPER_WITHIN_S
    while _is_kept(place):
        pid = _keeper_pid(place)
        if pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
        if time.monotonic() > deadline:
            raise EmbeddedUnavailable(f"Process {pid} keeps the server in {place.path}, and does not end.")
        time.sleep(_POLL_S)


def _keeper_pid(place: Home) -> int:
    """The process id that the keeper has written down; 0: it has not yet."""
    text = place.keeper_lock.read_text().strip()
    return int(text) if text.isdecimal() else 0
