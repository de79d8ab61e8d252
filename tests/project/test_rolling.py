"""A rolling deploy and a roll-back, with wheels: one release beside the next, on one schema."""

from __future__ import annotations

import base64
import hashlib
import zipfile
from pathlib import Path

import psycopg
import pytest
from test_wheels import (
    ENDS_WITHIN_S,
    Chancy,
    Environment,
    chancy,  # noqa: F401 -- a fixture
    environment,  # noqa: F401 -- a fixture
    pip,
    wheels,  # noqa: F401 -- a fixture
)

from chancy_core.store.migrate import kernel_migrations

pytestmark = pytest.mark.timeout(4 * ENDS_WITHIN_S)
NEXT = len(kernel_migrations()) + 1
INDEX = "-- compatible: yes\n-- without transaction\nCREATE INDEX CONCURRENTLY jobs_by_func ON {schema}.jobs (func);\n"
COMPATIBLE = "-- compatible: yes\nALTER TABLE {schema}.jobs ADD COLUMN later integer;\n"
# The release after that takes away what the one before may have used.
BREAKING = "ALTER TABLE {schema}.workers RENAME COLUMN status TO state;\n"


def release(old: Path, folder: Path, *texts: str) -> Path:
    """The wheel of a later release, which differs in what it adds to the tables."""
    folder.mkdir()
    made = folder / old.name
    added = {f"chancy_core/store/migrations/{n:04}_later.sql": text for n, text in enumerate(texts, NEXT)}
    with zipfile.ZipFile(old) as before, zipfile.ZipFile(made, "w") as after:
        for name in before.namelist():
            content = before.read(name)
            if name.endswith(".dist-info/RECORD"):
                content += "".join(map(_record, added, added.values())).encode()
            after.writestr(name, content)
        for name, text in added.items():
            after.writestr(name, text)
    return made


def _record(name: str, text: str) -> str:
    digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode().rstrip("=")
    return f"{name},sha256={digest},{len(text.encode())}\n"


def install(environment: Environment, wheel: Path) -> None:  # noqa: F811 -- as the fixture is called
    pip("install", "--quiet", "--no-deps", "--force-reinstall", wheel, python=environment.python)


async def test_two_releases_work_side_by_side_and_the_newer_one_is_taken_back(
    environment,  # noqa: F811
    chancy: Chancy,  # noqa: F811
    wheels,  # noqa: F811
    tmp_path,
    dsn,
    schema,
):
    """The old worker works on while the new code migrates; then the old code starts anew, and works on those tables.

    The release after that says that nobody can live with its tables who does not know them, and nobody does.
    """
    (old,) = wheels.glob("chancy_core-*.whl")
    compatible = release(old, tmp_path / "compatible", COMPATIBLE, INDEX)
    breaking = release(old, tmp_path / "breaking", COMPATIBLE, INDEX, BREAKING)
    try:
        chancy("migrate")
        before = await chancy.work()
        assert '"noted"' in chancy("push", "work.note", "--wait")

        install(environment, compatible)
        assert f"is at version {NEXT - 1} of kernel, and this code needs {NEXT + 1}" in chancy.refuses("worker")
        assert chancy.applies() == [f"kernel {NEXT}", f"kernel {NEXT + 1}"]
        # The worker of the release before runs what the new code pushes: there is no other one.
        assert before.poll() is None
        assert '"noted"' in chancy("push", "work.note", "--wait")
        chancy.stop(before)
        new = await chancy.work()
        assert '"noted"' in chancy("push", "work.note", "--wait")

        install(environment, old)
        assert chancy("migrate").endswith("is up to date.\n")
        assert '"noted"' in chancy("push", "work.note", "--wait")
        chancy.stop(new)
        back = await chancy.work()
        assert '"noted"' in chancy("push", "work.note", "--wait")
        chancy.stop(back)

        install(environment, breaking)
        assert chancy.applies() == [f"kernel {NEXT + 2}"]
        for other in (compatible, old):
            install(environment, other)
            for command in (("worker",), ("migrate",), ("push", "work.note")):
                said = chancy.refuses(*command)
                assert f"code older than version {NEXT + 2} does not work any more" in said.replace("\n", " ")
    finally:
        install(environment, old)
    with psycopg.connect(dsn) as connection:
        rows = connection.execute(
            f"SELECT version, oldest FROM {schema}.migrations WHERE version >= {NEXT - 1} ORDER BY 1"
        )
        (_, oldest), *later = rows.fetchall()
        assert later == [(NEXT, oldest), (NEXT + 1, oldest), (NEXT + 2, NEXT + 2)]
