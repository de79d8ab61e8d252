"""Whether the embedded server was lost under those who use it: looked at, without starting or making anything."""

from __future__ import annotations

from pathlib import Path
from typing import Final, NamedTuple

from chancy_core.embedded import watcher
from chancy_core.embedded.keeping import look
from chancy_core.errors import EmbeddedUnavailable

# Of a log that may be long, the end.
_READ_BYTES: Final = 16_384


class Lost(NamedTuple):
    """A server that is in use, and not there.

    Attributes:
        directory: where it lived.
        log: what it had to say.
        said: the last line of that; empty if there is none.
    """

    directory: Path
    log: Path
    said: str


def lost(directory: Path | None = None) -> Lost | None:
    """The server of this user, or of a directory, if it was killed or has crashed while somebody used it; or None.

    Raises:
        OSError: its files cannot be read.
    """
    try:
        found = look(directory)
    except (EmbeddedUnavailable, ImportError):
        return None
    used = found.made and not found.running and _is_locked(found.directory / "users.lock")
    # Whoever starts it, or stops it, holds this meanwhile.
    if not used or _is_locked(found.directory / "start.lock") or look(directory).running:
        return None
    return Lost(found.directory, found.log, _last_line(found.log))


def _is_locked(lock: Path) -> bool:
    return lock.exists() and watcher.is_locked(str(lock))


def _last_line(log: Path) -> str:
    if not log.exists():
        return ""
    with log.open("rb") as file:
        file.seek(max(log.stat().st_size - _READ_BYTES, 0))
        lines = file.read().decode(errors="replace").splitlines()
    return next((line.strip() for line in reversed(lines) if line.strip()), "")
