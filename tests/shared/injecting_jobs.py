"""Functions whose decorators have a say in their arguments."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from chancy import JobContext, job


def with_session(func: Callable[..., Any]) -> Callable[..., Any]:
    """Gives a session, and takes `dry`, which the function does not know."""

    @functools.wraps(func)
    def call(**kwargs: Any) -> Any:
        dry = kwargs.pop("dry", False)
        return [dry, func(session="a session", **kwargs)]

    return call


def for_user(func: Callable[..., Any]) -> Callable[..., Any]:
    """Takes another argument than the function."""

    @functools.wraps(func)
    def call(*, user: int) -> Any:
        return func(name=f"user {user}")

    return call


@job
@with_session
def injected(*, session: str, word: str, context: JobContext) -> list[Any]:
    return [session, word, context.attempts]


@for_user
def greet(*, name: str) -> str:
    return name
