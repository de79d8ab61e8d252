"""Django's own tests of its tasks pass with `ChancyBackend`, with every Django that the Pythons at hand can have."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
# What was downloaded and installed for these tests, once for each clone.
KEPT = ROOT / ".venv" / "djangos"
# Django, and whose source distribution has the tests: 5.2 has none, and the backport takes those of 6.0.
MATRIX = {"5.2": "6.0", "6.0": "6.0", "6.1": "6.1"}
PYTHONS = ("3.13", "3.12")
WITHIN_S = 500


@pytest.mark.parametrize("version", MATRIX)
def test_djangos_own_tests_of_tasks_pass(version, dsn, tmp_path):
    with locked():
        python, path = python_with(version)
        sdist = sdist_of(MATRIX[version])
    ran = run(python, str(HERE / "djangos_own.py"), str(sdist), str(tmp_path), dsn, PYTHONPATH=path)
    assert ran.returncode == 0, ran.stderr[-5000:]
    assert "\nOK" in ran.stderr, ran.stderr[-5000:]
    assert int(ran.stdout.split("Found ")[1].split()[0]) > 45


@contextmanager
def locked() -> Iterator[None]:
    """Alone among the processes of the tests."""
    KEPT.mkdir(parents=True, exist_ok=True)
    with (KEPT / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def python_with(version: str) -> tuple[str, str]:
    """A Python for this Django, and the path with which it has that: this one, if it has it, or one made for these."""
    import django

    if django.get_version().startswith(f"{version}."):
        return sys.executable, ""
    if version == "5.2":
        pytest.skip("this environment has a later Django, and only it has the backport")
    folder, target = KEPT / "python", KEPT / f"django-{version}"
    python = str(folder / "bin" / "python")
    if not (folder / ".ready").exists():
        found = next(filter(None, map(at_hand, PYTHONS)), None)
        if found is None:
            pytest.skip(f"no Python is at hand that takes Django {version}: {' or '.join(PYTHONS)}")
        pip_must(found, str(folder), of="venv")
        editable = [word for part in (f"{ROOT}[cli]", f"{ROOT}/plugins/django") for word in ("-e", part)]
        pip_must(python, "install", "-q", "psycopg[binary]", *editable)
        (folder / ".ready").touch()
    if not target.exists():
        pip_must(python, "install", "-q", "--no-deps", "--no-compile", "--target", str(target), f"django=={version}.*")
    return python, str(target)


def sdist_of(version: str) -> Path:
    """The source distribution of a Django."""
    folder = KEPT / f"sdist-{version}"
    if not list(folder.glob("*.tar.gz")):
        only = ["--no-deps", "--no-binary", ":all:", "--ignore-requires-python"]
        pip_must(sys.executable, "download", "-q", *only, f"django=={version}.*", "-d", str(folder))
    return next(folder.glob("*.tar.gz"))


def pip_must(python: str, *words: str, of: str = "pip") -> None:
    """Run pip, without which there is nothing to test here."""
    done = run(python, "-m", of, *words)
    if done.returncode:
        pytest.skip(f"{of} {words[0]} {words[-1]} cannot be done here: {done.stderr[-300:]}")


def at_hand(version: str) -> str | None:
    """A Python of this version that runs."""
    kept = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    for python in (*map(str, sorted(kept.glob(f"{version}.*/bin/python"))), f"python{version}"):
        try:
            told = run(python, "-c", "import sys; print('%d.%d' % sys.version_info[:2])")
        except OSError:
            continue
        if told.stdout.strip() == version:
            return python
    return None


def run(*command: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a program to its end."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("SHOP_", "DJANGO_"))}
    environment.update(variables)
    return subprocess.run(
        command, capture_output=True, text=True, timeout=WITHIN_S, check=False, env=environment, cwd=HERE.parent
    )
