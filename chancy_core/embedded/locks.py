"""File locks that end with the process that took them, and that no child keeps by accident."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Self

if sys.platform != "win32":
    import fcntl

_open_locks: set[FileLock] = set()


class FileLock:
    """An open lock file, with whatever flock was taken on it.

    Taken with `shared`, `exclusive` or `try_exclusive`. Leaving the `with` block closes it here; a
    child that was given the descriptor keeps the lock.
    """

    def __init__(self, path: Path) -> None:
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        self._descriptor: int | None = os.open(path, flags, 0o600)
        _open_locks.add(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def is_open(self) -> bool:
        """Whether it was neither closed nor released, nor lost in a fork."""
        return self._descriptor is not None

    def fileno(self) -> int:
        """The descriptor, to hand the lock to a child with `pass_fds`."""
        if self._descriptor is None:
            raise ValueError("This lock is closed.")
        return self._descriptor

    def close(self) -> None:
        """Forget the lock here. It ends when every process that was given it has ended."""
        descriptor, self._descriptor = self._descriptor, None
        _open_locks.discard(self)
        if descriptor is not None:
            os.close(descriptor)

    def release(self) -> None:
        """End the lock, also for processes that inherited it."""
        if self._descriptor is not None:
            fcntl.flock(self._descriptor, fcntl.LOCK_UN)
        self.close()


def shared(path: Path) -> FileLock:
    """Wait until nobody holds it alone, then hold it together with others."""
    return _take(path, fcntl.LOCK_SH)


def exclusive(path: Path) -> FileLock:
    """Wait until nobody holds it, then hold it alone."""
    return _take(path, fcntl.LOCK_EX)


def try_exclusive(path: Path) -> FileLock | None:
    """Hold it alone if nobody holds it, else None."""
    try:
        return _take(path, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return None


def _take(path: Path, operation: int) -> FileLock:
    lock = FileLock(path)
    try:
        fcntl.flock(lock.fileno(), operation)
    except BaseException:
        lock.close()
        raise
    return lock


def _close_in_forked_child() -> None:
    # A forked child shares the parent's open files and so its locks: it would keep the server up.
    for lock in list(_open_locks):
        lock.close()


if sys.platform != "win32":
    os.register_at_fork(after_in_child=_close_in_forked_child)
