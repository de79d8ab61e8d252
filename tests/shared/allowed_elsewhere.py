"""What lives elsewhere: nothing of it may be run."""

import functools
from collections.abc import Callable
from typing import Any


def helper() -> str:
    return "helped"


def traced(func: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(func)
    def wrapper(**kwargs: Any) -> Any:
        return func(**kwargs)

    return wrapper


def bare(func: Callable[..., Any]) -> Callable[..., Any]:
    def wrapper() -> Any:
        return func()

    return wrapper


class Base:
    def inherited(self) -> str:
        return "inherited"

    @classmethod
    def inherited_class(cls) -> str:
        return "inherited"


class Caller:
    def __call__(self) -> str:
        return "called"
