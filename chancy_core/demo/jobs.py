"""The jobs of the demo: index the Python standard library, and a few that show what happens when things go wrong."""

from __future__ import annotations

import ast
import hashlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

_tries: Counter[str] = Counter()


def index(path: str) -> dict[str, object]:
    """Parse one module and count what is in it. Plain function: the worker runs it in a thread."""
    source = Path(path).read_bytes()
    lines = source.count(b"\n")
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError) as error:
        # The library ships some files that are wrong on purpose, for its own tests.
        return {"path": path, "lines": lines, "broken": str(error)}
    kinds = Counter(type(statement) for statement in statements(tree))
    return {
        "path": path,
        "lines": lines,
        "functions": kinds[ast.FunctionDef] + kinds[ast.AsyncFunctionDef],
        "classes": kinds[ast.ClassDef],
    }


def statements(tree: ast.Module) -> Iterator[ast.AST]:
    """Every statement in a module. Expressions are left out: they are most of a tree, and hold no definitions."""
    bodies: list[list[ast.AST]] = [list(tree.body)]
    while bodies:
        for node in bodies.pop():
            yield node
            for field in ("body", "orelse", "finalbody", "handlers", "cases"):
                body = getattr(node, field, None)
                if isinstance(body, list):
                    bodies.append(body)


async def digest(path: str) -> str:
    """The SHA-256 of one module. A coroutine function: the worker runs it on its loop."""
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()  # noqa: ASYNC240 -- a small local file


async def ping() -> None:
    """Does nothing: what is measured is how soon it starts."""


async def nothing() -> None:
    """Does nothing, many times: what is measured is what the queue takes for itself."""


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
        raise ConnectionError("the line was busy")
    return f"got through at the {_tries[name]}. try"


async def hopeless() -> None:
    """Always fails."""
    raise ValueError("this job fails whenever it is tried")
