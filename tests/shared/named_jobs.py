"""Functions whose name leads to them, and functions whose name leads to something else."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from chancy import Job, job


class Base:
    """A class whose methods others inherit."""

    @classmethod
    def go(cls) -> str:
        return cls.__name__

    @classmethod
    @job(queue="default", max_attempts=2)
    def decorated(cls) -> str:
        return cls.__name__

    @staticmethod
    def static() -> str:
        return "static"

    @job()
    def of_an_object(self) -> None: ...


class Derived(Base):
    """It inherits them."""


def shadowed() -> str:
    return "the first"


first = shadowed


def shadowed() -> str:
    return "the second"


class Task:
    """What a decorator makes of a function."""

    def __init__(self, func: Callable[..., Any]) -> None:
        self.func = func
        functools.update_wrapper(self, func)

    def __call__(self) -> Any:
        return ["task", self.func()]


@Task
def task() -> str:
    return "done"


class Nameless:
    """A callable object that knows no name."""

    def __call__(self) -> None: ...


nameless = Nameless()

jobs_made_at_once: list[Job] = []


def registered(func: Callable[..., Any]) -> Callable[..., Any]:
    """A decorator of somebody's, which makes a job before the function's name is there."""
    jobs_made_at_once.append(Job.from_func(func))
    return func


@registered
def early() -> None: ...


def gone() -> None: ...


lost = gone
del gone
