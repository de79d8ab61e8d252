"""Who serves which queue: the rule, for workers and for whoever looks at them."""

from __future__ import annotations

from collections.abc import Collection


def is_named(queue: str, names: Collection[str] | None) -> bool:
    """Whether a queue is among those that a worker was told to serve.

    Args:
        queue: the queue's name.
        names: names of queues, in which `*` stands for any characters; None: all queues.
    """
    return names is None or any(_fits(queue, name) for name in names)


def unmet(names: Collection[str] | None, queues: Collection[str]) -> list[str]:
    """Those of the names that a worker was told to serve which none of these queues has."""
    return [name for name in names or () if not any(_fits(queue, name) for queue in queues)]


def _fits(queue: str, name: str) -> bool:
    first, *others = name.split("*")
    if not others:
        return queue == name
    # Not by an expression: each part is looked for once, whatever somebody has written.
    *middle, last = others
    if not queue.startswith(first):
        return False
    at = len(first)
    for part in middle:
        found = queue.find(part, at)
        if found < 0:
            return False
        at = found + len(part)
    return len(queue) - at >= len(last) and queue.endswith(last)
