"""The distributions, built and installed the way a user does it: by name, into an environment that has nothing else."""

from __future__ import annotations

import base64
import email
import fcntl
import hashlib
import os
import signal
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from packaging.requirements import Requirement
from support import until

from release import checks

ROOT = Path(__file__).parents[2]
TEMPLATE = ROOT / "examples" / "plugin-template"
PLUGINS = [path.parent for path in sorted(ROOT.glob("plugins/*/pyproject.toml"))]
PROJECTS = [ROOT, *PLUGINS, TEMPLATE]
# Building eight wheels takes pip twenty seconds on an idle machine, and the rest less.
ENDS_WITHIN_S = 600
# The first test builds the wheels, for all of them.
pytestmark = pytest.mark.timeout(4 * ENDS_WITHIN_S)
SCHEDULE = """\
[[plugins.cron.schedules]]
name = "often"
cron = "* * * * * *"
job = "work.note"
"""
WORK = """\
def note(text=""):
    return "noted"

def fail():
    raise LookupError("no such account")
"""


def project(folder: Path) -> dict[str, Any]:
    return tomllib.loads((folder / "pyproject.toml").read_text())


def run(*command: str | Path, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, timeout=ENDS_WITHIN_S, check=False, **options)


def pip(*arguments: str | Path, python: str | Path = sys.executable, path: Path | None = None) -> None:
    """Run pip for an environment. Skips the test if it fails because there is no index to ask."""
    variables = {**os.environ, "PYTHONPATH": str(path)} if path else None
    command = [sys.executable, "-m", "pip", "--python", str(python), "--disable-pip-version-check", "--retries", "1"]
    done = run(*command, *arguments, env=variables)
    if done.returncode:
        asked = run(*command, "install", "--dry-run", "--ignore-installed", "--no-deps", "--no-cache-dir", "hatchling")
        if asked.returncode:
            pytest.skip(f"the package index cannot be reached: {asked.stderr.strip().splitlines()[-1]}")
        pytest.fail(f"pip {arguments[0]} failed:\n{done.stderr}")


@pytest.fixture(scope="session")
def wheels() -> Path:
    """A folder with every distribution's wheel, built as `make wheels` does; parallel test processes share it."""
    shared = Path(os.environ["PYTEST_CHANCY_SERVER"])
    folder = shared / "wheels"
    with (shared / "wheels.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            building, backend = shared / "wheels.building", shared / "wheels.backend"
            # What builds them is installed once. By itself, pip does it for each, which takes longer than all the rest.
            pip("install", "--quiet", "--target", backend, *project(ROOT)["build-system"]["requires"])
            options = ("--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", building)
            pip("wheel", *options, *PROJECTS, path=backend)
            building.rename(folder)
    return folder


def wheel(wheels: Path, folder: Path) -> zipfile.ZipFile:
    name = project(folder)["project"]["name"].replace("-", "_")
    (found,) = wheels.glob(f"{name}-*.whl")
    return zipfile.ZipFile(found)


# -- what is in them -----------------------------------------------------------------------------


@pytest.mark.parametrize("folder", PROJECTS, ids=lambda folder: folder.name if folder != ROOT else "core")
def test_a_wheel_has_all_that_it_needs_and_nothing_else(wheels, folder):
    """Each file of its packages, SQL and py.typed included, its licence, and nothing of the tests."""
    built = wheel(wheels, folder)
    packages = [folder / path for path in project(folder)["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]]
    wanted = {
        str(file.relative_to(package.parent))
        for package in packages
        for file in package.rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    }
    assert {name for name in built.namelist() if ".dist-info/" not in name} == wanted
    assert {f"{package.name}/py.typed" for package in packages} <= wanted
    (licence,) = [name for name in built.namelist() if name.endswith(".dist-info/licenses/LICENSE")]
    assert built.read(licence) == (ROOT / "LICENSE").read_bytes()


@pytest.mark.parametrize("folder", [*PLUGINS, TEMPLATE], ids=lambda folder: folder.name)
def test_a_plugins_wheel_says_what_it_is(wheels, folder):
    """It asks for this kernel's series with a bound on both sides, and names each plugin as the plugin does."""
    built = wheel(wheels, folder)
    (metadata,) = [name for name in built.namelist() if name.endswith(".dist-info/METADATA")]
    about = email.message_from_bytes(built.read(metadata))
    needed = map(Requirement, about.get_all("Requires-Dist"))
    (kernel,) = [found.specifier for found in needed if found.name == "chancy-core" and not found.marker]
    assert kernel.contains(project(ROOT)["project"]["version"])
    assert {one.operator for one in kernel} == {">=", "<"}
    assert about["License-Expression"] == "MIT"
    assert about.get_payload().lstrip().startswith("# ")
    for name, value in project(folder)["project"]["entry-points"]["chancy"].items():
        (points,) = [name for name in built.namelist() if name.endswith(".dist-info/entry_points.txt")]
        assert f"{name} = {value}" in built.read(points).decode()


def test_the_kernels_wheel_says_what_it_takes_the_place_of(wheels):
    """Chancy 0 brings the same package; the text that follows the fields is still the README."""
    built = wheel(wheels, ROOT)
    (metadata,) = [name for name in built.namelist() if name.endswith(".dist-info/METADATA")]
    about = email.message_from_bytes(built.read(metadata))
    assert about.get_all("Obsoletes-Dist") == ["chancy (<1)"]
    assert about["Name"] == "chancy-core"
    readme, shown = (ROOT / "README.md").read_text(), about.get_payload(decode=True).decode()
    assert shown.partition("\n\n")[0].strip() == readme.partition("\n\n")[0]
    assert list(checks.of_page(shown)) == []
    assert checks.FENCED.findall(shown) == checks.FENCED.findall(readme)


def test_the_standard_extra_brings_every_plugin_that_is_meant_for_everybody(wheels):
    """`chancy-core[standard]` asks for distributions that exist here."""
    names = {project(folder)["project"]["name"] for folder in PLUGINS}
    standard = project(ROOT)["project"]["optional-dependencies"]["standard"]
    assert {Requirement(text).name for text in standard} <= names
    assert {"chancy-cron", "chancy-leadership", "chancy-metrics", "chancy-pruner"} <= {
        Requirement(t).name for t in standard
    }


# -- installed -----------------------------------------------------------------------------------


class Environment:
    """A virtual environment of its own, and a folder to work in."""

    def __init__(self, path: Path, wheels: Path) -> None:
        self.path = path
        self._wheels = wheels
        self._pins = path.with_name("pins.txt")
        self._pins.write_text(
            "".join(f"{project(f)['project']['name']}=={project(f)['project']['version']}\n" for f in PROJECTS)
        )
        done = run(sys.executable, "-m", "venv", "--without-pip", path)
        assert done.returncode == 0, done.stderr

    @property
    def python(self) -> Path:
        return self.path / "bin" / "python"

    def install(self, *names: str) -> None:
        """Install by name: ours from the folder of wheels, what they need from the index."""
        pip("install", "--quiet", "--find-links", self._wheels, "-c", self._pins, *names, python=self.python)
        for name in names:
            self._is_ours(Requirement(name).name)

    def uninstall(self, name: str) -> None:
        pip("uninstall", "--quiet", "--yes", name, python=self.python)

    def _is_ours(self, name: str) -> None:
        """The index may know the name as well: what is installed must be what was built."""
        (built,) = self._wheels.glob(f"{name.replace('-', '_')}-*.whl")
        (site,) = self.path.glob("lib/python*/site-packages")
        with zipfile.ZipFile(built) as archive:
            (record,) = [name for name in archive.namelist() if name.endswith(".dist-info/RECORD")]
            for line in archive.read(record).decode().splitlines():
                file, digest, _ = line.rsplit(",", 2)
                if digest:
                    found = hashlib.sha256((site / file).read_bytes()).digest()
                    assert digest == "sha256=" + base64.urlsafe_b64encode(found).decode().rstrip("="), file


@pytest.fixture(scope="module")
def environment(wheels: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """An environment with the kernel alone; tests take away what they install."""
    made = Environment(tmp_path_factory.mktemp("fresh") / "venv", wheels)
    made.install("chancy-core[cli,fast]")
    return made


class Chancy:
    """The `chancy` command of an environment, on the tests' database, in a folder with a configuration file."""

    def __init__(self, environment: Environment, folder: Path, dsn: str, schema: str) -> None:
        self.config = folder / "chancy.toml"
        self.config.touch()
        (folder / "work.py").write_text(WORK)
        self._folder = folder
        self._log = folder / "worker.log"
        self._command = str(environment.path / "bin" / "chancy")
        hidden = ("CHANCY_", "PYTHON", "PYTEST_")
        self._variables = {key: value for key, value in os.environ.items() if not key.startswith(hidden)}
        self._variables |= {"CHANCY_DSN": dsn, "CHANCY_SCHEMA": schema}
        self.workers: list[subprocess.Popen[bytes]] = []

    def __call__(self, *arguments: str) -> str:
        """Run it to its good end; what it printed."""
        done = run(self._command, *arguments, cwd=self._folder, env=self._variables)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def applies(self) -> list[str]:
        """Migrate; the steps that were taken, each of which is told once."""
        *steps, last = self("migrate").splitlines()
        assert last.endswith(" is up to date.")
        assert all(step.startswith("applied ") for step in steps), steps
        return [step.removeprefix("applied ") for step in steps]

    def fails(self, *arguments: str) -> str:
        """Push a job that fails, and wait for it; what was printed of it."""
        done = run(self._command, "push", *arguments, "--wait", cwd=self._folder, env=self._variables)
        assert done.returncode == 7, done.stderr
        return done.stdout

    def refuses(self, *arguments: str) -> str:
        """Run it to an end with exit code 1, without a traceback; what it said."""
        done = run(self._command, *arguments, cwd=self._folder, env=self._variables)
        assert done.returncode == 1, done.stdout
        assert "Traceback" not in done.stderr
        return done.stderr

    async def work(self) -> subprocess.Popen[bytes]:
        """Start a worker, and wait until it works; what it logs goes to worker.log."""
        worker, log = self._start_worker(), self._log
        await until(lambda: "worker_started" in log.read_text() or worker.poll() is not None, ENDS_WITHIN_S)
        # One that could not start says why; without it, whoever waits for a job would wait for ever.
        assert worker.poll() is None, log.read_text()
        return worker

    def _start_worker(self) -> subprocess.Popen[bytes]:
        with self._log.open("wb") as log:
            self.workers.append(
                subprocess.Popen([self._command, "worker"], cwd=self._folder, env=self._variables, stderr=log)
            )
        return self.workers[-1]

    def stop(self, worker: subprocess.Popen[bytes]) -> str:
        """Stop a worker, which must end well; what it logged."""
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(ENDS_WITHIN_S) == 0, self._log.read_text()
        assert "hook_failed" not in self._log.read_text()
        return self._log.read_text()


@pytest.fixture
def chancy(environment: Environment, tmp_path: Path, dsn: str, schema: str) -> Iterator[Chancy]:
    made = Chancy(environment, tmp_path, dsn, schema)
    yield made
    for worker in made.workers:
        worker.kill()
        worker.wait()


def finished(query: Callable[..., Any], func: str) -> Callable[[], list[Any]]:
    """How jobs of a function have ended; nothing while there is no table."""

    def outcomes() -> list[Any]:
        try:
            return query("SELECT state FROM {s}.finished_jobs WHERE func = %s", func)
        except psycopg.errors.UndefinedTable:
            return []

    return outcomes


async def test_cron_comes_with_its_installation_and_goes_with_it(environment, chancy, query):
    """Installed by name it fires what three lines declare; uninstalled, its table is refused, and a worker runs."""
    assert "No plugin is installed" in chancy("plugins")
    chancy("migrate")

    environment.install("chancy-cron")
    chancy.config.write_text(SCHEDULE)
    assert "chancy-cron 0.1.0" in chancy("plugins")
    assert "is at version 0 of cron" in chancy.refuses("worker")
    assert chancy.applies() == ["cron 1", "cron 2"]
    worker = await chancy.work()
    await until(lambda: len(finished(query, "work.note")()) >= 2, ENDS_WITHIN_S)
    assert set(finished(query, "work.note")()) == {("succeeded",)}
    assert "schedules_fired" in chancy.stop(worker)

    environment.uninstall("chancy-cron")
    for command in ("worker", "migrate"):
        said = chancy.refuses(command)
        assert "[plugins.cron] is for a plugin that is not installed" in said
        assert "pip install chancy-cron" in said
    chancy.config.write_text("")
    assert "The tables of cron stay as they are" in chancy("migrate")
    assert query("SELECT name FROM {s}.cron_schedules") == [("often",)]
    query("DELETE FROM {s}.finished_jobs")
    query("DELETE FROM {s}.jobs")
    worker = await chancy.work()
    assert '"noted"' in chancy("push", "work.note", "--wait")
    chancy.stop(worker)
    assert finished(query, "work.note")() == [("succeeded",)]


async def test_the_template_is_a_plugin_once_it_is_installed(environment, chancy, query):
    """A stranger's wheel loads by its entry points, takes its README's settings, refuses pushes and writes failures."""
    environment.install("acme-chancy")
    try:
        readme = (TEMPLATE / "README.md").read_text()
        chancy.config.write_text(readme.partition("```toml\n")[2].partition("```")[0].replace('"billing"', '"default"'))
        assert "applied failures 1" in chancy("migrate")
        listed = chancy("plugins")
        for name in project(TEMPLATE)["project"]["entry-points"]["chancy"]:
            assert name in listed
        worker = await chancy.work()
        said = chancy.refuses("push", "work.note", "--kwargs", f'{{"text": "{"x" * 3000}"}}')
        assert "'size_limit' refused the push" in said
        assert "no such account" in chancy.fails("work.fail")
        chancy.stop(worker)
    finally:
        environment.uninstall("acme-chancy")
    assert query("SELECT queue, func, message FROM {s}.acme_failures") == [("default", "work.fail", "no such account")]
    assert finished(query, "work.fail")() == [("failed",)]
