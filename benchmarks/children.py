"""Processes that are measured: told what to do by lines on their standard input, answering by lines."""

from __future__ import annotations

import asyncio
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

ANSWER_WITHIN_S = 120.0
END_WITHIN_S = 60.0


class Child:
    def __init__(self, process: Process, name: str) -> None:
        self._process = process
        self._name = name

    async def hear(self) -> str:
        """The next line it says."""
        assert self._process.stdout is not None
        async with asyncio.timeout(ANSWER_WITHIN_S):
            line = await self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self._name} ended with {await self._process.wait()} instead of answering.")
        return line.decode().strip()

    async def ask(self, command: str) -> str:
        """Its answer to a command."""
        self.tell(command)
        return await self.hear()

    def tell(self, command: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{command}\n".encode())

    async def cpu_s(self) -> float:
        """The processor time it has used."""
        return float(await self.ask("cpu"))

    def cpu_used_s(self) -> float:
        """The same without asking, so that it does not wake up."""
        return _cpu_s(self._process.pid)

    def memory_bytes(self) -> int:
        """What it holds of the machine's memory."""
        pages = Path(f"/proc/{self._process.pid}/statm").read_text(encoding="ascii").split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")

    async def end(self) -> None:
        if self._process.returncode is None:
            assert self._process.stdin is not None
            self._process.stdin.close()
            try:
                async with asyncio.timeout(END_WITHIN_S):
                    await self._process.wait()
            except TimeoutError:
                # What it measured is known by now: a peer that hangs at its end does not take that away.
                self._process.kill()
                await self._process.wait()
                sys.stderr.write(
                    f"{self._name} did not end within {END_WITHIN_S:.0f} s of being told to, and was killed\n"
                )


@asynccontextmanager
async def child(module: str, *arguments: str) -> AsyncIterator[Child]:
    """A Python process for the length of the block; it ends when its standard input does."""
    async with program(sys.executable, "-m", module, *arguments, name=module) as found:
        yield found


@asynccontextmanager
async def program(*command: str, name: str) -> AsyncIterator[Child]:
    """The same of any program that keeps to these manners."""
    process = await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE)
    found = Child(process, name)
    try:
        yield found
    finally:
        await found.end()


def say(text: object) -> None:
    """What a child answers."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


class Family:
    """A process, and all that it has started.

    Args:
        pid: its own.
    """

    def __init__(self, pid: int) -> None:
        self._pid = pid

    async def cpu_s(self) -> float:
        """The processor time of those that live."""
        return sum(map(_cpu_s, self._pids()))

    def _pids(self) -> list[int]:
        found, left = [], [self._pid]
        while left:
            pid = left.pop()
            found.append(pid)
            for task in Path(f"/proc/{pid}/task").iterdir():
                left += map(int, (task / "children").read_text(encoding="ascii").split())
        return found


def _cpu_s(pid: int) -> float:
    # After the name, which may hold anything, come the fields from the third on; these are the 14th and 15th.
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
