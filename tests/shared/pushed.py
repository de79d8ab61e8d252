"""What the tests of pushes share."""

from __future__ import annotations

from chancy import Chancy, Job

ECHO = Job(func="jobs.echo", kwargs={"value": 1})


async def count(chancy: Chancy) -> int:
    return sum(sum(states.values()) for states in (await chancy.count_jobs()).values())
