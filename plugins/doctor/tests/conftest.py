"""What these tests share, beyond `chancy.testing`: the `chancy` command and workers, as an operator has them."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from chancy import Chancy
from chancy.plugin import Finding, find_problems
from chancy_doctor import Doctor

ENDS_WITHIN_S = 120
COMMAND = [sys.executable, "-m", "chancy_core"]
JOBS = """
    import os, signal, time

    def ok():
        return "done"

    def nap(seconds=60):
        time.sleep(seconds)

    def fails():
        raise TimeoutError("the mail server did not answer")

    def kills():
        os.kill(os.getpid(), signal.SIGKILL)
"""


def run(command: list[str], environment: dict[str, str], folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(
        command, env=environment, cwd=folder, capture_output=True, text=True, timeout=ENDS_WITHIN_S, check=False
    )


PAGE = Path(__file__).parents[3] / "docs" / "how-to" / "something-is-wrong.md"
# What is another one each time.
CHANGING = (
    (r"by \S+@\S+?(?=[.:]\s)", "by WHO"),
    (r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}", "ID"),
    (r"\b[\w-]+(\.\d+)?\.[0-9a-f]{6}\b", "WORKER"),
    (r"/\S*/(server|sockets|postgres)\b", "PATH"),
    # Whichever of a plugin's hooks meets it last.
    (r"\b(on_tick|findings): (?=Undefined)", "HOOK: "),
    (r"The last line of its log: .*", "LINE"),
    (r"\d[\d,.]*(?!\w)( (s|min|h|d)\b)?", "N"),
    (r"[Nn]ever, as far as is known|N ago", "AT SOME TIME"),
    (r"\b[Jj]obs?\b waits?\b|\b[Jj]obs?\b", "JOBS"),
    (r"No schema there holds tables of Chancy\.|Did you mean '\w+'\?|Known: .*?\. ", "KNOWN "),
    (r"\s+", " "),
)


def settled(text: str) -> str:
    """A text without what is another one each time."""
    for pattern, instead in CHANGING:
        text = re.sub(pattern, instead, text)
    return text.strip()


def check_told(one: dict[str, Any], schema: str) -> None:
    """Check that the page of symptoms shows a finding as it is printed."""
    text = f"{one['severity'].upper()} {one['id']}\n  {one['what']}\n  why  {one['why']}\n  fix  {one['fix']}\n"
    # Where the schema has its usual name, the error does not name it.
    text = text.replace(f"Run `chancy --schema {schema} ", "Run `chancy ").replace(schema, "chancy")
    if collected := os.environ.get("DOCTOR_COLLECT"):
        with Path(collected).open("a") as file:
            file.write(f'```text title="finding"\n{text}```\n\n')
        return
    told = [settled(block) for block in re.findall(r'```text title="finding"\n(.*?)```', PAGE.read_text(), re.DOTALL)]
    assert settled(text) in told, f"{PAGE.name} does not show:\n{text}"


class Said(NamedTuple):
    """What a command said."""

    code: int
    out: str
    err: str


class Running:
    """A worker in a process of its own; its log is a file of JSON lines."""

    def __init__(self, log: Path, environment: dict[str, str], folder: Path, arguments: tuple[str, ...]) -> None:
        self.log = log
        with log.open("ab") as stderr:
            self.process = subprocess.Popen(
                [*COMMAND, "--log-format", "json", "worker", *arguments],
                stdin=subprocess.DEVNULL, stdout=stderr, stderr=stderr, env=environment, cwd=folder,
                # A job that kills its process must not take the test along.
                start_new_session=True,
            )  # fmt: skip

    def events(self, name: str) -> list[dict[str, Any]]:
        """Its events of a name, so far."""
        lines = [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]
        return [line for line in lines if line.get("event") == name]

    def told(self, id_: str) -> bool:
        """Whether its log names a finding."""
        return any(event["id"] == id_ for event in self.events("finding"))

    def end(self) -> None:
        """Make sure that it is gone, and what it has started."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where commands are run: with a module of jobs."""
    (tmp_path / "shop_jobs.py").write_text(textwrap.dedent(JOBS))
    return tmp_path


@pytest.fixture
def environment(dsn: str, schema: str) -> dict[str, str]:
    """What commands are told."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CHANCY_")}
    told = {
        "CHANCY_DSN": dsn,
        "CHANCY_SCHEMA": schema,
        "CHANCY_WORKER_LEASE_S": "2",
        "CHANCY_PLUGINS__DOCTOR__INTERVAL": "1",
        # The machine may have much else to do.
        "CHANCY_PLUGINS__DOCTOR__WITHIN_S": "30",
    }
    return {**kept, **told}


@pytest.fixture
def cli(environment: dict[str, str], folder: Path) -> Callable[..., Said]:
    """Runs a command of `chancy` to its end."""

    def call(*arguments: str, **changed: str) -> Said:
        done = run([*COMMAND, "--log-level", "error", *arguments], {**environment, **changed}, folder)
        assert not re.search("^Traceback", done.stderr, re.MULTILINE), done.stderr
        return Said(done.returncode, done.stdout, done.stderr)

    return call


@pytest.fixture
def doctor(cli: Callable[..., Said]) -> Callable[..., list[dict[str, Any]]]:
    """Runs `chancy doctor`, and returns what it found; its exit code is right."""

    def look(**changed: str) -> list[dict[str, Any]]:
        said = cli("doctor", "--json", **changed)
        document = json.loads(said.out)
        found = document["findings"]
        severities = {one["severity"] for one in found}
        assert said.code == (2 if "error" in severities else 1 if severities else 0)
        return found

    return look


@pytest.fixture
def worker(environment: dict[str, str], folder: Path, until: Any) -> Iterator[Any]:
    """Starts workers that are gone afterwards: `await worker("--tag", "gpu", CHANCY_FUNCTIONS='["a"]')`."""
    running: list[Running] = []

    async def start(*arguments: str, **changed: str) -> Running:
        one = Running(folder / f"worker-{len(running)}.log", {**environment, **changed}, folder, arguments)
        running.append(one)
        await until(lambda: one.events("worker_started"))
        return one

    yield start
    for one in running:
        one.end()


@pytest.fixture
async def chancy(dsn: str, schema: str) -> Any:
    """An open Chancy with every installed plugin, whose schema has been migrated."""
    async with Chancy(dsn, schema=schema) as opened:
        yield opened


@pytest.fixture
def finding(doctor: Callable[..., list[dict[str, Any]]], until: Any, schema: str) -> Callable[..., Any]:
    """Waits until the doctor finds something, as the page of symptoms shows it: `await finding("queue-paused")`."""

    async def wait(id_: str, **changed: str) -> dict[str, Any]:
        last: list[dict[str, Any]] = []

        def found() -> dict[str, Any] | None:
            last[:] = doctor(**changed)
            return next((one for one in last if one["id"] == id_), None)

        try:
            one: dict[str, Any] = await until(found)
        except AssertionError:
            raise AssertionError(f"no {id_}, but {last}") from None
        check_told(one, schema)
        return one

    return wait


@pytest.fixture
def told(dsn: str, schema: str, until: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Waits until a look finds something, as the page shows it: `await told("worker-lost", wait_s=1)`."""

    async def wait(id_: str, *, at: str = dsn, **thresholds: Any) -> Finding:
        # As an operator has it, so that commands to type need no options.
        monkeypatch.setenv("CHANCY_DSN", at)
        monkeypatch.setenv("CHANCY_SCHEMA", schema)
        async with Chancy(discover=False, plugins=[Doctor(within_s=60.0, **thresholds)]) as chancy:

            async def found() -> Finding | None:
                return next((one for one in await find_problems(chancy, within_s=60) if one.id == id_), None)

            one: Finding = await until(found)
            check_told(one.to_dict(), schema)
            return one

    return wait
