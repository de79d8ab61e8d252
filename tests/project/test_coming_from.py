"""Who comes from another queue finds a program of that queue, its port, and the way from one to the other."""

from __future__ import annotations

import asyncio
import os
import re
import sys
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import psycopg
import pytest
from comingfrom import EXAMPLES, PAGES, Shop, code, commands, page
from docpages import ROOT
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from benchmarks.peers.environments import PeerUnavailableError, environment
from benchmarks.peers.redis_server import redis

PACKAGES = {
    "celery": ("celery[redis]==5.7.0",),
    "rq": ("rq==2.12.0",),
    "procrastinate": ("procrastinate==3.10.0", "psycopg[binary,pool]==3.3.9"),
    "django-tasks-db": ("django-tasks-db[compat]==0.13.0", "psycopg[binary]==3.3.9"),
    "chancy-0": ("chancy[cli]==0.26.0", "psycopg[binary]==3.3.9"),
}
ON_REDIS = {"celery": "redis+socket://", "rq": "unix://"}
BOOK = [
    "order 1: charged 10 euros, booking 1",
    "order 1: sent the receipt of booking 1",
    "order 2: charged 20 euros, booking 2",
    "order 2: sent the receipt of booking 2",
    "order 3: charged 30 euros, booking 3",
    "order 3: sent the receipt of booking 3",
]
# Windows of a console that the pages show, in the order of the story.
WINDOWS = ("old worker", "old program", "new worker", "new program", "left")


@asynccontextmanager
async def database(dsn: str) -> AsyncIterator[str]:
    """A database of its own: other queues make their tables in `public`."""
    name = f"coming_{uuid.uuid4().hex[:12]}"
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as admin:
        await admin.execute(f"CREATE DATABASE {name}".encode())
        try:
            yield make_conninfo(dsn, dbname=name)
        finally:
            await admin.execute(f"DROP DATABASE {name} (FORCE)".encode())


def variables(dsn: str) -> dict[str, str]:
    """The same database for libpq, for Chancy 0 and procrastinate, and for Chancy."""
    parts = conninfo_to_dict(dsn)
    names = {"PGHOST": "host", "PGPORT": "port", "PGUSER": "user", "PGPASSWORD": "password", "PGDATABASE": "dbname"}
    libpq = {variable: str(parts[key]) for variable, key in names.items() if parts.get(key)}
    # Who reads the page has no such path.
    plain = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return {**plain, **libpq, "DATABASE_URL": dsn, "CHANCY_DSN": dsn}


@asynccontextmanager
async def shops(library: str, dsn: str, folder: Path) -> AsyncIterator[tuple[Shop, Shop]]:
    """The program before and the program after, with the database, and the Redis, that they need."""
    try:
        python = await environment(library, PACKAGES[library])
        async with database(dsn) as own:
            environ = variables(own)
            after = Shop(folder / "after", library, Path(sys.executable), environ)
            if library not in ON_REDIS:
                yield Shop(folder / "before", library, python, environ), after
                return
            async with redis() as socket:
                environ["REDIS_URL"] = f"{ON_REDIS[library]}{socket}"
                yield Shop(folder / "before", library, python, environ), after
    except PeerUnavailableError as reason:
        pytest.skip(f"{library}: {reason}")


@pytest.mark.parametrize("library", PACKAGES)
async def test_the_old_queue_is_drained_while_the_new_one_fills(library: str, dsn: str, tmp_path: Path) -> None:
    """As the page says to type it: the port does what the program did, and nothing is left behind."""
    (left,) = commands(library, "left")
    async with shops(library, dsn, tmp_path) as (before, after):
        for command in commands(library, "old tables"):
            await before.said(command.line)
        old = asyncio.create_task(before.types("old program"))
        # It waits for its results, and nobody works yet: this much is to be drained.
        await before.until(left.line, left.prints, differs=True)
        for command in commands(library, "new tables"):
            await after.said(command.line)
        async with after.working("new worker"):
            await after.types("new program")
            async with before.working("old worker"):
                await old
                await before.until_booked(len(BOOK))
                await before.until(left.line, left.prints)
            await after.until_booked(len(BOOK))
    assert before.book() == after.book() == BOOK


@pytest.mark.parametrize("library", PACKAGES)
def test_the_page_shows_the_program_that_is_run(library: str) -> None:
    """Every file of the example stands on its page as it is, and nothing else that looks like one."""
    files = sorted(file for file in (EXAMPLES / library).rglob("*") if file.suffix in (".py", ".toml"))
    assert code(library) == {str(file.relative_to(EXAMPLES / library)): file.read_text() for file in files}
    assert all(len(commands(library, window)) >= 1 for window in WINDOWS)


@pytest.mark.parametrize("library", PACKAGES)
def test_the_page_has_its_table_and_its_surprises(library: str) -> None:
    """Their word and ours, what is different, and how to drain, on all pages alike; and the way to them."""
    text = page(library)
    words = "## What differs" if library == "chancy-0" else "## Their word, and ours"
    headings = (
        "## A program, before and after",
        words,
        "## What may surprise you",
        "## Drain one while the other fills",
    )
    places = [text.index(f"\n{heading}\n") for heading in headings]
    assert places == sorted(places)
    assert len(re.findall(r"^\| .* \|$", text[places[1] : places[2]], re.MULTILINE)) > 20
    assert f"docs/how-to/coming-from/{library}.md" in (ROOT / "README.md").read_text()


def test_every_page_is_tried() -> None:
    assert sorted(PACKAGES) == sorted(file.stem for file in PAGES.glob("*.md") if file.stem != "README")
