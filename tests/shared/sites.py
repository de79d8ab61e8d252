"""The site of the documentation, built once for all tests of a run."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from pathlib import Path

from docpages import ENDS_WITHIN_S, ROOT

# What people ask in the trackers of job queues, in their words, and the page that answers.
QUESTIONS = {
    "how do I see what is stuck": "how-to/see-what-is-stuck",
    "run a job once a day per customer": "how-to/once-a-day",
    "stop a job": "how-to/stop-a-job",
    "avoid running twice": "how-to/avoid-running-twice",
    "deploy without losing jobs": "how-to/deploy",
    "test my jobs": "how-to/testing",
    "use my SQLAlchemy session": "how-to/sqlalchemy",
    "limit calls to an API": "how-to/limit-api-calls",
    "pass a file": "how-to/pass-a-file",
    "move from Celery": "how-to/coming-from/celery",
}


def built() -> Path:
    """The folder of the finished site; whoever asks first builds it, and the test processes beside him wait."""
    folder = Path(os.environ["PYTEST_CHANCY_SERVER"]) / "site"
    folder.mkdir(exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        told = folder / "told.txt"
        if not told.exists():
            told.write_text(_build(folder))
    assert not told.read_text(), f"`make docs` complains:\n{told.read_text()}"
    return folder / "html"


def _build(folder: Path) -> str:
    """Build it as `make docs` does. What went wrong; empty: nothing."""
    pages = folder / "pages"
    pages.mkdir(exist_ok=True)
    build = ["-q", "-W", "--keep-going", "-c", str(ROOT / "docs/site"), "-d", str(folder / "remembered")]
    done = subprocess.run(
        [sys.executable, "-m", "sphinx", *build, str(pages), str(folder / "html")],
        capture_output=True,
        text=True,
        timeout=ENDS_WITHIN_S,
        check=False,
    )
    return f"{done.stdout}{done.stderr}" if done.returncode else ""
