"""The house: no circle of imports, no file and no class that a reader cannot hold in his head."""

from __future__ import annotations

import ast
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).parents[2]
# A long file is two files. Why these numbers: what is longer has always turned out to be two things.
LINES_MAX = 350
METHODS_MAX = 19


def sources() -> list[Path]:
    """Every Python file of the repository; what is installed beside it is none of them."""
    skipped = {".venv", ".peers", "build", "dist"}
    return [path for path in ROOT.rglob("*.py") if not skipped & set(path.relative_to(ROOT).parts)]


def circles(graph: grimp.ImportGraph) -> list[set[str]]:
    """The sets of modules that import each other, directly or through others."""
    found: list[set[str]] = []
    for module in graph.modules:
        if any(module in circle for circle in found):
            continue
        circle = {
            other for other in graph.find_upstream_modules(module) if module in graph.find_upstream_modules(other)
        }
        if circle:
            found.append(circle | {module})
    return found


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    return grimp.build_graph("chancy_core", "chancy", exclude_type_checking_imports=True, cache_dir=None)


def test_no_modules_import_each_other_in_a_circle(graph):
    """Whoever reads a module need not have read those that import it."""
    assert len(graph.modules) > 150
    assert circles(graph) == []


def test_a_circle_would_be_found():
    """The test before this one can fail."""
    graph = grimp.ImportGraph()
    for importer, imported in (("a", "b"), ("b", "c"), ("c", "a"), ("d", "a")):
        graph.add_import(importer=importer, imported=imported)
    assert circles(graph) == [{"a", "b", "c"}]


def test_no_file_is_too_long():
    """No Python file has more than so many lines."""
    assert len(sources()) > 300
    lines = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in sources()}
    assert {path: count for path, count in lines.items() if count > LINES_MAX} == {}


def test_no_class_has_too_many_public_methods():
    """No class of the kernel or of a plugin has twenty public methods."""
    many = {}
    for path in sources():
        if "tests" in path.relative_to(ROOT).parts:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef):
                methods = [
                    each.name
                    for each in node.body
                    if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef) and not each.name.startswith("_")
                ]
                if len(methods) > METHODS_MAX:
                    many[f"{path.relative_to(ROOT)}: {node.name}"] = len(methods)
    assert many == {}
