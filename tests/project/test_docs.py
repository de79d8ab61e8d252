"""What the documentation shows works."""

from __future__ import annotations

import importlib.util
import os
import re
import shlex
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click
import pytest
from docpages import BLOCK, ENDS_WITHIN_S, PAGES, ROOT, prints, workers

from chancy import Chancy, Job
from chancy_core import config
from chancy_core.cli.group import chancy as command

LINK = re.compile(r"\]\((?!https?:|#)([^)#]+)")


def blocks(language: str, title: str | None = None) -> list[Any]:
    """The code blocks of one kind in the documentation; those that need what is not installed are skipped."""
    return [
        pytest.param(
            code,
            id=f"{page.relative_to(ROOT)}-{number}",
            marks=[pytest.mark.skipif(bool(needs) and not importlib.util.find_spec(needs), reason=f"needs {needs}")],
        )
        for page in PAGES
        for number, (found, name, needs, code) in enumerate(BLOCK.findall(page.read_text()), 1)
        if found == language and title in (None, name)
    ]


@pytest.fixture
def started(
    environment: dict[str, str], dsn: str, schema: str, tmp_path: Path
) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts Python, and returns when a worker has registered and listens to signals."""
    running: list[subprocess.Popen[str]] = []

    def start(*arguments: str | Path) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, *arguments], env=environment, stderr=subprocess.PIPE, text=True, cwd=tmp_path
        )
        running.append(process)
        deadline = time.monotonic() + ENDS_WITHIN_S
        while not (workers(dsn, schema) and waits_for_sigterm(process.pid)):
            assert process.poll() is None, process.stderr.read()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        return process

    yield start
    for process in running:
        process.kill()
        process.communicate()


def waits_for_sigterm(pid: int) -> bool:
    """Whether a process handles SIGTERM by now; before that a signal would just kill it."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return True  # no /proc on this system
    caught = int(re.search(r"^SigCgt:\s*(\w+)$", status, re.MULTILINE)[1], 16)
    return bool(caught >> (signal.SIGTERM - 1) & 1)


@pytest.mark.parametrize("program", blocks("python", "run"))
def test_every_complete_program_runs(
    program: str, python: Callable[..., str], environment: dict[str, str], tmp_path: Path, dsn: str, schema: str
) -> None:
    """A program that the documentation shows as complete runs as it stands, and prints what it is said to print.

    Whoever tries it has tried others before, and their jobs are still there, in the embedded database, whose tables are
    brought up to date unasked.
    """
    environment["CHANCY_AUTO_MIGRATE"] = "true"
    with Chancy(dsn, schema=schema) as chancy:
        chancy.sync_push(Job(func="app.mail.remind", scheduled_at=datetime.now(UTC) + timedelta(days=1)))
    (tmp_path / "example.py").write_text(program)
    printed = python("example.py")
    said = prints(program)
    assert said in (None, printed)


@pytest.mark.parametrize("program", blocks("python", "run until stopped"))
def test_every_worker_program_stops_when_told(program: str, started: Callable[..., Any], tmp_path: Path) -> None:
    """A program that the documentation shows as a worker runs as it stands, and ends well on SIGTERM."""
    (tmp_path / "example.py").write_text(program)
    process = started("example.py")
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=ENDS_WITHIN_S)
    assert process.returncode == 0, errors


def test_the_first_job_is_the_one_of_the_readme(python: Callable[..., str]) -> None:
    """The README's program is the example's, and greets."""
    example = ROOT / "examples" / "first_job.py"
    assert f'```python title="run"\n{example.read_text()}```' in (ROOT / "README.md").read_text()
    assert python(example) == "Hello, Alice!\n"


def test_the_demo_ends_cleanly_on_ctrl_c(environment: dict[str, str]) -> None:
    """Ctrl-C in the demo, of a clone or of the wheels, at any moment: one line, no traceback, exit code 130."""
    environment["CHANCY_EMBEDDED_DIR"] = str(Path(os.environ["PYTEST_CHANCY_SERVER"]) / "postgres")
    made, installed = [ROOT / "examples" / "demo.py"], ["-m", "chancy_core", "demo"]
    for program, moment in ((made, "A private PostgreSQL"), (installed, "Chancy demo"), (installed, "Pushed")):
        demo = subprocess.Popen(
            [sys.executable, "-u", *program],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for line in demo.stdout:
            if line.startswith(moment):
                break
        demo.send_signal(signal.SIGINT)
        rest, _ = demo.communicate(timeout=ENDS_WITHIN_S)
        assert demo.returncode == 130, rest
        assert "Traceback" not in rest
        assert rest.count("Stopped.") == 1


async def test_the_endpoints_answer_in_json(dsn: str, schema: str) -> None:
    """What the documentation shows for FastAPI pushes a job and tells of it, every field as JSON."""
    pytest.importorskip("fastapi", reason="needs fastapi")
    client = pytest.importorskip("httpx", reason="needs httpx")
    ((code,),) = (block.values for block in blocks("python", "fastapi"))
    names: dict[str, Any] = {}
    exec(code, names)
    async with Chancy(dsn, schema=schema, discover=False) as chancy:
        app = client.ASGITransport(app=names["endpoints"](chancy))
        async with client.AsyncClient(transport=app, base_url="http://test") as web:
            id_ = (await web.post("/reports", params={"customer": 5})).json()["id"]
            told = (await web.get(f"/reports/{id_}")).json()
            assert (await web.get("/reports/none")).status_code == 422
            assert (await web.get("/reports/01939f3c-7b1e-7c3a-8000-0123456789ab")).status_code == 404
    assert (told["id"], told["state"], told["kwargs"]) == (id_, "pending", {"customer": 5})


@pytest.mark.parametrize("code", blocks("python", "django"))
def test_django_snippets_run(code: str, python: Callable[..., str], tmp_path: Path) -> None:
    """What the documentation shows for Django works in Django."""
    (tmp_path / "example.py").write_text(DJANGO.replace("CODE", textwrap.indent(code, "    ")))
    assert python("example.py") == "pending\n"


DJANGO = """
import os
from chancy import Chancy, Job
from django.conf import settings
from psycopg.conninfo import conninfo_to_dict

parts = conninfo_to_dict(os.environ["CHANCY_DSN"])
names = {name.upper(): str(parts.pop(key, "")) for name, key in (
    ("name", "dbname"), ("user", "user"), ("password", "password"), ("host", "host"), ("port", "port"))}
parts.pop("client_encoding", None)
settings.configure(DATABASES={"default": {"ENGINE": "django.db.backends.postgresql", **names, "OPTIONS": parts}})
with Chancy() as chancy:
CODE
    print(chancy.sync_get_job(reference).state)
"""


@pytest.mark.parametrize("query", [q for b in blocks("sql", "run") for q in b.values[0].split(";\n") if q.strip()])
async def test_every_query_runs(query: str, chancy: Any) -> None:
    """A query that the documentation shows runs on a schema of today."""
    text = query.replace("chancy.", f'"{chancy.settings.schema}".')
    async with chancy.pool.connection() as connection:
        await connection.execute(text.encode())


@pytest.mark.parametrize("text", [*blocks("toml", ""), *blocks("toml", "chancy.toml")])
def test_every_configuration_loads(text: str, tmp_path: Path) -> None:
    """A configuration that the documentation shows is accepted."""
    file = tmp_path / "chancy.toml"
    file.write_text(text)
    assert config.load_settings(file, environ={}).file == file


COMMANDS = sorted(
    {
        line.partition("#")[0].strip()
        for block in blocks("console")
        for line in re.findall(r"^\$ chancy (.*)$", block.values[0], re.MULTILINE)
    }
)


@pytest.mark.parametrize("line", COMMANDS)
def test_every_command_is_understood(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A command that the documentation shows exists, with these options; plugins of this repository bring some."""
    monkeypatch.setenv("CHANCY_DISCOVER", "true")
    found, arguments = command, shlex.split(line)
    context = click.Context(command)
    while isinstance(found, click.Group):
        _, (name, *arguments), _ = found.make_parser(context).parse_args(arguments)
        found = found.get_command(context, name)
        assert found is not None, name
        context = click.Context(found, parent=context)
    found.parse_args(context, arguments)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    """Every relative link in the documentation names a file that exists."""
    for target in LINK.findall(page.read_text()):
        assert (page.parent / target).exists(), target


def test_there_is_something_to_test() -> None:
    """The patterns above find what they are for: each kind of block is there."""
    for kind in (("python", "run"), ("python", "run until stopped"), ("sql", "run"), ("toml", None)):
        assert blocks(*kind), kind
    assert COMMANDS
