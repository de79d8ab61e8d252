"""Sees to it that there is a browser: `make test` calls it. It exits with 1, and a sentence, where there can be none.

What drives it comes from PyPI. The browser is one that is installed, or else Debian's Chromium, where this may install
it, or else the one that Playwright brings.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from importlib import invalidate_caches
from importlib.util import find_spec
from pathlib import Path

# The driver, and axe-core, packaged with what runs it.
PACKAGES = {"playwright": "playwright>=1.50", "axe_playwright_python": "axe-playwright-python>=0.1.8"}
# The programs that a system's own packages install.
NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
ENDS_WITHIN_S = 600


def missing() -> str | None:
    """What the tests lack; None: nothing."""
    for module in PACKAGES:
        if find_spec(module) is None:
            return f"the package {module} is not installed"
    return None if executable() else f"no browser is installed: none of {', '.join(NAMES)}, and none of Playwright's"


def executable() -> Path | None:
    """The browser's program."""
    for name in NAMES:
        if found := shutil.which(name):
            return Path(found)
    # Where Playwright puts its own, headless, one; by its name, so that nothing is started to ask for it.
    caches = (Path("~/.cache/ms-playwright"), Path("~/Library/Caches/ms-playwright"))
    for cache in caches:
        for found in sorted(cache.expanduser().glob("chromium_headless_shell-*/*/*headless*shell*"), reverse=True):
            if os.access(found, os.X_OK) and found.is_file():
                return found
    return None


def main() -> int:
    """Install what is missing, and say so if that cannot be."""
    if missing() and any(find_spec(module) is None for module in PACKAGES):
        _run(sys.executable, "-m", "pip", "install", "-qq", "--disable-pip-version-check", *PACKAGES.values())
        invalidate_caches()
    if missing() and find_spec("playwright"):
        _say("Getting a browser for the tests of the dashboard (once) ...")
        if os.geteuid() == 0 and shutil.which("apt-get"):
            _run("apt-get", "update", "-qq") and _run(
                "apt-get", "install", "-qq", "--no-install-recommends", "chromium"
            )
        if missing():
            _run(sys.executable, "-m", "playwright", "install", "--only-shell", "chromium")
    if lacking := missing():
        _say(f"The browser tests of the dashboard are going to be skipped: {lacking}.")
    return 1 if lacking else 0


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _run(*command: str) -> bool:
    """Run a command; what it says is shown only if it fails."""
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, env=environment, timeout=ENDS_WITHIN_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        _say(f"{command[0]}: {error}")
        return False
    if done.returncode:
        _say(f"{' '.join(command)}\n{done.stderr.strip()[-2000:]}")
    return done.returncode == 0


if __name__ == "__main__":
    sys.exit(main())
