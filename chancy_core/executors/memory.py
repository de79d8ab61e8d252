"""How much memory a process holds: resident, because what is only reserved costs nobody anything."""

from __future__ import annotations

import os
import resource
import sys
from contextlib import suppress
from pathlib import Path
from typing import Final

LINUX: Final = sys.platform.startswith("linux")
_PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")
# Written to clear_refs, it makes the kernel forget the peak so far (proc(5)).
_FORGET_PEAK: Final = b"5"
# A peak that is higher than what a process holds by no more than this is not forgotten between two jobs.
SLACK_BYTES: Final = 1 << 18


def can_measure() -> bool:
    """Whether the memory of another process can be seen here."""
    if LINUX:
        return True
    try:
        import psutil  # noqa: F401, PLC0415 -- needed where there is no /proc
    except ImportError:
        return False
    return True


def rss_bytes(pid: int) -> int | None:
    """What a process holds now; None if there is no such process."""
    if LINUX:
        try:
            with open(f"/proc/{pid}/statm", "rb", buffering=0) as file:  # noqa: PTH123 -- read every few milliseconds
                return int(file.read(128).split()[1]) * _PAGE_BYTES
        except (OSError, IndexError):
            return None
    import psutil  # noqa: PLC0415 -- only systems without /proc need it

    try:
        return int(psutil.Process(pid).memory_info().rss)
    except psutil.Error:
        return None


def family_bytes() -> int | None:
    """What this process holds now together with those below it, such as children that run jobs; None: nobody knows.

    Where the system does not tell which processes are below it, it is what this one holds.
    """
    if not can_measure():
        return None
    pids = [os.getpid()]
    # It grows on the way: children have children.
    for pid in pids:
        pids.extend(_children_of(pid))
    return sum(found for pid in pids if (found := rss_bytes(pid)) is not None)


def _children_of(pid: int) -> list[int]:
    found: list[int] = []
    # Processes and threads may end meanwhile.
    with suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            with suppress(OSError):
                found += map(int, (task / "children").read_bytes().split())
    return found


def peak_bytes(pid: int) -> int | None:
    """The most that a process has held, as far as the kernel tells; None where it does not."""
    try:
        return _peak_in(Path(f"/proc/{pid}/status").read_bytes())
    except OSError:
        return None


class OwnPeak:
    """The peak of this process, from a moment on; and what it holds now. Both are asked for with each job.

    The peak may be that of the moment before, if that was hardly more than what the process held anyway. Where the
    kernel cannot forget the peak so far, it is that since the process began.
    """

    def __init__(self) -> None:
        self._clear = self._statm = self._status = -1
        # What was seen last.
        self._peak = self._rss = 0
        if LINUX:
            # Some containers have one of them, or neither.
            with suppress(OSError):
                self._statm = os.open("/proc/self/statm", os.O_RDONLY | os.O_CLOEXEC)
            with suppress(OSError):
                self._clear = os.open("/proc/self/clear_refs", os.O_WRONLY | os.O_CLOEXEC)
                os.pwrite(self._clear, _FORGET_PEAK, 0)
        if _peak_by_usage() > self.rss_bytes() + SLACK_BYTES:
            # It counts what was before this program, or cannot forget: the longer way round.
            with suppress(OSError):
                self._status = os.open("/proc/self/status", os.O_RDONLY | os.O_CLOEXEC)
        self._peak = self.read()

    def restart(self) -> None:
        """Forget the peak so far."""
        if self._clear >= 0 and self._peak > self._rss + SLACK_BYTES:
            with suppress(OSError):
                os.pwrite(self._clear, _FORGET_PEAK, 0)

    def read(self) -> int:
        """The peak, in bytes."""
        found = None
        if self._status >= 0:
            # A job may have closed it.
            with suppress(OSError):
                found = _peak_in(os.pread(self._status, 4096, 0))
        self._peak = _peak_by_usage() if found is None else found
        return self._peak

    def rss_bytes(self) -> int:
        """What this process holds now."""
        found = None
        if self._statm >= 0:
            with suppress(OSError, IndexError, ValueError):
                found = int(os.pread(self._statm, 128, 0).split()[1]) * _PAGE_BYTES
        self._rss = (rss_bytes(os.getpid()) or 0) if found is None else found
        return self._rss


def _peak_by_usage() -> int:
    """The peak of this process as the system accounts for it, which costs a fraction of a look into /proc."""
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


def _peak_in(status: bytes) -> int | None:
    _, found, rest = status.partition(b"VmHWM:")
    return int(rest.split(maxsplit=1)[0]) * 1024 if found else None
