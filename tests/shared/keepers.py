"""Plugins that keep limits, for tests."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, ClassVar

from chancy import Job, Plugin, hookimpl

ECHO = Job(func="jobs.echo")


# A polling interval that no test waits for.
NEVER_S = 3600


class Keeper(Plugin):
    """Enforces both limits by whatever answer it is given."""

    name = "keeper"
    enforces: ClassVar[frozenset[str]] = frozenset({"rate_limit", "global_concurrency"})

    def __post_init__(self) -> None:
        self.asked: list[tuple[str, int]] = []
        self.answer: Callable[[int, Any], Any] = lambda wanted, _: wanted

    @hookimpl
    async def claim_budget(self, queue, wanted, connection):
        self.asked.append((queue.name, wanted))
        answer = self.answer(wanted, connection)
        return await answer if asyncio.iscoroutine(answer) else answer


def keeper(answer: Callable[[int, Any], Any] | None = None) -> Keeper:
    made = Keeper()
    if answer is not None:
        made.answer = answer
    return made
