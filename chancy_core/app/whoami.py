"""Who uses this process: for people who want to know who did something."""

from __future__ import annotations

import getpass
import os
import socket


def user_name() -> str:
    """The user whose process this is; a container often has one without a name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):
        return f"uid {os.getuid()}" if hasattr(os, "getuid") else "somebody"


def user_and_host() -> str:
    """The same with the machine, as in `ann@db-3`."""
    return f"{user_name()}@{socket.gethostname()}"
