"""A private Redis, as durable as the database: it appends each command to its file and syncs it before it answers."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from asyncio.subprocess import DEVNULL
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from benchmarks.peers.environments import PeerUnavailableError

UP_WITHIN_S = 60.0


@asynccontextmanager
async def redis() -> AsyncIterator[Path]:
    """Its socket. Raises PeerUnavailableError."""
    program = shutil.which("redis-server")
    if program is None:
        raise PeerUnavailableError("redis-server is not installed (Debian: apt-get install redis-server)")
    with tempfile.TemporaryDirectory(prefix="chancy-bench-redis-") as directory:
        socket = Path(directory, "redis.sock")
        options = {
            "port": "0",
            "unixsocket": str(socket),
            "dir": directory,
            "appendonly": "yes",
            "appendfsync": "always",
            "save": "",
        }
        arguments = [part for name, value in options.items() for part in (f"--{name}", value)]
        process = await asyncio.create_subprocess_exec(program, *arguments, stdin=DEVNULL, stdout=DEVNULL)
        try:
            await _until_up(socket, process)
            yield socket
        finally:
            if process.returncode is None:
                process.terminate()
                await process.wait()


async def _until_up(socket: Path, process: asyncio.subprocess.Process) -> None:
    async with asyncio.timeout(UP_WITHIN_S):
        while not await asyncio.to_thread(socket.exists):
            if process.returncode is not None:
                raise PeerUnavailableError(f"redis-server ended with {process.returncode}")
            await asyncio.sleep(0.02)
