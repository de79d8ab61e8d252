"""Worker processes, for as long as they are measured."""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, Final

import msgspec

from chancy_core.errors import ChancyError

# A machine that does much else takes its time to start Python.
STARTS_WITHIN_S: Final = 60.0
ENDS_WITHIN_S: Final = 10.0


class Member:
    """One process."""

    def __init__(self, process: Process) -> None:
        self._process = process

    async def begin(self, settings: dict[str, Any]) -> None:
        """Tell it its settings, and wait until it works."""
        self._tell(msgspec.json.encode(settings))
        await self._hear()

    async def cpu_s(self) -> float:
        """The seconds of the processor that it has used until now."""
        self._tell(b"")
        return float(await self._hear())

    def _tell(self, line: bytes) -> None:
        if self._process.stdin is not None:
            self._process.stdin.write(line + b"\n")

    async def _hear(self) -> bytes:
        line = b""
        with suppress(TimeoutError):
            if self._process.stdout is not None:
                line = await asyncio.wait_for(self._process.stdout.readline(), STARTS_WITHIN_S)
        if not line:
            raise ChancyError(
                "A worker's process of the benchmark ended, or did not answer: what it wrote stands above, if anything."
            )
        return line

    async def end(self) -> None:
        """Let it end, and see to it that it does."""
        if self._process.stdin is not None:
            with suppress(OSError):
                self._process.stdin.close()
        try:
            await asyncio.wait_for(self._process.wait(), ENDS_WITHIN_S)
        except TimeoutError:
            with suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()


@asynccontextmanager
async def crew(settings: dict[str, Any], processes: int) -> AsyncIterator[Sequence[Member]]:
    """So many processes, each a worker with these settings, for the length of the block."""
    members: list[Member] = []
    try:
        for _ in range(processes):
            command = (sys.executable, "-m", "chancy_core.cli.benching.child")
            members.append(Member(await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE)))
        await asyncio.gather(*(member.begin(settings) for member in members))
        yield members
    finally:
        await asyncio.gather(*(member.end() for member in members))
