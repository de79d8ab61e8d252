"""Programs that are run, and what is told of those that fail."""

from __future__ import annotations

import subprocess
from pathlib import Path

# An install from an index over a slow line, or the whole demo on a busy machine.
ENDS_WITHIN_S = 900


class CheckError(Exception):
    """A distribution is not ready. The message says which, where and why."""


def run(*command: str | Path, where: Path, what: str, environment: dict[str, str] | None = None) -> str:
    """Run a program to its good end, and return what it printed.

    Raises:
        CheckError: It ended badly, or not in time.
    """
    shown = " ".join(map(str, command))
    try:
        done = subprocess.run(
            command, cwd=where, env=environment, capture_output=True, text=True, timeout=ENDS_WITHIN_S, check=False
        )
    except subprocess.TimeoutExpired:
        raise CheckError(f"{what}: it did not end within {ENDS_WITHIN_S} s.\n  in {where}\n  $ {shown}") from None
    if done.returncode:
        said = f"{done.stdout[-4000:]}\n{done.stderr[-4000:]}".strip()
        raise CheckError(f"{what}: it ended with {done.returncode}.\n  in {where}\n  $ {shown}\n{said}")
    return done.stdout
