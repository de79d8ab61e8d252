"""A dashboard that is served as `chancy dashboard` serves it, within the test's own process."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any

import uvicorn
from chancy_cron import Cron
from chancy_doctor import Doctor
from chancy_history import History
from chancy_leadership import Leadership
from chancy_pruner import Pruner
from chancy_workflow import Workflows

from chancy import Chancy, Plugin
from chancy_dashboard import Dashboard
from chancy_dashboard.plugin import DashboardPlugin


def plugins() -> list[Plugin]:
    """What is installed beside a dashboard."""
    return [Cron(), DashboardPlugin(), Doctor(), History(), Leadership(), Pruner(), Workflows()]


@dataclass(frozen=True)
class Site:
    """A dashboard on a free port.

    Attributes:
        url: its address, without a slash at the end.
        chancy: the application whose dashboard it is.
        query: runs a statement on its schema.
        dashboard: the ASGI application.
    """

    url: str
    chancy: Chancy
    query: Callable[..., list[Any]]
    dashboard: Dashboard


class Server(uvicorn.Server):
    """Leaves signals to the tests."""

    @contextmanager
    def capture_signals(self) -> Any:
        yield


@asynccontextmanager
async def serving(chancy: Chancy, query: Callable[..., list[Any]], **arguments: Any) -> AsyncIterator[Site]:
    """Serve the dashboard of a Chancy for the length of the block."""
    dashboard = Dashboard(chancy, **arguments)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        config = uvicorn.Config(dashboard, log_level="warning", timeout_graceful_shutdown=5)
        server = Server(config)
        task = asyncio.create_task(server.serve(sockets=[listening]))
        try:
            port = listening.getsockname()[1]
            yield Site(f"http://127.0.0.1:{port}", chancy, query, dashboard)
        finally:
            server.should_exit = True
            await task
