"""The keeper: uses a server so that it goes on when nobody else does, until it is told to end.

Runs as a script of its own, detached, in `python -I -S`, as the watcher does.
"""

from __future__ import annotations

import os
import signal
import sys

if sys.platform != "win32":
    import fcntl


def main(directory: str, own_lock: int) -> None:
    """Use the server until SIGTERM.

    Args:
        directory: The directory of the server.
        own_lock: The descriptor that holds the keeper's lock, inherited from who started it.
    """
    # For as long as this process lives.
    users = os.open(f"{directory}/users.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(users, fcntl.LOCK_SH)
    os.pwrite(own_lock, b"%d\n" % os.getpid(), 0)
    while True:
        signal.pause()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
