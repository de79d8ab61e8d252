"""Serve the dashboard by itself."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import uvicorn
from starlette.types import ASGIApp

# Live pages are open streams, which end when they are told to.
GRACE_S: Final = 2
BACKLOG: Final = 128


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens there. Raises OSError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    found = socket.socket(family, socket.SOCK_STREAM)
    try:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind((host, port))
        found.listen(BACKLOG)
    except OSError:
        found.close()
        raise
    return found


def address(listening: socket.socket, prefix: str = "") -> str:
    """What to type into a browser."""
    host, port = listening.getsockname()[:2]
    shown = {"127.0.0.1": "localhost", "::1": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)
    return f"http://{shown}:{port}{prefix}/"


def new_server(app: ASGIApp, *, prefix: str = "") -> uvicorn.Server:
    """A server, which says nothing: the dashboard logs what matters."""
    config = uvicorn.Config(
        app, root_path=prefix, log_config=None, access_log=False, server_header=False, date_header=True,
        proxy_headers=False, timeout_graceful_shutdown=GRACE_S, lifespan="on",
    )  # fmt: skip
    return uvicorn.Server(config)


@contextmanager
def served(app: ASGIApp, listening: socket.socket) -> Iterator[str]:
    """Serve for the length of the block, in a thread and an event loop of its own. Yields the address."""
    server = new_server(app)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, name="dashboard", daemon=True)
    thread.start()
    try:
        yield address(listening)
    finally:
        server.should_exit = True
        thread.join(GRACE_S * 2)


def serve(app: ASGIApp, listening: socket.socket, *, prefix: str = "", told: Callable[[], None] | None = None) -> None:
    """Serve until a signal says to stop."""
    if told is not None:
        told()
    new_server(app, prefix=prefix).run(sockets=[listening])
