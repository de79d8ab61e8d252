"""The tutorial, typed from its first page to its last into an empty folder, prints what it shows."""

from __future__ import annotations

import os
import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import psycopg
import pytest
from docpages import ROOT
from psycopg.conninfo import make_conninfo
from typist import Typist, typed_in

CHAPTERS = sorted((ROOT / "docs/tutorial").glob("*.md"))
for plugin in ("chancy_cron", "chancy_dashboard", "chancy_doctor"):
    pytest.importorskip(plugin, reason=f"the tutorial installs {plugin}")


@contextmanager
def databases(dsn: str, *purposes: str) -> Iterator[list[str]]:
    """Databases of their own, because the pages show the schema `chancy`."""
    names = [f"{purpose}_{uuid.uuid4().hex[:12]}" for purpose in purposes]
    with psycopg.connect(dsn, autocommit=True) as admin:
        try:
            for name in names:
                admin.execute(f"CREATE DATABASE {name}".encode())
            yield [make_conninfo(dsn, dbname=name) for name in names]
        finally:
            for name in names:
                admin.execute(f"DROP DATABASE IF EXISTS {name} (FORCE)".encode())


def test_a_chapter_did_not_do_what_it_says(dsn: str, tmp_path: Path) -> None:
    """Every file and every command, in their order; what is shown below a command is what it prints."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("CHANCY_", "PYTEST_"))}
    with databases(dsn, "tutorial", "deployed") as (first, second):
        environment = {**plain, "CHANCY_DSN": first, "CHANCY_TEST_DSN": dsn}
        # Its windows are no terminals. And pytest-asyncio is here already before the page sets what it asks for.
        environment["CHANCY_LOG_FORMAT"] = "console"
        environment["PYTEST_ADDOPTS"] = "-p no:cacheprovider -o asyncio_default_fixture_loop_scope=function"
        typist = Typist(tmp_path, environment, given={"CHANCY_DSN": second})
        try:
            for chapter in CHAPTERS:
                typist.type(chapter)
        finally:
            typist.end()


def test_the_chapters_are_listed_in_their_order() -> None:
    """The first page names each chapter, and each chapter leads to the next."""
    numbers = [int(chapter.name.partition("-")[0]) for chapter in CHAPTERS]
    assert numbers == list(range(1, len(CHAPTERS) + 1))
    listed = re.findall(r"\]\(tutorial/([\w-]+\.md)\)", (ROOT / "docs/tutorial.md").read_text())
    assert list(dict.fromkeys(listed)) == [chapter.name for chapter in CHAPTERS]
    for chapter, following in pairwise(CHAPTERS):
        assert f"]({following.name})" in chapter.read_text()


def test_the_comparison_of_output_sees_a_difference(tmp_path: Path) -> None:
    """What varies may vary, an id of the page is one id here, and a wrong word is told."""
    typist = Typist(tmp_path, os.environ, given={})
    try:
        ids = [str(uuid.UUID(int=number)) for number in (1, 2, 3)]
        (typed,) = typed_in(f"$ true  # a remark\n{ids[0]} ran 3 ms …, at 2026-11-28 15:41:07\n")
        assert typed.line == "true"
        assert typist._compare(typed, 0, f"{ids[1]}  ran 41.5 s on x, at 2030-01-01 00:00:00\n") is None
        assert "where the page shows" in typist._compare(typed, 0, f"{ids[2]} ran 3 ms x, at 2026-11-28 15:41:07")
        assert "where the page shows" in typist._compare(typed, 0, f"{ids[1]} slept 3 ms x, at 2026-11-28 15:41:07")
        assert "ended with 3" in typist._compare(typed._replace(shows=""), 3, "")
    finally:
        typist.end()
