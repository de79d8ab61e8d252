"""Functions that say with `@job` how they are to be run, and functions that take arguments in every way."""

from __future__ import annotations

import asyncio
import functools
import os
from collections.abc import Callable
from datetime import UTC, datetime
from types import FunctionType
from typing import Any, ParamSpec, TypeVar

from chancy import Backoff, JobContext, Limit, job

P = ParamSpec("P")
T = TypeVar("T")

MIB = 1 << 20
DECLARED: dict[str, Any] = {
    "queue": "mail",
    "kwargs": {"to": "declared"},
    "priority": -7,
    "max_attempts": 4,
    "limits": [Limit(Limit.Type.MEMORY, 300 * MIB), Limit(Limit.Type.TIME, 30)],
    "unique_key": "declared",
    "meta": {"team": "post"},
    "backoff": Backoff.fixed(7),
    "keep_result": False,
    "expires_at": datetime(2100, 1, 1, tzinfo=UTC),
    "retry_on": ("OSError",),
    "give_up_on": ("KeyError",),
}


@job(**DECLARED)
def everything(*, to: str) -> str:
    return to


@job(limits=[Limit(Limit.Type.MEMORY, 100 * MIB)])
def holds(*, mib: int) -> int:
    """Holds so much memory; its process."""
    held = b"x" * (mib * MIB)
    return os.getpid() if held else 0


@job(limits=[Limit(Limit.Type.MEMORY, 100 * MIB)])
async def holds_async(*, mib: int) -> int:
    return holds(mib=mib)


@job(limits=[Limit(Limit.Type.TIME, 0.5)])
async def sleeps() -> None:
    await asyncio.sleep(3600)


@job(limits=[Limit(Limit.Type.TIME, 0.5)])
def hangs() -> None:
    while True:
        pass


@job(max_attempts=3, backoff=Backoff.fixed(0, jitter=0))
def fails() -> None:
    raise ValueError("on purpose")


@job(max_attempts=3, backoff=Backoff.fixed(0, jitter=0), give_up_on=[KeyError])
def gives_up() -> None:
    raise KeyError("on purpose")


@job(max_attempts=3, backoff=Backoff.fixed(0, jitter=0), retry_on=[OSError])
def retries_other() -> None:
    raise ValueError("on purpose")


@job(keep_result=False)
def keeps_nothing() -> str:
    return "a secret"


# -- arguments -----------------------------------------------------------------------------


def send(*, user: int, dry: bool = False) -> str:
    return f"{user} {dry}"


async def send_async(user: int, dry: bool = False) -> str:
    return f"{user} {dry}"


def by_position(user: int, /) -> None:
    """Its argument cannot be given by name."""


def by_position_with_default(user: int = 3, /, *, word: str = "x") -> str:
    return f"{user} {word}"


def takes_nothing() -> None:
    """No argument at all."""


def takes_any(**kwargs: Any) -> list[str]:
    return sorted(kwargs)


def with_context(*, user: int, context: JobContext) -> list[int]:
    return [user, context.attempts]


class Mailer:
    def send(self, *, user: int) -> None:
        """A method, for which a job has no object."""

    @staticmethod
    @job()
    def static(*, user: int) -> int:
        return user

    @classmethod
    @job()
    def of_class(cls, *, user: int) -> list[Any]:
        return [cls.__name__, user]


class Fast(Mailer):
    """Inherits both."""


class Made:
    """A class is called as a function is."""

    def __init__(self, *, user: int) -> None:
        self.user = user


class Callable_:  # noqa: N801
    def __call__(self, *, user: int) -> int:
        return user


instance = Callable_()
partly = functools.partial(send, user=5)


@functools.lru_cache
def cached(*, user: int) -> int:
    return user


def paramspec(func: Callable[P, T]) -> Callable[P, T]:
    @functools.wraps(func)
    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        return func(*args, **kwargs)

    return call


@paramspec
def wrapped(*, user: int) -> int:
    return user


def with_signature(func: Callable[..., Any]) -> Callable[..., Any]:
    """Gives a session, and shows the signature of what it calls, as some libraries do."""

    def call(**kwargs: Any) -> Any:
        return func(session="a session", **kwargs)

    call.__signature__ = __import__("inspect").signature(func)  # type: ignore[attr-defined]
    call.__qualname__ = call.__name__ = func.__name__
    return call


@with_signature
def signed(*, session: str, user: int) -> list[Any]:
    return [session, user]


class Proxy:
    """Reads like the function behind it, and gives it an argument, as wrapt's decorators do."""

    def __init__(self, func: Callable[..., Any]) -> None:
        self.__wrapped__ = func

    @property
    def __class__(self) -> Any:
        return FunctionType

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__wrapped__, name)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.__wrapped__(*args, session="a session", **kwargs)


def _proxied(*, session: str, user: int) -> list[Any]:
    return [session, user]


_proxied.__qualname__ = _proxied.__name__ = "proxied"
proxied = Proxy(_proxied)
