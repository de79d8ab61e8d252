"""Pages that follow what happens: server-sent events."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from chancy import Queue
from chancy_dashboard import Access, Dashboard
from chancy_dashboard.answering import live


class Stream:
    """Reads a stream of events as a browser does; httpx waits for the end of a response."""

    def __init__(self, dashboard: Dashboard, path: str) -> None:
        self.status = 0
        self.text = ""
        self._gone = asyncio.Event()
        headers = [(b"host", b"localhost")]
        scope = {
            "type": "http", "method": "GET", "path": path, "raw_path": path.encode(), "query_string": b"",
            "root_path": "", "headers": headers, "client": ("127.0.0.1", 1), "server": ("localhost", 80),
            "scheme": "http", "http_version": "1.1",
        }  # fmt: skip
        self.task = asyncio.create_task(dashboard(scope, self._receive, self._send))
        self._asked = False

    async def _receive(self) -> dict[str, Any]:
        if not self._asked:
            self._asked = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
        else:
            self.text += message.get("body", b"").decode()

    async def leave(self) -> None:
        """Close the tab."""
        self._gone.set()
        await self.task


@pytest.fixture
async def follow(chancy, monkeypatch):
    """Follows a page: `stream = follow("/live/queues")`."""
    monkeypatch.setattr(live, "EVERY_S", 0.05)
    monkeypatch.setattr("chancy_dashboard.reading.snapshots.FOR_S", 0.01)
    dashboards, streams = [], []

    def start(path, **options):
        options.setdefault("authorize", lambda request: Access("ada", "*"))
        dashboards.append(Dashboard(chancy, **options))
        streams.append(Stream(dashboards[-1], path))
        return streams[-1]

    yield start
    for stream in streams:
        await stream.leave()
    for dashboard in dashboards:
        await dashboard.close()


async def test_a_page_follows_what_happens(follow, chancy, until):
    """What it sends is the page's content, without its frame, when it has changed."""
    stream = follow("/live/queues")
    await until(lambda: "event: page" in stream.text)
    assert "<html" not in stream.text
    assert "No queue is declared" not in stream.text  # there is the default one
    await chancy.declare(Queue("mail"))
    await until(lambda: 'href="/queues/mail"' in stream.text)


async def test_a_page_that_does_not_change_sends_a_sign_of_life(follow, until, monkeypatch):
    """Proxies and browsers take silence for death."""
    monkeypatch.setattr(live, "SIGN_OF_LIFE_S", 0.1)
    stream = follow("/live/audit")
    await until(lambda: ": still here" in stream.text)
    assert stream.text.count("event: page") == 1


async def test_a_stream_ends_so_that_the_door_is_asked_again(follow, until, monkeypatch):
    """Whoever may look no more is not shown more for ever."""
    monkeypatch.setattr(live, "FOR_S", 0.2)
    stream = follow("/live/audit")
    await until(stream.task.done)
    assert stream.status == 200


async def test_whoever_may_not_look_may_not_follow(follow, until):
    """Neither without a right to read, nor where too many follow already."""
    stream = follow("/live/queues", authorize=lambda request: None)
    await until(stream.task.done)
    assert stream.status == 403
    assert "event" not in stream.text


async def test_too_many_streams_are_refused(follow, until, monkeypatch):
    """Drawing for all of them would slow down everybody."""
    monkeypatch.setattr(live, "STREAMS_MAX", 0)
    stream = follow("/live/queues")
    await until(stream.task.done)
    assert stream.status == 503


async def test_whoever_leaves_is_forgotten(follow, until):
    """A closed tab asks nothing any more."""
    stream = follow("/live/queues")
    await until(lambda: "event: page" in stream.text)
    await stream.leave()
    assert stream.task.done()
