"""Pages that follow what happens: their content as server-sent events, whenever it has changed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Final

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse

from chancy.plugin import WebPage
from chancy_dashboard.answering.views import Endpoint, Found, Views
from chancy_dashboard.door.deciding import Door, Refused
from chancy_dashboard.door.visit import Visiting

# A snapshot is at most two seconds old, unless it took long, and is shown at once.
EVERY_S: Final = 2.0
# Browsers and proxies take a stream for dead on which nothing comes.
SIGN_OF_LIFE_S: Final = 15.0
# Who may look can change: a stream ends after so long, and the browser asks again, through the door.
FOR_S: Final = 600.0
# Each stream draws pages: so many of one process at a time.
STREAMS_MAX: Final = 200
TRY_AGAIN_MS: Final = 3_000


class Live:
    """The streams.

    Args:
        door: who may look.
        views: what is shown.
    """

    def __init__(self, door: Door, views: Views) -> None:
        self._door: Final = door
        self._views: Final = views
        self.open = 0

    def of(self, page: WebPage) -> Endpoint:
        """What answers with the stream of a page."""

        async def endpoint(request: Request) -> Response:
            visit = await self._door.visit(request)
            if isinstance(visit, Response):
                return visit
            if isinstance(visit, Refused) or (page.permission != "read" and not visit.may_somewhere(page.permission)):
                return PlainTextResponse("You may not look at this.", 403)
            if self.open >= STREAMS_MAX:
                return PlainTextResponse("Too many pages are followed; look again later.", 503)
            headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
            return StreamingResponse(
                self._events(request, page, visit), media_type="text/event-stream", headers=headers
            )

        return endpoint

    async def _events(self, request: Request, page: WebPage, visit: Visiting) -> AsyncIterator[str]:
        loop = asyncio.get_running_loop()
        ends_at, told_at, before = loop.time() + FOR_S, loop.time(), ""
        self.open += 1
        try:
            yield f"retry: {TRY_AGAIN_MS}\n\n"
            while loop.time() < ends_at and not await request.is_disconnected():
                found = await self._views.look(page, visit, follows=True)
                html = await self._content(request, page, visit, found)
                if html != before:
                    yield _event("page" if found.fault is None else "away", html)
                    before, told_at = html, loop.time()
                elif loop.time() - told_at > SIGN_OF_LIFE_S:
                    yield ": still here\n\n"
                    told_at = loop.time()
                await asyncio.sleep(EVERY_S)
        finally:
            self.open -= 1

    async def _content(self, request: Request, page: WebPage, visit: Visiting, found: Found) -> str:
        """What stands in the page between its head and its foot."""
        html, _ = await self._views.html(request, page, visit, found, bare=True)
        return html


def _event(kind: str, text: str) -> str:
    lines = "\n".join(f"data: {line}" for line in text.splitlines())
    return f"event: {kind}\n{lines}\n\n"
