"""The pages of the documentation, and what is in them."""

from __future__ import annotations

import re
from pathlib import Path

import psycopg

ROOT = Path(__file__).parents[2]


PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]


BLOCK = re.compile(r'^```(\w+)(?: title="([^"]*)")?(?: needs="(\w+)")?\n(.*?)^```', re.DOTALL | re.MULTILINE)


PRINTS = re.compile(r'\s*```text title="prints"\n(.*?)^```', re.DOTALL | re.MULTILINE)


ENDS_WITHIN_S = 300


def without_failed_attempts(said: str) -> str:
    """What a program said but for the attempts of jobs that failed, which are told with their tracebacks."""
    return re.sub(r"^attempt_failed .*\n(?:Traceback .*\n(?: .*\n|\n)*.*\n)+", "", said, flags=re.MULTILINE)


def workers(dsn: str, schema: str) -> int:
    """How many workers are registered; none before there is a table for them."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        try:
            return connection.execute(f'SELECT count(*) FROM "{schema}".workers'.encode()).fetchone()[0]
        except psycopg.errors.UndefinedTable:
            return 0


def prints(program: str) -> str | None:
    """What the block after a program says that it prints; None if there is no such block."""
    (page,) = {page for page in PAGES if f"\n{program}```" in page.read_text()}
    found = PRINTS.match(page.read_text().partition(f"\n{program}```")[2])
    return found[1] if found else None
