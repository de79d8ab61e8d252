"""The site of the documentation: it builds without a warning, its links lead somewhere, and questions are answered."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from html import unescape
from importlib import import_module
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from docpages import ROOT
from sites import QUESTIONS, built


@pytest.fixture
def checking(monkeypatch: pytest.MonkeyPatch):
    """What the build looks at its links with."""
    monkeypatch.syspath_prepend(str(ROOT / "docs" / "site"))
    yield import_module("checking")
    sys.modules.pop("checking")


def links_of(page: Path) -> Iterator[Path]:
    """The pages that one leads to."""
    for link in re.findall(r'<a\b[^>]*?\shref="([^"]*)"', page.read_text()):
        parts = urlsplit(unescape(link))
        if not parts.scheme and parts.path.endswith(".html"):
            yield (page.parent / parts.path).resolve()


def test_the_site_builds_without_a_warning() -> None:
    """Every page is read, every link and anchor is followed, and every public name tells of itself."""
    site = built()
    assert (site / "index.html").is_file()
    assert (site / "searchindex.js").is_file()
    for page in ("changelog", "contributing", "readme", "plugins/cron", "adr/index", "reference/api/chancy"):
        assert (site / f"{page}.html").is_file(), page


def test_a_dead_link_is_found(checking, tmp_path: Path) -> None:
    """Each way in which a link can be wrong is told; what is right is not."""
    (tmp_path / "other.html").write_text('<h1 id="there">There</h1>')
    (tmp_path / "one.html").write_text(
        '<h1 id="here">Here</h1> <a class="x" href="#here"> <a href="other.html#there"> <a href="https://example.org/">'
        '<a href="#nowhere"> <a href="other.html#nowhere"> <a href="gone.html"> <img src="gone.png">'
        '<script src="https://example.org/x.js"> <link rel="stylesheet" href="https://example.org/x.css">'
    )
    (tmp_path / "sheet.css").write_text("@font-face { src: url(https://example.org/font.woff2) }")
    assert sorted(fault.split(": ")[1].split(" ")[0] for fault in checking.faults(tmp_path)) == [
        "#nowhere", "gone.html", "gone.png", "it", "it", "it", "other.html#nowhere"
    ]  # fmt: skip


def test_every_page_is_in_the_list_at_the_left() -> None:
    """Whoever follows the list reaches each page; shown files, examples and single decisions are apart."""
    site = built()
    (bar,) = re.findall(r'<div class="sidebar-tree">.*?</div>', (site / "index.html").read_text(), re.DOTALL)
    listed = {urlsplit(link).path for link in re.findall(r'href="([^"]+)"', bar)}
    pages = {
        page.relative_to(site).as_posix()
        for page in site.rglob("*.html")
        if page.relative_to(site).parts[0] not in {"source", "examples", "adr"}
    }
    apart = {"genindex.html", "search.html", "index.html"}
    assert pages - listed - apart == set()


@pytest.mark.parametrize("asked", QUESTIONS)
def test_each_question_is_answered_two_clicks_from_the_first_page(asked: str) -> None:
    """Of what people ask of job queues, each has a page, and the first page leads there."""
    site = built()
    first = {page for page in links_of(site / "index.html") if page.is_file()}
    second = first | {page for one in first for page in links_of(one)}
    answer = (site / f"{QUESTIONS[asked]}.html").resolve()
    assert answer.is_file()
    assert answer in second


@pytest.mark.parametrize("module", ["chancy", "chancy.errors", "chancy.executors", "chancy.plugin", "chancy.testing"])
def test_every_public_name_tells_of_itself_on_the_site(module: str) -> None:
    """A place for each name, and a sentence there."""
    pages = "".join(page.read_text() for page in (built() / "reference/api").glob("*.html"))
    for name in import_module(module).__all__:
        found = re.search(rf'<dt [^>]*id="chancy[\w.]*\.{name}">.*?</dt>\s*<dd>\s*<(p|em|div)', pages, re.DOTALL)
        assert found, f"{module}.{name}"
