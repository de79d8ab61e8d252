"""Applications behind a way to the database that can fall silent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from chancy_core.values.job import Job

ECHO = Job(func="jobs.echo", kwargs={"value": 1})


def stored(query: Callable[..., list[Any]]) -> int:
    ((count,),) = query("SELECT (SELECT count(*) FROM {s}.jobs) + (SELECT count(*) FROM {s}.finished_jobs)")
    return int(count)
