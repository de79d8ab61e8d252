"""A small HTTP server on the worker's loop.

It runs there, and not in a thread as the Prometheus client's own, because a thread answers happily while the loop is
blocked, and that is what liveness is about. It speaks as much of HTTP as a scraper, a load balancer and a curious
person need: one GET for each connection, without a body.
"""

from __future__ import annotations

import asyncio
import errno
import json
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from http import HTTPStatus
from typing import Any, Final, NamedTuple

from chancy import ChancyError
from chancy.plugin import log

# A scraper's request is some 300 bytes.
HEAD_MAX_BYTES: Final = 8192
# From the connection to the end of the request's head, and from the answer to its last byte: whoever is slower is cut
# off, so that idle connections cannot pile up.
READ_WITHIN_S: Final = 5.0
WRITE_WITHIN_S: Final = 10.0
# More at a time than a few scrapers and health checks is an accident or an attack: those are closed at once.
CONNECTIONS_MAX: Final = 32
# Workers on one machine share their settings: each takes the next port, so that a scraper can be given the range.
PORTS_TRIED: Final = 20
PORT_MAX: Final = 65535


class Page(NamedTuple):
    """An answer.

    Attributes:
        status: HTTP's status.
        content_type: of the body.
        body: the body.
    """

    status: HTTPStatus
    content_type: str
    body: bytes


Pages = Mapping[str, Callable[[], Awaitable[Page]]]


def text(status: HTTPStatus, body: str) -> Page:
    """A page of plain text."""
    return Page(status, "text/plain; charset=utf-8", body.encode())


def as_json(status: HTTPStatus, body: Any) -> Page:
    """A page of JSON."""
    return Page(status, "application/json", json.dumps(body).encode())


class _Taken(ChancyError):  # noqa: N818 -- a reason to try the next one
    """Somebody else listens on this port."""


class Server:
    """Serves pages until it is closed.

    Args:
        pages: what makes the page at each path.
    """

    def __init__(self, pages: Pages) -> None:
        self._pages: Final = pages
        self._server: asyncio.Server | None = None
        self._clients: set[asyncio.Task[None]] = set()

    async def open(self, host: str, port: int) -> tuple[str, int]:
        """Listen, on the first free port of `PORTS_TRIED` from `port` on. Returns the address.

        Args:
            host: the address to listen on.
            port: the port to begin with; 0: whichever the system chooses.

        Raises:
            ChancyError: none of them can be listened on; says why.
        """
        last = min(port + PORTS_TRIED - 1, PORT_MAX) if port else 0
        for tried in range(port, last):
            with suppress(_Taken):
                return await self._listen(host, tried)
        return await self._listen(host, last, first=port)

    async def _listen(self, host: str, port: int, *, first: int | None = None) -> tuple[str, int]:
        try:
            self._server = await asyncio.start_server(self._accept, host, port, limit=HEAD_MAX_BYTES)
        except OSError as error:
            ports = f"port {port}" if first in (None, port) else f"any port from {first} to {port}"
            refusal = _Taken if error.errno == errno.EADDRINUSE else ChancyError
            raise refusal(
                f"Cannot listen on {ports} of {host}: {error.strerror or error}. Set `port` and `host` in "
                "[plugins.metrics] to one that is free; each worker on one machine takes a port of its own."
            ) from error
        found = self._server.sockets[0].getsockname()
        return str(found[0]), int(found[1])

    async def close(self) -> None:
        """Stop listening, and cut off whoever is still there."""
        if self._server is not None:
            self._server.close()
            for client in self._clients:
                client.cancel()
            await asyncio.gather(*self._clients, return_exceptions=True)
            await self._server.wait_closed()
            self._server = None

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._clients) >= CONNECTIONS_MAX:
            writer.transport.abort()
            return
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 -- tells the type checker
        self._clients.add(task)
        try:
            await self._serve(reader, writer)
        except asyncio.CancelledError:
            # The server closes; asyncio would report a cancelled connection as an error.
            pass
        except (OSError, TimeoutError):
            # They went away, or were too slow: there is nobody to tell.
            pass
        finally:
            self._clients.discard(task)
            # What could not be written by now never will be.
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with asyncio.timeout(READ_WITHIN_S):
            page = await self._read(reader)
        if page is None:
            return
        found = await self._made(page) if isinstance(page, str) else page
        async with asyncio.timeout(WRITE_WITHIN_S):
            writer.write(_head(found) + found.body)
            await writer.drain()
            writer.close()
            await writer.wait_closed()

    async def _read(self, reader: asyncio.StreamReader) -> Page | str | None:
        """The path that is asked for, or the refusal; None if they left without asking."""
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.LimitOverrunError:
            return text(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "The request is too long.\n")
        except asyncio.IncompleteReadError:
            return None
        parts = head.split(b"\r\n", 1)[0].split(b" ")
        if len(parts) != 3 or not parts[2].startswith(b"HTTP/1."):  # noqa: PLR2004 -- method, target, version
            return text(HTTPStatus.BAD_REQUEST, "This is not HTTP.\n")
        if parts[0] != b"GET":
            return text(HTTPStatus.METHOD_NOT_ALLOWED, "Only GET.\n")
        path = parts[1].split(b"?", 1)[0].decode("latin-1")
        if path not in self._pages:
            return text(HTTPStatus.NOT_FOUND, f"There are {', '.join(self._pages)}.\n")
        return path

    async def _made(self, path: str) -> Page:
        try:
            return await self._pages[path]()
        except Exception as error:  # noqa: BLE001 -- a page that fails is answered like any other
            log.error("page_failed", path=path, exc_info=error)
            return text(HTTPStatus.INTERNAL_SERVER_ERROR, "This page could not be made; the worker's log says why.\n")


def _head(page: Page) -> bytes:
    lines = [
        f"HTTP/1.1 {page.status.value} {page.status.phrase}",
        f"Content-Type: {page.content_type}",
        f"Content-Length: {len(page.body)}",
        "Cache-Control: no-store",
        "Connection: close",
    ]
    if page.status is HTTPStatus.METHOD_NOT_ALLOWED:
        lines.append("Allow: GET")
    return "\r\n".join([*lines, "", ""]).encode()
