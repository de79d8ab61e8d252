"""The allow-list `functions`: which names may be run, and where the things that they name have to live.

Whoever may write to the tables of jobs and queues chooses names. A name that matches a pattern is not enough: in
`app.jobs.os.system` the function belongs to another module, which `app.jobs` has only imported.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from types import MethodType, ModuleType
from typing import Any, Final, NamedTuple

from chancy_core.errors import CannotRunHere

# The module that a worker's own script is; and what it is called in a child process.
_MAIN: Final = "__main__"
_MAIN_IN_CHILD: Final = "__mp_main__"


class Home(NamedTuple):
    """Where something lives.

    Attributes:
        module: the name of the module that defines it; None if that cannot be told.
        name: its name there, such as `Class.method`.
    """

    module: str | None
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


class AllowList:
    """The patterns of names that may be run.

    Args:
        patterns: names, in which `*` stands for any characters, dots included.

    Attributes:
        patterns: the same.
    """

    def __init__(self, patterns: Sequence[str]) -> None:
        self.patterns: Final = tuple(patterns)
        self._expressions: Final = [re.compile(".*".join(map(re.escape, one.split("*")))) for one in self.patterns]

    def matches(self, name: str) -> bool:
        """Whether a dotted name matches one of the patterns."""
        return any(expression.fullmatch(name) for expression in self._expressions)

    def check_name(self, path: str) -> None:
        """Raise CannotRunHere unless `path` matches. Asked before anything is imported, because importing runs code."""
        if not self.matches(_dotted(path)):
            raise CannotRunHere(f"{path} may not be run: it matches none of the patterns in {self._shown()}.")

    def check_module(self, module: str) -> None:
        """Raise CannotRunHere unless a name in that module could match, so that jobs might import it as well."""
        if not any(_may_begin_with(pattern, f"{module}.") for pattern in self.patterns):
            raise CannotRunHere(
                f"The module {module} may not be imported: no name in it could match the patterns in {self._shown()}. "
                "Name a module that they allow and that imports it, or add a pattern."
            )

    def check_step(self, path: str, found: Any, name: str) -> None:
        """Raise CannotRunHere if `name`, a part of `path`, may not be looked up in what was `found` so far.

        Modules are only ever imported by their own name, never reached through another one that has imported them; and
        from a name with two underscores on each side it is a short way to everything.
        """
        if name.startswith("__") and name.endswith("__"):
            raise CannotRunHere(
                f"{path} may not be run: {name} is one of Python's own names, which `functions` leave out."
            )
        if isinstance(found, ModuleType):
            raise CannotRunHere(
                f"{path} may not be run: it leads through the module {found.__name__}, which is only imported there. "
                f"Push {found.__name__}.{name} by that name, and allow it in {self._shown()}."
            )

    def check_home(self, path: str, module: str, found: Any) -> None:
        """Raise CannotRunHere unless what was found lives where it may be run.

        Args:
            path: its name, which matches.
            module: the module that was imported for it, by this name. What that module defines itself may be run.
            found: what it names.
        """
        if not callable(found):
            # Nobody can call it. Whoever asked for it says so better.
            return
        home = home_of(found)
        if home.module is not None and (home.module == module or self.matches(str(home))):
            return
        if home.module is None:
            lives = f"where it lives cannot be told (it is a {type(found).__name__})"
        else:
            lives = f"it lives in the module {home.module}, as {home}"
        raise CannotRunHere(
            f"{path} may not be run: {lives}, and that matches none of the patterns in {self._shown()}. Allow that, "
            f"or write a function in {module} that calls it. A decorator has to use functools.wraps."
        )

    def _shown(self) -> str:
        return f"`functions` ({', '.join(self.patterns) or 'empty'})"


def home_of(found: Any) -> Home:
    """Where a function, a method, a class or another callable is defined.

    A partial lives where its function does, a method where the class does that defines it, inherited or not, and an
    instance where its `__call__` does. What was decorated lives where `functools.wraps` says.
    """
    if isinstance(found, functools.partial):
        return home_of(found.func)
    if isinstance(found, MethodType):
        return home_of(found.__func__)
    name = _text(found, "__qualname__")
    if name is None:
        # An instance. Its class is the one place where Python looks for `__call__`.
        call = getattr(type(found), "__call__", None)  # noqa: B004
        return Home(None, "") if call is None or call is found else home_of(call)
    module = _text(found, "__module__")
    if module is None:
        # Written in C: a method, which knows its class, or its object.
        owner = getattr(found, "__objclass__", None) or type(getattr(found, "__self__", None))
        return Home(_text(owner, "__module__"), name)
    return Home(_MAIN if module == _MAIN_IN_CHILD else module, name)


def _text(found: Any, attribute: str) -> str | None:
    value = getattr(found, attribute, None)
    return value if isinstance(value, str) else None


def _dotted(path: str) -> str:
    return path.replace(":", ".")


def _may_begin_with(pattern: str, text: str) -> bool:
    """Whether something that matches the pattern begins with `text`, and goes on."""
    # All the places in the pattern where one may be after the characters so far.
    places = {0}
    for character in text:
        reached = {place for start in places for place in _with_stars(pattern, start)}
        places = {
            place if pattern[place] == "*" else place + 1
            for place in reached
            if place < len(pattern) and pattern[place] in ("*", character)
        }
    return bool(places)


def _with_stars(pattern: str, place: int) -> list[int]:
    """A place, and those after it that are reached because stars may stand for nothing."""
    places = [place]
    while place < len(pattern) and pattern[place] == "*":
        place += 1
        places.append(place)
    return places
