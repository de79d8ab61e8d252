"""An application in a process of its own, which pushes and says what it was told: on another host than the test."""

from __future__ import annotations

import asyncio
import json
import os
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Self

from chancy_core.app import Chancy
from chancy_core.values.job import Job
from chaos.pusher import Pusher
from chaos.workerprocess import ROOT

DSN, SCHEMA, SAYS = "CHAOS_DSN", "CHAOS_SCHEMA", "CHAOS_SAYS"
_SAYS_EVERY_S: Final = 0.1


class Application:
    """That process, seen from the test; it may be treated as a `Pusher`."""

    def __init__(self, folder: Path, settings: Mapping[str, str], prefix: Sequence[str]) -> None:
        self._says = folder / "application.json"
        self._log = folder / "application.log"
        variables = {
            **{name: value for name, value in os.environ.items() if not name.startswith("CHANCY_")},
            "PYTHONPATH": os.pathsep.join([str(ROOT / "tests"), str(ROOT / "tests/shared"), str(ROOT)]),
            SAYS: str(self._says),
            **settings,
        }
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [*prefix, sys.executable, "-m", "chaos.application"],
                stdin=subprocess.PIPE, stdout=log, stderr=log, env=variables, cwd=folder,
            )  # fmt: skip

    @property
    def stored(self) -> set[str]:
        """The tokens of the jobs that it was told are stored."""
        return set(self._said()["stored"])

    @property
    def refused(self) -> Counter[str]:
        """The pushes that raised, by the class of the error."""
        return Counter(self._said()["refused"])

    def goes_on_after(self, moment: float) -> bool:
        """As of `Pusher`; all processes of a machine have the same monotonic clock."""
        said = self._said()
        return said["stored_at"] > moment and (said["oldest"] is None or said["oldest"] > moment)

    async def stop(self) -> None:
        """Let it end what it is about, and say the last."""
        if self._process.stdin is not None and not self._process.stdin.closed:
            self._process.stdin.close()
            await asyncio.to_thread(self._process.wait, 60)

    def end(self) -> None:
        """Make sure that it is gone."""
        self._process.kill()
        self._process.wait()

    def _said(self) -> Any:
        if not self._says.exists():
            return {"stored": [], "refused": {}, "stored_at": 0.0, "oldest": None}
        return json.loads(self._says.read_text())


class _Program:
    """What runs in that process."""

    def __init__(self, pusher: Pusher, says: Path) -> None:
        self._pusher = pusher
        self._says = says

    @classmethod
    async def run(cls) -> None:
        dice = random.Random(11)

        def job(token: str) -> Job:
            kwargs = {"token": token, "seconds": dice.choice((0.01, 0.05, 0.2))}
            return Job(func="chaos.work.note", kwargs=kwargs, max_attempts=3)

        async with Chancy(os.environ[DSN], schema=os.environ[SCHEMA], discover=False) as chancy:
            program = cls(Pusher(chancy, job, sync=False).start(), Path(os.environ[SAYS]))
            told = asyncio.ensure_future(asyncio.to_thread(sys.stdin.read))
            while not told.done():
                program.say()
                await asyncio.wait([told], timeout=_SAYS_EVERY_S)
            await program.end()

    def say(self) -> None:
        new = self._says.with_suffix(".new")
        pusher = self._pusher
        new.write_text(json.dumps({
            "stored": sorted(pusher.stored), "refused": pusher.refused, "stored_at": pusher.stored_at,
            "oldest": pusher.oldest, "at": time.monotonic(),
        }))  # fmt: skip
        new.replace(self._says)

    async def end(self) -> Self:
        await self._pusher.stop()
        self.say()
        return self


if __name__ == "__main__":
    asyncio.run(_Program.run())
