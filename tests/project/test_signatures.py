"""What a public signature names is public, too: nobody has to reach into the kernel for an annotation of their own."""

from __future__ import annotations

import ast
import builtins
import inspect
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, ForwardRef, ParamSpec, TypeVar

import pytest
from test_public import PUBLIC

from chancy_core import hookspecs

NAMES = [(module, name) for module in PUBLIC for name in import_module(module).__all__]
OBJECTS = [getattr(import_module(module), name) for module, name in NAMES]
# What the kernel alone calls. Of the pools `connection()` is public, as the page says; references come from `Chancy`.
INNER = {
    *("Pool.lent", "Pool.push", "Pool.run", "Pool.write", "SyncPool.push", "SyncPool.run", "SyncPool.write"),
    *("Reference.__init__", "References.__init__"),
}
# A class that a public one has as an attribute is reached by that: `Limit.Type`, `Queue.State`.
REACHED = [one for value in OBJECTS if isinstance(value, type) for name, one in vars(value).items() if name[0] != "_"]
HOOKS = [value for value in vars(hookspecs).values() if inspect.isfunction(value) and hasattr(value, "chancy_spec")]


def imported(module: ModuleType) -> dict[str, tuple[str, str]]:
    """Where the names of a module come from, those that only type checkers see included."""
    found = {}
    for node in ast.walk(ast.parse(Path(module.__file__).read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            found.update({alias.asname or alias.name: (node.module, alias.name) for alias in node.names})
        elif isinstance(node, ast.Import):
            found.update({alias.asname or alias.name: (alias.name, "") for alias in node.names})
    return found


def named(annotation: str, module: ModuleType) -> Iterator[Any]:
    """What of the kernel an annotation names; an alias is what it stands for."""
    names = imported(module)
    tree = ast.parse(annotation, mode="eval")
    # The words of a Literal name nothing.
    words = [
        word
        for node in ast.walk(tree)
        if isinstance(node, ast.Subscript) and ast.unparse(node.value) == "Literal"
        for word in ast.walk(node.slice)
    ]
    for node in ast.walk(tree):
        if node in words:
            continue
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield from named(node.value, module) if node.value.isidentifier() else ()
        if not isinstance(node, ast.Name):
            continue
        home, name = names.get(node.id, (module.__name__, node.id))
        if not home.startswith("chancy_core"):
            continue
        value = getattr(import_module(home), name, None)
        if value is None:
            assert hasattr(builtins, name), f"{annotation} names {name}, which is nothing in {home}"
        elif isinstance(value, type):
            yield value
        elif not isinstance(value, TypeVar | ParamSpec | ModuleType):
            alias = alias_of(sys.modules[home], name)
            assert alias is not None, f"{home}.{name} is neither a class nor an alias"
            yield from named(alias, sys.modules[home])


def alias_of(module: ModuleType, name: str) -> str | None:
    """What stands right of the `=` of an alias."""
    for node in ast.parse(Path(module.__file__).read_text()).body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.target.id == name:
            return ast.unparse(node.value)
        if isinstance(node, ast.Assign) and [ast.unparse(target) for target in node.targets] == [name]:
            return ast.unparse(node.value)
    return None


def signatures(value: Any) -> Iterator[tuple[str, Any]]:
    """The functions of a public object, and the fields of a class: whatever has annotations, by its name."""
    if not isinstance(value, type):
        if callable(value):
            yield getattr(value, "__name__", "?"), inspect.unwrap(value)
        return
    if value.__module__.startswith("chancy_core"):
        yield value.__name__, value
    for name, member in vars(value).items():
        if name.startswith("_") and name not in ("__init__", "__call__", "__enter__", "__aenter__"):
            continue
        function = member.fget if isinstance(member, property) else getattr(member, "__func__", member)
        if inspect.isfunction(function):
            yield f"{value.__name__}.{name}", function


def annotations_of(value: Any) -> dict[str, str]:
    found = {name: one for name, one in getattr(value, "__annotations__", {}).items() if not name.startswith("_")}
    return {name: text_of(one) for name, one in found.items()}


def text_of(annotation: Any) -> str:
    if isinstance(annotation, ForwardRef):
        return annotation.__forward_arg__
    return annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)


def module_of(value: Any) -> ModuleType:
    operation = getattr(value, "operation", None)
    return sys.modules[(operation.begin if operation else value).__module__]


def not_public(value: Any) -> set[str]:
    return {
        f"{where}({argument}): {one.__module__}.{one.__qualname__}"
        for where, function in signatures(value)
        if where not in INNER
        for argument, annotation in annotations_of(function).items()
        for one in named(annotation, module_of(function))
        if not any(one is public for public in (*OBJECTS, *REACHED))
    }


@pytest.mark.parametrize(("module", "name"), NAMES, ids=str)
def test_what_a_signature_names_is_public(module: str, name: str) -> None:
    """Whatever a public function takes or returns, and a public class has, can be imported from a public module."""
    assert not_public(getattr(import_module(module), name)) == set()


@pytest.mark.parametrize("hook", HOOKS, ids=lambda hook: hook.__name__)
def test_what_a_hook_names_is_public(hook: Any) -> None:
    """A plugin's author can write the signature of every hook."""
    assert not_public(hook) == set()


def test_a_name_that_is_not_public_would_be_found() -> None:
    """The tests before this one can fail: at a class, at an alias, inside of others, and where checkers alone look."""
    found = [
        {one.__qualname__ for one in named(annotation, sys.modules["chancy_core.hookspecs"])}
        for annotation in ("Verdict | None", "Sequence[list[Verdict]]", "'Tick'", "float | timedelta")
    ]
    assert found == [{"Verdict"}, {"Verdict"}, {"Tick"}, set()]
    assert not_public(sys.modules["chancy_core.store.flow"].run) != set()
    assert len(NAMES) > 80
    assert len(HOOKS) > 15
