"""The jobs of the demo: index the Python standard library, and a few that show what happens when things go wrong."""

from __future__ import annotations

import ast
import hashlib
from collections import Counter
from pathlib import Path

_tries: Counter[str] = Counter()


def index(path: str) -> dict[str, object]:
    """Parse one module and count what is in it. Plain function: the worker runs it in a thread."""
    source = Path(path).read_bytes()
    try:
        tree = ast.parse(source)
    except SyntaxError as error:
        # The library ships some files that are wrong on purpose, for its own tests.
        return {"path": path, "lines": source.count(b"\n"), "broken": str(error.msg)}
    kinds = Counter(type(node).__name__ for node in ast.walk(tree))
    return {
        "path": path,
        "lines": source.count(b"\n"),
        "functions": kinds["FunctionDef"] + kinds["AsyncFunctionDef"],
        "classes": kinds["ClassDef"],
    }


async def digest(path: str) -> str:
    """The SHA-256 of one module. A coroutine function: the worker runs it on its loop."""
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()  # noqa: ASYNC240 -- a small local file


async def ping() -> None:
    """Does nothing: what is measured is how soon it starts."""


async def postcard(text: str) -> str:
    """A job that was scheduled for later."""
    return text


async def report(title: str) -> str:
    """A job with a unique key, pushed twice."""
    return title


async def flaky(name: str) -> str:
    """Fails twice, then succeeds."""
    _tries[name] += 1
    if _tries[name] <= 2:  # noqa: PLR2004
        raise ConnectionError(f"the line was busy, for the {_tries[name]}. time")
    return f"got through at the {_tries[name]}. try"


async def hopeless() -> None:
    """Always fails."""
    raise ValueError("this job fails whenever it is tried")
