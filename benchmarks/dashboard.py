"""A child: the dashboard, as `chancy dashboard` serves it. Arguments: DSN, schema."""

from __future__ import annotations

import asyncio
import socket
import sys

import uvicorn
from chancy_dashboard import Dashboard

from benchmarks.children import say
from benchmarks.work import plugins
from chancy import Chancy

# What is installed with it, as far as its pages ask.
PLUGINS = ("cron", "dashboard", "doctor", "history", "leadership", "pruner")


async def main(dsn: str, schema: str) -> None:
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    dashboard = Dashboard(Chancy(dsn, schema=schema, discover=False, plugins=plugins(PLUGINS)))
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = uvicorn.Server(uvicorn.Config(dashboard, log_level="warning", timeout_graceful_shutdown=2))
        serving = asyncio.create_task(server.serve(sockets=[listening]))
        say(listening.getsockname()[1])
        while await reader.readline():
            pass
        server.should_exit = True
        await serving


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
