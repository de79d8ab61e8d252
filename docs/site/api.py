"""The pages about every public name, made from what the names say of themselves."""

from __future__ import annotations

import enum
import inspect
import pprint
import re
from functools import cache
from importlib import import_module
from typing import Any, Final

from pages import ROOT

# What applications import, in the order in which somebody needs it; the plugins follow.
MODULES: Final = ("chancy", "chancy.errors", "chancy.plugin", "chancy.executors", "chancy.testing")
FOLDER: Final = "reference/api"


@cache
def modules() -> tuple[str, ...]:
    """Every module with public names: the kernel's, and one of each plugin."""
    found = (ROOT / "plugins").glob("*/src/*/__init__.py")
    named = sorted(file.parent.name for file in found)
    return (*MODULES, *(name for name in named if getattr(import_module(name), "__all__", ())))


@cache
def homes() -> dict[tuple[str, str], str]:
    """Under which module each public name is described: the first that has it, by the module and the name."""
    first: dict[int, str] = {}
    found = {}
    for module in modules():
        for name in import_module(module).__all__:
            value = getattr(import_module(module), name)
            # A number or a text may be the same one by chance.
            key = id(value) if callable(value) else id((module, name))
            found[module, name] = first.setdefault(key, module)
    return found


@cache
def targets() -> dict[str, str]:
    """Where a name in code leads, if it is one that only one thing has."""
    found: dict[str, set[str]] = {}
    for (_, name), home in homes().items():
        found.setdefault(name, set()).add(f"{home}.{name}")
    return {name: next(iter(there)) for name, there in found.items() if len(there) == 1}


def pages() -> dict[str, str]:
    """The pages, by their names on the site."""
    made = {f"{FOLDER}/{module}": _page(module) for module in modules()}
    lines = [f"* [`{module}`]({module}.md): {_told(import_module(module))}" for module in modules()]
    order = "\n".join(modules())
    made[f"{FOLDER}/index"] = (
        "# Every public name\n\n"
        "Each name that an application, a plugin or an executor may import, with its arguments and what it says of\n"
        "itself. These pages are made from the code. [What is public](../public.md) has the same names as a short\n"
        "list, and says what that promises; the [hooks](../plugins.md#hooks) of plugins have a page of their own.\n\n"
        + "\n".join(lines)
        + f"\n\n```{{toctree}}\n:hidden:\n\n{order}\n```\n"
    )
    return made


def linked(text: str) -> str:
    """The page of public names, each of which leads to what it says of itself."""
    module, lines = "", []
    for line in text.split("\n"):
        if heading := re.match(r"## `([\w.]+)`$", line):
            module = heading[1]
        row = re.match(r"\| `(\w+)` \|", line)
        if row and (home := homes().get((module, row[1]))):
            lines.append(f"| {{py:obj}}`{row[1]} <{home}.{row[1]}>` |{line[row.end() :]}")
        else:
            lines.append(line)
    return "\n".join(lines)


def _page(module: str) -> str:
    """The page of one module."""
    found = import_module(module)
    elsewhere = [name for name in found.__all__ if homes()[module, name] != module]
    here = [name for name in sorted(found.__all__, key=str.lower) if name not in elsewhere]
    parts = [f"# `{module}`\n", f"{_told(found)}\n"]
    if elsewhere:
        names = ", ".join(f"{{py:obj}}`{name} <{homes()[module, name]}.{name}>`" for name in sorted(elsewhere))
        parts.append(f"Also here, and described where they are first: {names}.\n")
    parts.append(f"```{{py:currentmodule}} {module}\n```\n")
    parts.extend(f"## `{name}`\n\n{_entry(module, name, getattr(found, name))}" for name in here)
    return "\n".join(parts)


def _entry(module: str, name: str, value: Any) -> str:
    """What stands under the heading of a name."""
    options = []
    if inspect.isclass(value):
        kind = "autoexception" if issubclass(value, BaseException) else "autoclass"
        others = [base.__name__ for base in value.__mro__ if not base.__module__.startswith("chancy")]
        options = [":members:", f":inherited-members: {', '.join(others)}"]
        if issubclass(value, enum.Enum):
            options.append(":undoc-members:")
        # A class that another one has as an attribute is described where it is public itself.
        if inner := sorted({name for name, member in inspect.getmembers(value, inspect.isclass)}):
            options.append(f":exclude-members: {', '.join(inner)}")
    elif _is_fixture(value):
        return _by_hand("fixture", f"{module}.{name}", inspect.getdoc(value.__wrapped__) or "")
    elif callable(value):
        kind = "autofunction"
    else:
        return _by_hand(type(value).__name__, f"{module}.{name}", _value_of(value))
    text = "\n".join([f".. {kind}:: {module}.{name}", *(f"   {option}" for option in options)])
    return f"```{{eval-rst}}\n{text}\n```\n"


def _by_hand(kind: str, name: str, text: str) -> str:
    """A name that is nothing to call: a fixture of pytest, a number, a table."""
    return f"`````{{py:data}} {name}\n*{kind}*\n\n{text}\n`````\n"


def _value_of(value: Any) -> str:
    """What is to be said of a value: what its class says, if that is one of ours, or what it is."""
    if type(value).__module__.startswith("chancy"):
        return inspect.getdoc(value) or ""
    return f"```python\n{pprint.pformat(value, width=100)}\n```"


def _is_fixture(value: Any) -> bool:
    """Whether pytest made something a fixture, which is not to be called."""
    return type(value).__name__ == "FixtureFunctionDefinition" or hasattr(value, "_pytestfixturefunction")


def _told(module: Any) -> str:
    """The first paragraph of what a module says of itself."""
    return " ".join((module.__doc__ or "").strip().partition("\n\n")[0].split())
