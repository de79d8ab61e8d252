"""The watcher: waits until the last user of a server is gone, then stops the server.

Runs as a script of its own, detached, in `python -I -S`: it may import nothing but the standard
library, and little of that. What it knows of a running server, the rest of the room imports.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time

if sys.platform != "win32":
    import fcntl

# A server that only ever complains must not fill the disk.
_LARGEST_LOG_BYTES = 8_000_000
_LOG_CHECK_S = 300
# A fast shutdown writes a checkpoint. If that does not end, a hard stop; the next start recovers.
_SIGNALS_AND_PATIENCE_S = (
    (signal.SIGINT, 60.0),
    (getattr(signal, "SIGQUIT", signal.SIGTERM), 60.0),
)
_POLL_S = 0.02
# Of postmaster.pid: first the process id, fifth the directory of its socket, last its state.
_LINES = 8


def postmaster(data: str) -> int | None:
    """The process id of the server on that data directory.

    None when there is no pid file, or a damaged one, or one that names a process that is something
    else by now: a pid file outlives its server, and process ids are used again.
    """
    lines = _pid_file(data)
    if not lines or not lines[0].isdecimal():
        return None
    pid = int(lines[0])
    return pid if f"/postgres -D {data} " in _command_line(pid) else None


def sockets_when_ready(data: str) -> str | None:
    """The directory of its socket if a server on that data directory takes connections."""
    lines = _pid_file(data)
    if len(lines) < _LINES or lines[_LINES - 1] != "ready" or postmaster(data) is None:
        return None
    return lines[4]


def _pid_file(data: str) -> list[str]:
    try:
        with open(f"{data}/postmaster.pid", encoding="utf-8", errors="surrogateescape") as file:  # noqa: PTH123
            return [line.strip() for line in file]
    except OSError:
        return []


def _command_line(pid: int) -> str:
    if sys.platform == "linux":
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:  # noqa: PTH123
                return os.fsdecode(file.read().replace(b"\0", b" "))
        except OSError:
            return ""
    import subprocess  # noqa: PLC0415 -- slow to import, and Linux does without

    command = ["/bin/ps", "-ww", "-o", "command=", "-p", str(pid)]
    done = subprocess.run(command, capture_output=True, check=False)  # noqa: S603
    return os.fsdecode(done.stdout).replace("\n", " ")


def is_locked(path: str) -> bool:
    """Whether some process holds a lock on that file."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def trim_log(path: str) -> None:
    """Empty a log that has grown too large. Its writers append, so they go on at its start."""
    if os.path.exists(path) and os.path.getsize(path) > _LARGEST_LOG_BYTES:  # noqa: PTH110, PTH202
        os.truncate(path, 0)


def stop(directory: str) -> None:
    """Stop the server, and return when no process of it is left, or patience is."""
    for number, patience_s in _SIGNALS_AND_PATIENCE_S:
        sent = False
        deadline = time.monotonic() + patience_s
        while time.monotonic() < deadline:
            if not is_locked(f"{directory}/server.lock"):
                return
            # Just started, it has no pid file yet: look again until it has.
            server = None if sent else postmaster(f"{directory}/data")
            if server is not None:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(server, number)
                sent = True
            time.sleep(_POLL_S)


def wait_for_last_user(directory: str) -> int:
    """Return when nobody uses the server, with the descriptor of the lock that keeps it so."""
    users = os.open(f"{directory}/users.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    start = os.open(f"{directory}/start.lock", os.O_RDWR | os.O_CLOEXEC)
    while True:
        fcntl.flock(users, fcntl.LOCK_EX)
        fcntl.flock(users, fcntl.LOCK_UN)
        # Newcomers take the start lock first and then the users lock. So does the watcher: the
        # other way round, the two would wait for each other for ever.
        fcntl.flock(start, fcntl.LOCK_EX)
        try:
            fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            fcntl.flock(start, fcntl.LOCK_UN)
        else:
            return start


def main(directory: str, sockets: str, own_lock: int) -> None:
    """Watch until the last user is gone, and stop the server.

    Args:
        directory: The directory of the server.
        sockets: Its socket directory, removed at the end.
        own_lock: The descriptor that holds the watcher's lock, inherited from who started it.
    """
    os.pwrite(own_lock, b"%d\n" % os.getpid(), 0)
    signal.signal(signal.SIGALRM, lambda *_: trim_log(f"{directory}/server.log"))
    signal.setitimer(signal.ITIMER_REAL, _LOG_CHECK_S, _LOG_CHECK_S)
    start = wait_for_last_user(directory)
    try:
        stop(directory)
        with contextlib.suppress(OSError):
            os.rmdir(sockets)  # noqa: PTH106
    finally:
        # In this order: who has the start lock and finds the watcher's held, starts no watcher.
        os.close(own_lock)
        os.close(start)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
