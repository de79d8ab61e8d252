"""Functions that tests run as jobs."""

import asyncio
import threading
import time

from chancy import Snooze

ran: list[object] = []
gate = threading.Event()


async def noop(**kwargs: object) -> None:
    """Nothing."""


async def echo(value: object = None) -> object:
    """What it was given."""
    return value


async def record(value: object = None) -> None:
    """Remember what it was given, in the order in which it ran."""
    ran.append(value)


def add(a: int, b: int) -> int:
    """A plain function."""
    return a + b


async def fail(message: str = "no") -> None:
    """Always fails."""
    raise ValueError(message)


async def sleep(seconds: float = 60.0) -> str:
    """Sleeps on the loop."""
    await asyncio.sleep(seconds)
    return "slept"


def block(seconds: float = 60.0) -> str:
    """Blocks its thread."""
    time.sleep(seconds)
    return "blocked"


class Odd:
    """Something that is no JSON, and says so with any text."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return self.text


async def odd(text: str, where: str) -> object:
    """Returns what has bad text in it; given as hexadecimal, because it could not be pushed."""
    text = bytes.fromhex(text).decode("utf-8", "surrogatepass")
    return {"repr": Odd(text), "key": {text: 1}, "value": [text]}[where]


class BadText(Exception):  # noqa: N818 -- not raised by mistake
    """An exception whose text cannot be stored, or made."""

    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self.kind = kind

    def __str__(self) -> str:
        if self.kind == "raises":
            raise ZeroDivisionError
        return {"nul": "a\x00b", "surrogate": "a\ud800b", "long": "é" * 1_000_000}[self.kind]


async def fail_with(kind: str) -> None:
    """Fails with a `BadText`."""
    raise BadText(kind)


def fail_deep(depth: int) -> None:
    """Fails with a traceback of so many different frames, and a chain of causes."""
    if depth:
        try:
            fail_deep(depth - 1)
        except ValueError as error:
            raise ValueError(f"depth {depth}") from error
    raise ValueError("the bottom")


def by_position(a: int, /, b: int = 1) -> int:
    """Has an argument that can only be given by position."""
    return a + b


def takes_any(a: int = 1, **others: int) -> int:
    """Takes any names."""
    return a + sum(others.values())


class Calls:
    """Functions in a class."""

    @staticmethod
    def static(a: int) -> int:
        """One that needs no instance."""
        return a

    @classmethod
    def of_class(cls, a: int) -> str:
        """One that is given its class."""
        return f"{cls.__name__} {a}"

    def __call__(self, a: int) -> int:
        """Called itself."""
        return -a

    async def later(self, a: int) -> int:
        """A coroutine function of an object."""
        return a * 2


called = Calls()
not_a_function = 5


_snoozed: list[int] = []


def snooze_once() -> None:
    """Waits until it may go on, and snoozes; the next time it succeeds."""
    gate.wait(60)
    if not _snoozed:
        _snoozed.append(1)
        raise Snooze(0.05)
    _snoozed.clear()
