"""Programs of the pages of how-to that are more than one file."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from docpages import BLOCK, ROOT

HOW_TO = ROOT / "docs" / "how-to"


def write(page: str, folder: Path) -> str:
    """Write the Python files of a page; returns the page."""
    text = (HOW_TO / page).read_text()
    for kind, title, _, code in BLOCK.findall(text):
        if kind == "python" and title.endswith(".py"):
            (folder / title).parent.mkdir(exist_ok=True)
            (folder / title).write_text(code)
    return text


def test_the_executor_of_the_page_runs_no_job_elsewhere(python: Callable[..., str], tmp_path: Path) -> None:
    """The program says so, and the page says what it prints."""
    page = write("write-an-executor.md", tmp_path)
    (told,) = re.findall(r'^```text title="prints"\n(.*?)^```', page, re.DOTALL | re.MULTILINE)
    assert python("program.py") == told


def test_a_test_of_the_page_about_tests_fails(
    python: Callable[..., str], environment: dict[str, str], tmp_path: Path, dsn: str
) -> None:
    """They pass as they stand, and find what breaks."""
    write("testing.md", tmp_path)
    environment["CHANCY_TEST_DSN"] = dsn
    said = python("-m", "pytest", "-q", "-p", "no:cacheprovider", "test_orders.py")
    assert "4 passed" in said


TRACKERS = {
    "see what is stuck": "see-what-is-stuck.md",
    "once a day for each customer": "once-a-day.md",
    "stop a job": "stop-a-job.md",
    "avoid running a job twice": "avoid-running-twice.md",
    "deploy without losing jobs": "deploy.md",
    "test your jobs": "testing.md",
    "use your sqlalchemy session": "sqlalchemy.md",
    "limit calls to an api": "limit-api-calls.md",
    "pass a file to a job": "pass-a-file.md",
    "coming from celery": "coming-from/celery.md",
}


@pytest.mark.parametrize("asked", TRACKERS)
def test_a_question_of_trackers_was_no_heading(asked: str) -> None:
    """The page that answers it has it as its title, in the words of those who ask."""
    assert asked in (HOW_TO / TRACKERS[asked]).read_text().splitlines()[0].lower()


PAGES = sorted(HOW_TO.glob("*.md"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_ended_without_saying_where_to_go_next(page: Path) -> None:
    """Its last paragraph has a link."""
    assert "](" in page.read_text().rstrip().rpartition("\n\n")[2]


def imported(page: Path) -> Iterator[tuple[str, str]]:
    """What the Python of a page imports from Chancy: the module, and the name. Raises SyntaxError."""
    for kind, _, _, code in BLOCK.findall(page.read_text()):
        for node in ast.walk(ast.parse(code)) if kind == "python" else ():
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("chancy"):
                yield from ((node.module or "", name.name) for name in node.names)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_imported_a_name_that_there_is_not(page: Path) -> None:
    """Whether or not its code is run elsewhere: it is Python, and what it takes from us is there."""
    for module, name in imported(page):
        found = pytest.importorskip(module, reason=f"needs {module}")
        assert hasattr(found, name), f"{module} has no {name}"
