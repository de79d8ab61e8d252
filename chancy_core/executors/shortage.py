"""What a machine may be short of, which is the fault of no job."""

from __future__ import annotations

import errno
from typing import Final

# Descriptors of the process and of the system, processes and threads, memory.
_ERRNOS: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.EAGAIN, errno.ENOMEM})


class NoThread(RuntimeError):  # noqa: N818
    """No thread could be started."""


def is_shortage(error: BaseException) -> bool:
    """Whether something could not be started because the machine, or this process, has used up something."""
    return isinstance(error, NoThread | MemoryError) or (isinstance(error, OSError) and error.errno in _ERRNOS)
