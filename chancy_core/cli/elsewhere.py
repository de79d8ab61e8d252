"""Commands that are not there, and where what they would do is: plugins bring some, and Chancy 0 has others."""

from __future__ import annotations

from typing import Final

_PLUGINS: Final = {"cron": "cron", "prune": "pruner", "leader": "leadership"}
_BEFORE: Final = {
    "misc": "What `chancy misc migrate` did, is done by `chancy migrate`.",
    "help": "For help: `chancy --help`, or `chancy COMMAND --help`.",
    "list": "For lists: `chancy jobs`, `chancy queues`, `chancy workers`.",
    "start": "A worker is started by `chancy worker`.",
    "version": "The version is told by `chancy --version`.",
}


def told_of(name: str) -> str | None:
    """What to say to somebody who wants a command of this name; None: nothing is known of it."""
    plugin = _PLUGINS.get(name)
    if plugin is None:
        return _BEFORE.get(name)
    return f"It comes with the plugin {plugin}, which is not on here. To install it: pip install chancy-{plugin}."
