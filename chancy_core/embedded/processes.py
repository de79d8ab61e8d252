"""Starting the programs of an embedded server, so that nothing of this process reaches them."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from chancy_core.embedded import watcher
from chancy_core.embedded.accounts import Account
from chancy_core.embedded.home import Home
from chancy_core.embedded.locks import FileLock, try_exclusive
from chancy_core.embedded.refusal import unavailable

# Where libraries are found, and how containers with made-up users give them a name. PG* stays out
# because it changes what the server does, and all else because the environment of root's server,
# with whatever secrets are in it, can be read by the user that runs it.
_KEPT_VARIABLES = ("LD_", "DYLD_", "NSS_WRAPPER_")
# What tests add to the environment of the servers that they start.
ADDED_VARIABLES: Final[dict[str, str]] = {}
# Python starts in 20 ms; a machine that needs seconds for it is overloaded, not broken.
_WATCHER_TIMEOUT_S = 30.0
_POLL_S = 0.005


def run(command: Sequence[str], home: Home, lock: FileLock, *, timeout_s: float) -> int:
    """Run a program as the server's user until it ends; its output goes to the log.

    Args:
        command: The program and its arguments.
        home: The server it works for.
        lock: Given to the program, which holds it until it ends, even if this process ends first.
        timeout_s: Seconds after which it is killed.

    Returns:
        Its exit code; if a signal killed it, the number of that, negative.
    """
    with _log(home) as log:
        options = _options(home.account, lock, log)
        done = subprocess.run(command, check=False, timeout=timeout_s, **options)  # noqa: S603
    return done.returncode


def detach(command: Sequence[str], home: Home, lock: FileLock, account: Account) -> None:
    """Start a program that outlives this process, and is no child of it: nobody has to wait for it.

    Args:
        command: The program and its arguments.
        home: The server it works for.
        lock: Given to the program, which holds it as long as it lives.
        account: As whom it runs.
    """
    through_shell = ["/bin/sh", "-c", '"$@" &', "sh", *command]
    with _log(home) as log:
        subprocess.run(through_shell, check=True, **_options(account, lock, log))  # noqa: S603


def ensure_watcher(home: Home) -> None:
    """Start a watcher unless one lives.

    Raises:
        EmbeddedUnavailable: It is not known which Python runs here.
    """
    lock = try_exclusive(home.watcher_lock)
    if lock is None:
        return
    with lock:
        if not sys.executable:
            raise unavailable("sys.executable is empty, so the process that stops the server cannot be started.")
        os.ftruncate(lock.fileno(), 0)
        script = [sys.executable, "-I", "-S", watcher.__file__]
        detach([*script, str(home.path), str(home.sockets), str(lock.fileno())], home, lock, home.owner)


def wait_for_watcher(home: Home) -> None:
    """Return when the watcher has written down its process id, so it is known to live.

    Raises:
        EmbeddedUnavailable: It could not be started, and the server would never stop.
    """
    deadline = time.monotonic() + _WATCHER_TIMEOUT_S
    while home.watcher_lock.stat().st_size == 0:
        if time.monotonic() > deadline or not watcher.is_locked(str(home.watcher_lock)):
            raise unavailable(
                f"the process that stops the server does not start with {sys.executable}. See {home.log}."
            )
        time.sleep(_POLL_S)


def log_size(log: Path) -> int:
    """How many bytes the log has now."""
    return log.stat().st_size if log.exists() else 0


@contextmanager
def _log(home: Home) -> Iterator[int]:
    watcher.trim_log(str(home.log))
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    # Not a pipe: the server would keep it open, and who reads it to its end waits as long.
    descriptor = os.open(home.log, flags, 0o600)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _options(account: Account, lock: FileLock, log: int) -> dict[str, Any]:
    options: dict[str, Any] = {
        "cwd": "/",
        "env": _environment(),
        "pass_fds": (lock.fileno(),),
        "start_new_session": True,
        "stdin": subprocess.DEVNULL,
        "stdout": log,
        "stderr": log,
        "umask": 0o077,
    }
    if account.uid != os.geteuid():
        options |= {"user": account.uid, "group": account.gid, "extra_groups": ()}
    return options


def _environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name.startswith(_KEPT_VARIABLES)}
    return kept | {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"} | ADDED_VARIABLES


def tail(log: Path, *, since: int) -> str:
    """The last lines of a log after that many bytes, indented to be put in a message."""
    text = log.read_bytes()[since:].decode(errors="replace")
    return "".join(f"\n    {line}" for line in text.splitlines()[-10:])
