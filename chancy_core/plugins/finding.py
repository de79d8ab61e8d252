"""Ask plugins what is wrong, all at the same time, and wait for none of them for long."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any, Final

from chancy_core.values.finding import Finding, Severity, Subject
from chancy_core.values.storable import one_line

# What a hook whose time is over may take to notice, before it is told without it.
NOTICES_WITHIN_S: Final = 0.2
_SHOWN: Final = 300

# The loop itself holds tasks weakly; these end by themselves.
_left: Final[set[asyncio.Task[Any]]] = set()


async def together(asked: Sequence[tuple[str, Coroutine[Any, Any, list[Finding]]]], seconds: float) -> list[Finding]:
    """What all of them find, in their order.

    Args:
        asked: the names of plugins, and what is awaited of each.
        seconds: how long each was given. One that goes on after that is a finding, and is left behind.
    """
    tasks = [(plugin, asyncio.ensure_future(found)) for plugin, found in asked]
    if not tasks:
        return []
    try:
        await asyncio.wait([task for _, task in tasks], timeout=seconds + NOTICES_WITHIN_S)
    except asyncio.CancelledError:
        for _, task in tasks:
            task.cancel()
        raise
    found: list[Finding] = []
    for plugin, task in tasks:
        if task.done():
            found += task.result()
        else:
            _left.add(task)
            task.add_done_callback(_left.discard)
            found.append(cannot_say(plugin, f"it did not answer within {seconds:g} s"))
    return found


def checked(found: Any) -> list[Finding]:
    """What a plugin returned. Raises TypeError if that is no list of findings."""
    if not isinstance(found, list) or not all(isinstance(one, Finding) for one in found):
        raise TypeError(f"it must return a list of objects of the type Finding, not {found!r:.200}")
    return found


def cannot_say(plugin: str, reason: str) -> Finding:
    """The finding about a plugin that could not say what is wrong."""
    return Finding(
        id="plugin-cannot-say",
        severity=Severity.WARNING,
        subject=Subject("plugin", plugin),
        what=f"The plugin {plugin!r} could not say what is wrong: {one_line(reason, _SHOWN)}",
        why="Whatever it looks after is not covered by this list.",
        fix="chancy plugins",
    )
