"""A virtual environment for each peer, made once from the package index and kept beside the benchmarks."""

from __future__ import annotations

import asyncio
import hashlib
import shutil
import sys
import venv
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import Sequence
from pathlib import Path

CACHE = Path(__file__).parents[1] / ".peers"
INSTALLED_WITHIN_S = 300.0


class PeerUnavailableError(Exception):
    """A peer cannot be measured here; the message says why."""


async def environment(name: str, packages: Sequence[str]) -> Path:
    """The Python of the environment that holds these packages. Raises PeerUnavailableError."""
    # Another version of anything is another environment.
    key = hashlib.sha256(" ".join((sys.version, *packages)).encode()).hexdigest()[:10]
    folder = CACHE / f"{name}-{key}"
    python = python_of(folder)
    ready = folder / ".ready"
    if not ready.exists():
        shutil.rmtree(folder, ignore_errors=True)
        # This environment's pip installs there, which saves making one; what is imported is compiled when it is.
        await asyncio.to_thread(venv.create, folder)
        await _install(python, packages)
        ready.touch()
    return python


def python_of(folder: Path) -> Path:
    return folder / "bin" / "python"


async def _install(python: Path, packages: Sequence[str]) -> None:
    pip = (sys.executable, "-m", "pip", "--python", str(python), "install", "--no-compile")
    command = (*pip, "--quiet", "--disable-pip-version-check", *packages)
    process = await asyncio.create_subprocess_exec(*command, stdin=DEVNULL, stdout=DEVNULL, stderr=PIPE)
    try:
        async with asyncio.timeout(INSTALLED_WITHIN_S):
            _, errors = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.wait()
        raise PeerUnavailableError(f"installing took longer than {INSTALLED_WITHIN_S:.0f} s") from None
    if process.returncode:
        last = errors.decode(errors="replace").strip().splitlines()[-1:]
        raise PeerUnavailableError(f"pip could not install {' '.join(packages)}: {' '.join(last)}")
