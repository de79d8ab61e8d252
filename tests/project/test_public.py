"""What is public: the names that plugins and applications may rely on, and that plugins rely on nothing else."""

from __future__ import annotations

import ast
import re
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PUBLIC = ("chancy", "chancy.errors", "chancy.executors", "chancy.plugin", "chancy.testing")
PLUGIN_FILES = sorted(
    file
    for folder in (*(ROOT / "plugins").iterdir(), ROOT / "examples" / "plugin-template")
    for file in folder.rglob("*.py")
    if not {".venv", "build"} & set(file.parts)
)


@pytest.mark.parametrize("module", PUBLIC)
def test_every_public_name_is_there(module: str) -> None:
    """Each name can be imported, is in `dir`, and stands once and in order in `__all__`."""
    found = import_module(module)
    assert all(hasattr(found, name) for name in found.__all__)
    assert set(found.__all__) <= set(dir(found))
    assert len(set(found.__all__)) == len(found.__all__)


@pytest.mark.parametrize("module", PUBLIC)
def test_the_page_of_public_names_lists_just_those(module: str) -> None:
    """A row for each name, in their order, with a line that says what it is; and none for what is not there."""
    sections = re.split(r"^## `([\w.]+)`$", (ROOT / "docs/reference/public.md").read_text(), flags=re.MULTILINE)[1:]
    listed = dict(zip(sections[::2], sections[1::2], strict=True))
    assert sorted(listed) == sorted(PUBLIC)
    rows = re.findall(r"^\| `(\w+)` \| (.+) \|$", listed[module], re.MULTILINE)
    assert [name for name, _ in rows] == sorted(import_module(module).__all__)
    assert all(told.strip() for _, told in rows)


@pytest.mark.parametrize("module", ["chancy.plugin"])
def test_type_checkers_and_python_see_the_same_names(module: str) -> None:
    """A module that imports its names late says twice where they live: the same."""
    found = import_module(module)
    tree = ast.parse(Path(found.__file__).read_text())
    block = next(node for node in tree.body if isinstance(node, ast.If))
    seen = {(line.module, alias.name) for line in block.body for alias in line.names}
    assert seen == {(home, name) for home, names in found._HOMES.items() for name in names}
    assert {name for _, name in seen} == set(found.__all__)


def test_a_name_that_is_not_public_is_refused() -> None:
    """As by any module."""
    with pytest.raises(ImportError, match="cannot import name 'Statments'"):
        exec("from chancy.plugin import Statments")


def test_what_plugins_define_in_errors_is_all_of_the_tree() -> None:
    """Every exception of the kernel's tree is in `chancy.errors`, so that whoever catches one can name it."""
    errors, kernel = import_module("chancy.errors"), import_module("chancy_core.errors")
    classes = {
        name for name, value in vars(kernel).items() if isinstance(value, type) and issubclass(value, BaseException)
    }
    assert set(errors.__all__) == classes


def imports_of(file: Path) -> list[tuple[str, str]]:
    """What a file imports of Chancy: the module, and the name; for a plain import, no name."""
    found = []
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found.extend((alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            found.extend((node.module or "", alias.name) for alias in node.names)
    return [(module, name) for module, name in found if re.match(r"chancy(_core)?(\.|$)", module)]


@pytest.mark.parametrize("file", PLUGIN_FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_plugins_import_only_what_is_public(file: Path) -> None:
    """Their sources, their tests and their benchmarks: public names of public modules, and installed plugins."""
    for module, name in imports_of(file):
        if module.startswith("chancy.plugins."):
            continue
        assert module in PUBLIC, f"{module} is not public"
        assert not name or name in import_module(module).__all__, f"{module}.{name} is not public"


def test_there_is_something_to_look_at() -> None:
    """The files above are found, and they do import the public modules."""
    assert {module for file in PLUGIN_FILES for module, _ in imports_of(file)} >= set(PUBLIC) - {"chancy.executors"}
