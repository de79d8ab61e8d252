"""The original's distribution, `chancy`, over, beneath or beside this one: both bring the folder `chancy`."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MEND = "pip uninstall -y chancy chancy-core, then pip install chancy-core"
JOB = "from chancy import Job; print(Job(func='a.b').func)"
KERNEL = "import chancy_core; print('imported')"


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A folder of packages, as pip fills it: this project's, before anybody else's."""
    for package in ("chancy", "chancy_core"):
        shutil.copytree(ROOT / package, tmp_path / "site" / package, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path / "site"


@pytest.fixture
def python(site: Path, tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs Python with that folder before all others."""

    def run(*arguments: str, path: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *arguments],
            env={**os.environ, "PYTHONPATH": f"{path}{site}", "PYTHONDONTWRITEBYTECODE": "1"},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )

    return run


def installed(folder: Path) -> None:
    """What pip writes down of the original."""
    (folder / "chancy-0.26.0.dist-info").mkdir(parents=True)
    (folder / "chancy-0.26.0.dist-info" / "METADATA").write_text(
        "Metadata-Version: 2.4\nName: chancy\nVersion: 0.26.0\n"
    )


def test_a_good_environment_is_not_worth_a_word(python):
    """Neither of the first import, nor of the command."""
    done = python("-W", "error", "-c", JOB)
    assert (done.stdout, done.stderr) == ("a.b\n", "")
    assert "pip uninstall" not in python("-m", "chancy_core.cli", "config").stderr


def test_installed_over_the_original_the_first_import_says_so(site, python):
    """Its files lie beneath, and some of them would be found."""
    (site / "chancy" / "app.py").write_text("")
    installed(site)
    for code in (JOB, KERNEL):
        done = python("-c", code)
        assert done.returncode == 0
        assert "chancy 0.26.0 and chancy-core are installed over each other" in done.stderr
        assert MEND in done.stderr
    done = python("-m", "chancy_core.cli", "config")
    assert "installed over each other" in done.stderr
    assert "pool_max_size" in done.stdout


def test_the_originals_plugins_beneath_are_not_imported(site, python):
    """`chancy.plugins.cron` is the installed plugin of this Chancy, not a folder that was left there."""
    (site / "chancy" / "plugins" / "cron").mkdir()
    (site / "chancy" / "plugins" / "cron" / "__init__.py").write_text("raise SystemExit('the wrong one')")
    (site / "chancy" / "plugins" / "recovery.py").write_text("raise SystemExit('the wrong one')")
    assert python("-c", "from chancy.plugins.cron import Cron; print(Cron.__module__)").stdout == "chancy_cron.plugin\n"
    done = python("-c", "import chancy.plugins.recovery")
    assert "what recovery does is built in" in done.stderr


def test_installed_beneath_the_original_the_kernel_says_so(site, python):
    """The package is the original's, in which `hookimpl` is just a name that is missing."""
    (site / "chancy" / "__init__.py").write_text("from chancy.app import Chancy\n")
    (site / "chancy" / "app.py").write_text("class Chancy: pass\n")
    installed(site)
    done = python("-c", f"import chancy; {KERNEL}")
    assert done.stdout == "imported\n"
    assert "chancy 0.26.0 and chancy-core are installed over each other" in done.stderr


def test_the_folder_that_the_original_took_away_is_missed(site, python):
    """Uninstalling the one takes the files of the other."""
    (site / "chancy" / "__init__.py").unlink()
    done = python("-c", KERNEL)
    assert "is not whole: chancy-core brings it, and uninstalling Chancy 0 takes it away" in done.stderr
    assert MEND in done.stderr


def test_the_original_in_another_folder_is_told_by_the_command(site, python, tmp_path):
    """As with an installation for the user beside one for all: which of them is imported is a matter of order."""
    installed(tmp_path / "other")
    done = python("-m", "chancy_core.cli", "config", path=f"{tmp_path / 'other'}:")
    assert "chancy 0.26.0 is installed beside chancy-core, and both bring the package chancy" in done.stderr
    assert done.returncode == 0


def test_somebodys_own_package_of_that_name_is_told(site, python, tmp_path):
    """It was found first; by a link to the right folder, nothing is wrong."""
    (tmp_path / "mine" / "chancy").mkdir(parents=True)
    (tmp_path / "mine" / "chancy" / "__init__.py").write_text("")
    done = python("-c", f"import chancy; {KERNEL}", path=f"{tmp_path / 'mine'}:")
    assert f"The package chancy was imported from {tmp_path / 'mine' / 'chancy'}" in done.stderr
    (tmp_path / "link").mkdir()
    (tmp_path / "link" / "chancy").symlink_to(site / "chancy")
    done = python("-W", "error", "-c", f"import chancy; {KERNEL}", path=f"{tmp_path / 'link'}:")
    assert (done.stdout, done.stderr) == ("imported\n", "")
