"""Jobs that the tests run, and how a page is fetched."""

import asyncio

from chancy.testing import WITHIN_S

gate = asyncio.Event()


async def nothing() -> None:
    """Succeeds."""


async def fail() -> None:
    """Fails."""
    raise ValueError("no")


async def wait_at_gate() -> None:
    """Runs until the test opens the gate."""
    await gate.wait()


async def send(address, data: bytes) -> bytes:
    """Everything that is answered to these bytes."""
    reader, writer = await asyncio.open_connection(*address)
    try:
        writer.write(data)
        async with asyncio.timeout(WITHIN_S):
            return await reader.read()
    finally:
        writer.close()


async def fetch(address, path: str) -> tuple[int, str]:
    """Status and body of a page."""
    answer = await send(address, f"GET {path} HTTP/1.1\r\nHost: test\r\n\r\n".encode())
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split(b" ")[1]), body.decode()
