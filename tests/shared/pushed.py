"""What the tests of pushes share."""

from __future__ import annotations

from typing import Any

import psycopg

from chancy import Chancy, Job
from chancy_core.store import flow

ECHO = Job(func="jobs.echo", kwargs={"value": 1})


async def count(chancy: Chancy) -> int:
    return sum(sum(states.values()) for states in (await chancy.count_jobs()).values())


def losing(answer: Any, when: str) -> Any:
    """What answers the steps of a flow, but loses the connection once, `before` or `after` the first INSERT."""
    lost = False

    def lose(step: Any) -> None:
        nonlocal lost
        if not lost and b"INSERT INTO" in step.text:
            lost = True
            raise psycopg.OperationalError("the connection is lost")

    async def later(cursor: Any, step: Any) -> Any:
        if when == "before":
            lose(step)
        rows = await answer(cursor, step)
        lose(step)
        return rows

    def now(cursor: Any, step: Any) -> Any:
        if when == "before":
            lose(step)
        rows = answer(cursor, step)
        lose(step)
        return rows

    return later if answer is flow._answer else now
