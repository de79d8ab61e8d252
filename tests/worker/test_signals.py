"""What `chancy worker` does when it is told to stop, in whatever state it is."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import zlib

import psycopg
import pytest
from support import IMPORT_PATH, until

from chancy_core.store.migrate import AGAIN
from chancy_core.values.job import Job

PATIENCE_S = 90.0


@pytest.fixture
def command(tmp_path, dsn, schema):
    """Starts `chancy worker` as a process; what it says goes to its `log`."""
    started = []

    def start(*options: str, url: str = dsn) -> subprocess.Popen[bytes]:
        log = tmp_path / f"worker-{len(started)}.log"
        with log.open("wb") as out:
            process = subprocess.Popen(
                [sys.executable, "-m", "chancy_core.cli", "--dsn", url, "--schema", schema, "worker", *options],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                cwd=tmp_path,
                env={**os.environ, "PYTHONPATH": IMPORT_PATH},
            )
        process.said = log.read_text
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.wait()


async def ended(process: subprocess.Popen[bytes]) -> int:
    return await asyncio.to_thread(process.wait, PATIENCE_S)


async def runs(chancy, reference) -> None:
    async def is_running() -> bool:
        return (await reference.get()).state == "running"

    await until(is_running, PATIENCE_S)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
async def test_each_signal_lets_it_drain(chancy, command, tmp_path, number):
    """SIGTERM, SIGHUP and Ctrl-C alike: the job that runs comes to its end."""
    process = command("--grace", "600")
    door = tmp_path / "door"
    reference = await chancy.push(Job("hard_jobs.until_exists", kwargs={"path": str(door)}))
    await runs(chancy, reference)
    process.send_signal(number)
    await until(lambda: "worker_stopping" in process.said(), PATIENCE_S)
    door.touch()
    assert await ended(process) == 0
    assert (await reference.get()).state == "succeeded"


async def test_a_second_signal_ends_it_while_a_job_blocks_its_loop(chancy, command, tmp_path):
    """A coroutine that never gives way: the loop hears of no signal, and the process ends all the same."""
    process = command()
    # That it is running is stored before it has begun.
    noted = tmp_path / "noted"
    await chancy.push(Job("hard_jobs.blocks_loop", kwargs={"seconds": 600.0, "noted": str(noted)}))
    await until(noted.exists, PATIENCE_S)

    def told() -> bool:
        # Two that come at once may be taken for one.
        process.send_signal(signal.SIGTERM)
        return process.poll() is not None

    await until(told, PATIENCE_S)
    assert process.returncode == 4
    assert "exit_forced" in process.said()


async def test_it_ends_while_it_waits_for_the_lock_of_a_migration(dsn, schema, command):
    """Somebody else migrates, and does not come to an end: a worker that starts meanwhile can be stopped."""
    key = 0x6368616E << 32 | zlib.crc32(schema.encode())
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as somebody:
        await somebody.execute("SELECT pg_advisory_lock(%s)", [key])
        process = command()

        async def waits() -> bool:
            # It asks for the lock again and again, and sleeps between.
            found = await somebody.execute(
                "SELECT FROM pg_stat_activity WHERE application_name = 'chancy' AND query = %s", [AGAIN.decode()]
            )
            return bool(found.rowcount)

        await until(waits, PATIENCE_S)
        process.send_signal(signal.SIGTERM)
        assert await ended(process) == 0
    assert "start_given_up" in process.said()


async def test_it_ends_while_it_connects_to_nothing(command):
    """A server that accepts and says nothing: a worker that starts against it can be stopped."""
    connected = asyncio.Event()
    server = await asyncio.start_server(lambda _reader, _writer: connected.set(), "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        process = command(url=f"postgresql://nobody@127.0.0.1:{port}/nothing")
        # By then signals are heeded.
        async with asyncio.timeout(PATIENCE_S):
            await connected.wait()
        process.send_signal(signal.SIGTERM)
        assert await ended(process) == 0
