"""Programs of other queues, and what the pages about coming from them say to type."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
from asyncio.subprocess import DEVNULL, PIPE, STDOUT
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

from docpages import BLOCK, ENDS_WITHIN_S, ROOT

PAGES = ROOT / "docs" / "how-to" / "coming-from"
EXAMPLES = ROOT / "examples" / "coming-from"
LOOK_EVERY_S = 0.2


class Command(NamedTuple):
    """Attributes:
    line: what is typed.
    prints: what the page shows below it.
    """

    line: str
    prints: str


def page(library: str) -> str:
    return (PAGES / f"{library}.md").read_text()


def code(library: str) -> dict[str, str]:
    """The files that the page shows, by their paths in the example's folder."""
    return {
        title: text for _, title, _, text in BLOCK.findall(page(library)) if title.startswith(("before/", "after/"))
    }


def commands(library: str, title: str) -> list[Command]:
    """What the page says to type in its blocks of this title."""
    text = "".join(text for kind, name, _, text in BLOCK.findall(page(library)) if (kind, name) == ("console", title))
    return [Command(*parts) for parts in re.findall(r"^\$ (.*)\n((?:[^$].*\n)*)", text, re.MULTILINE)]


class Shop:
    """One of the two programs of an example, in a folder of its own.

    Args:
        folder: what does not exist yet, `…/before` or `…/after`.
        library: whose example.
        python: that of the environment whose programs are meant by what is typed.
        environ: the variables of its processes.
    """

    def __init__(self, folder: Path, library: str, python: Path, environ: Mapping[str, str]) -> None:
        self.folder = folder
        self._library = library
        self._environ = {**environ, "PATH": os.pathsep.join((str(python.parent), environ["PATH"]))}
        shutil.copytree(EXAMPLES / library / folder.name, folder)
        # Where the page of Chancy 0 has its environment: it cannot share one with Chancy.
        (folder / "old").symlink_to(python.parents[1])
        shutil.copy(EXAMPLES / "bank.py", folder)

    async def types(self, title: str) -> None:
        """Type what the page says, one after the other; it prints what the page shows."""
        found = commands(self._library, title)
        assert found, f"the page shows nothing called {title!r}"
        for command in found:
            said = await self.said(command.line)
            assert said == command.prints, f"{command.line!r} in {self.folder.name} said:\n{said}"

    async def said(self, line: str) -> str:
        process = await self._started(line, PIPE)
        try:
            async with asyncio.timeout(ENDS_WITHIN_S):
                out, errors = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
        assert process.returncode == 0, errors.decode()
        return out.decode()

    @asynccontextmanager
    async def working(self, title: str) -> AsyncIterator[None]:
        """The worker that the page says to start; it ends when it is told, and well."""
        (command,) = commands(self._library, title)
        log = (self.folder / "worker.log").open("wb")
        process = await self._started(command.line, log.fileno())
        try:
            yield
            assert process.returncode is None, self.log()
            process.send_signal(signal.SIGTERM)
            async with asyncio.timeout(ENDS_WITHIN_S):
                await process.wait()
            assert process.returncode == 0, self.log()
        except BaseException as error:
            error.add_note(f"The worker of {self.folder.name} said:\n{self.log()}")
            raise
        finally:
            log.close()
            if process.returncode is None:
                process.kill()
                await process.wait()

    async def until(self, line: str, says: str, *, differs: bool = False) -> None:
        """Type this again and again, until it prints that, or anything else."""
        async with asyncio.timeout(ENDS_WITHIN_S):
            while (await self.said(line) == says) == differs:  # noqa: ASYNC110 -- other processes change it
                await asyncio.sleep(LOOK_EVERY_S)

    async def until_booked(self, lines: int) -> None:
        async with asyncio.timeout(ENDS_WITHIN_S):
            while len(self.book()) < lines:  # noqa: ASYNC110 -- other processes write it
                await asyncio.sleep(LOOK_EVERY_S)

    def book(self) -> list[str]:
        """What has been done, in an order that is always the same."""
        book = self.folder / "book.txt"
        return sorted(book.read_text().splitlines()) if book.exists() else []

    def log(self) -> str:
        return (self.folder / "worker.log").read_text(errors="replace")

    async def _started(self, line: str, out: int) -> asyncio.subprocess.Process:
        errors = PIPE if out == PIPE else STDOUT
        # What is typed is found where the shell would look for it; `exec`, so that a signal reaches it and not a shell.
        script = re.sub(r"^((?:\w+=\S+ )*)", r"\1exec ", line)
        return await asyncio.create_subprocess_exec(
            "/bin/sh",
            "-c",
            script,
            cwd=self.folder,
            env=self._environ,
            stdin=DEVNULL,
            stdout=out,
            stderr=errors,
        )
