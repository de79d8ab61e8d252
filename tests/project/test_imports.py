"""What an import brings along, which every process pays for: in time before it can begin, and in memory."""

from __future__ import annotations

import ast
import logging
import os
import pickle
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

import chancy
from chancy import Chancy, Job
from chancy_core import log as log_module
from chancy_core.log import log
from chancy_core.version import VERSION

# What is for those who use it: a printed event, a plugin to be found, a file of settings, a server of one's own.
NEVER = ("structlog", "rich", "pygments", "importlib_metadata", "tomllib", "chancy_core.embedded", "chancy_core.cli")
WORKER = ("chancy_core.worker", "chancy_core.executors", "uvloop")
DRIVER = ("psycopg", "asyncio", "pluggy", "chancy_core.store", "chancy_core.plugins", "chancy_core.app")
PROCESSES = ("chancy_core.executors.process", "chancy_core.executors.processes")

WORKER_PROGRAM = """
import asyncio, sys
from chancy import Chancy, Job, Worker

async def main():
    async with Chancy(discover=False) as chancy, Worker(chancy):
        reference = await chancy.push(Job(func="asyncio.sleep", kwargs={"delay": 0}))
        assert (await reference.wait(timeout=60)).state == "succeeded"
        print(*sys.modules)

asyncio.run(main())
"""


def loaded_by(code: str, **environment: str) -> set[str]:
    """The modules that a fresh process has loaded when it prints them."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **environment},
        cwd="/",
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def found(loaded: set[str], unwanted: tuple[str, ...]) -> list[str]:
    return sorted(name for name in loaded if name.startswith(tuple(f"{one}." for one in unwanted)) or name in unwanted)


@pytest.mark.parametrize(
    ("statement", "unwanted"),
    [
        ("from chancy import Chancy, Job", NEVER + WORKER),
        ("from chancy import Chancy, Worker", (*NEVER, *PROCESSES, "uvloop")),
        ("from chancy import Job, Limit, Queue, job, hookimpl", NEVER + WORKER + tuple(set(DRIVER) - {"pluggy"})),
        ("import chancy; dir(chancy), chancy.__all__", NEVER + WORKER + DRIVER),
    ],
)
def test_an_import_brings_only_what_it_needs(statement: str, unwanted: tuple[str, ...]) -> None:
    """Whoever imports the public names loads what they need, and nothing of the rest."""
    loaded = loaded_by(f"{statement}; import sys; print(*sys.modules)")
    assert "chancy" in loaded
    assert found(loaded, unwanted) == []


def test_a_worker_at_work_has_loaded_no_more_than_it_uses(dsn: str, schema: str) -> None:
    """A worker with no file, no plugin, no limit and no event to print runs jobs without the modules for those."""
    loaded = loaded_by(WORKER_PROGRAM, CHANCY_DSN=dsn, CHANCY_SCHEMA=schema)
    assert "chancy_core.executors.auto" in loaded
    assert found(loaded, NEVER + PROCESSES) == []


def test_the_version_is_that_of_the_distribution() -> None:
    """Workers tell it in their tags, without looking for what is installed."""
    assert version("chancy-core") == VERSION


def test_every_public_name_is_there() -> None:
    """Each name can be imported, by itself and by `*`, is the one that type checkers see, and is in `dir`."""
    tree = ast.parse(Path(chancy.__file__).read_text())
    block = next(node for node in tree.body if isinstance(node, ast.If))
    seen = {(alias.name, line.module) for line in block.body for alias in line.names}
    assert seen == set(chancy._HOME_OF.items())
    assert sorted(chancy.__all__) == sorted(chancy._HOME_OF)
    assert set(chancy.__all__) <= set(dir(chancy))
    names: dict[str, object] = {}
    exec("from chancy import *", names)
    assert set(chancy.__all__) <= set(names)
    assert all(names[name] is getattr(chancy, name) for name in chancy.__all__)
    assert names["Chancy"] is Chancy


def test_an_unknown_name_is_refused() -> None:
    """As by any module, and plugins' packages are still found."""
    with pytest.raises(AttributeError, match="module 'chancy' has no attribute 'Wroker'"):
        chancy.Wroker  # noqa: B018
    with pytest.raises(ImportError, match="cannot import name 'Wroker'"):
        exec("from chancy import Wroker")
    assert found(loaded_by("from chancy import plugins; print(plugins.__name__)"), ("chancy.plugins",))


def test_a_job_comes_out_of_a_pickle_in_a_process_that_imported_nothing() -> None:
    """Classes are pickled by where they live, so that it does not matter what was imported."""
    code = "import pickle, sys; print(type(pickle.loads(bytes.fromhex(sys.stdin.read()))).__name__)"
    text = pickle.dumps(Job(func="a.b")).hex()
    done = subprocess.run([sys.executable, "-c", code], input=text, capture_output=True, text=True, check=True)
    assert done.stdout == "Job\n"


# -- events, for which structlog is loaded when the first is written -------------------------


def test_an_event_is_told_even_if_structlog_cannot_be_loaded(monkeypatch, caplog) -> None:
    """Out of file descriptors, nothing can be imported; the event that says so is written all the same."""

    def none_left() -> None:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(log_module, "_structlog", none_left)
    log.error("connection_lost", error="Too many open files", exc_info=ValueError("x"))
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert "connection_lost" in record.getMessage()
    assert (record.event, record.fields) == ("connection_lost", {"error": "Too many open files"})
    assert record.exc_info[0] is ValueError


@pytest.mark.parametrize("level", ["debug", "info", "warning", "error"])
def test_an_event_has_its_level_and_fields(level: str, caplog) -> None:
    """As text for people, and as a dict for formatters; a field may have any name."""
    with caplog.at_level(logging.DEBUG, logger="chancy"):
        getattr(log, level)("jobs_done", count=3, level="%s")
    (record,) = caplog.records
    assert record.levelname == level.upper()
    assert record.getMessage() == "jobs_done count=3 level='%s'"
    assert record.fields == {"count": 3, "level": "%s"}


def test_an_event_is_the_same_if_the_application_renames_the_levels(monkeypatch, caplog) -> None:
    """An event reads as ever where the names of levels have colours, as in many applications."""
    monkeypatch.setattr(logging, "getLevelName", lambda level: f"\x1b[31m{level}\x1b[0m")
    log.error("jobs_done", count=3)
    (record,) = caplog.records
    assert record.getMessage() == "jobs_done count=3"


def test_an_event_below_the_level_costs_nothing(monkeypatch, caplog) -> None:
    """Nothing is loaded or rendered for an event that nobody wants."""
    monkeypatch.setattr(log_module, "_structlog", lambda: pytest.fail("it was rendered"))
    with caplog.at_level(logging.WARNING, logger="chancy"):
        log.info("jobs_done", count=3)
    assert not caplog.records
