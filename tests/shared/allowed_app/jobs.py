"""Functions of the package, and what it has imported from elsewhere."""

import functools
import os
import types
from collections.abc import Callable
from functools import partial
from os import getcwd
from typing import Any

import allowed_elsewhere
from allowed_elsewhere import Base, Caller, bare, traced
from allowed_elsewhere import helper as renamed

from chancy import Job, job

__all__ = ["Base", "Job", "getcwd", "os", "renamed"]


def plain() -> str:
    return "plain"


@job(queue="mail")
def declared() -> str:
    return "declared"


@traced
def decorated() -> str:
    return "decorated"


@bare
def decorated_barely() -> str:
    return "decorated barely"


@functools.lru_cache
def cached() -> str:
    return "cached"


def made() -> Callable[[], str]:
    def inner() -> str:
        return "made"

    return inner


inner = made()
own_partial = partial(plain)
partial_of_partial = partial(own_partial)
foreign_partial = partial(allowed_elsewhere.helper)
deep_partial = partial(partial(getcwd))


class Service(Base):
    def __call__(self) -> str:
        return "called"

    def method(self) -> str:
        return "method"

    @classmethod
    def made(cls) -> str:
        return "class method"

    @staticmethod
    def static() -> str:
        return "static"


class Silent(Caller):
    """Is called by what it inherits."""


class Holder:
    system = os
    helper = staticmethod(allowed_elsewhere.helper)


class Proxy:
    """Has whatever it is asked for."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(os, name)


service = Service()
silent = Silent()
foreign = Caller()
proxy = Proxy()
foreign_method = allowed_elsewhere.Base().inherited
space = types.SimpleNamespace(run=allowed_elsewhere.helper, own=plain)
upper = str.upper
appended = [].append
