"""Decorated functions, some of whose names were taken by others afterwards."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from chancy import Job, job


@job()
def report() -> str:
    return "the first"


first = report


@job()
def report() -> str:
    return "the second"


def loudly(func: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(func)
    def call(**kwargs: Any) -> str:
        return func(**kwargs).upper()

    return call


@loudly
@job(queue="default")
def shouted() -> str:
    return "done"


@job()
def forgotten() -> None: ...


lost = forgotten
del forgotten


def by_another_name() -> None: ...


by_another_name.job = Job("jobs.noop")
