"""What a worker is called, and the tags that it has of its own accord."""

from __future__ import annotations

import os
import platform
import socket

from chancy_core.values.owntags import own_tags
from chancy_core.version import VERSION


def name_of_this_process() -> str:
    """A readable name for the worker of this process: its host and process id."""
    return f"{socket.gethostname()}.{os.getpid()}"


def tags_of_this_process(name: str) -> set[str]:
    """The tags of a worker of this name in this process."""
    return own_tags(
        hostname=socket.gethostname(),
        worker=name,
        python=platform.python_version(),
        system=platform.system(),
        machine=platform.machine(),
        chancy=VERSION,
    )
