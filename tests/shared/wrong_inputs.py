"""Wrong inputs, each as somebody would write it, and what is said of them."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any, TypeAlias

import pytest

from chancy_core.errors import ChancyError

# What is written, the error, and what that must say: what, where, with which value, and what to do.
Row: TypeAlias = tuple[str, type[BaseException], str]

# An error is read by a person, in a log or a terminal.
LONGEST = 700


def each(rows: Sequence[Row]) -> pytest.MarkDecorator:
    """Run a test with each row: `written`, `error`, `says`."""
    return pytest.mark.parametrize(("written", "error", "says"), rows, ids=[row[0] for row in rows])


def check_text(text: str, says: str) -> None:
    """Check that a message says what it must, each part of `says` between two ` … `, and is for people."""
    for part in says.split(" … "):
        assert part in text, f"{part!r} is not in: {text}"
    assert len(text) < LONGEST, text
    assert "Traceback" not in text
    assert text.rstrip().endswith((".", "?", "…")), text


def check(found: pytest.ExceptionInfo[BaseException], error: type[BaseException], says: str) -> None:
    """Check that it is this error, one of Chancy's, and what it says."""
    assert isinstance(found.value, error), repr(found.value)
    assert isinstance(found.value, ChancyError)
    check_text(str(found.value), says)


def refused(written: str, error: type[BaseException], says: str, names: dict[str, Any]) -> None:
    """Evaluate what is written: it must be refused."""
    with pytest.raises(BaseException) as found:
        eval(written, names)
    check(found, error, says)


async def refused_when_asked(written: str, error: type[BaseException], says: str, names: dict[str, Any]) -> None:
    """Evaluate what is written, and await it: it must be refused."""

    async def ask() -> None:
        asked = eval(written, names)
        if inspect.isawaitable(asked):
            await asked

    with pytest.raises(BaseException) as found:
        await ask()
    check(found, error, says)
