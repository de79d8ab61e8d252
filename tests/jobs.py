"""Functions that tests run as jobs."""

import asyncio
import threading
import time

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
