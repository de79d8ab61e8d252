"""`examples/fastapi`: a real server with a worker inside, and real requests."""

from __future__ import annotations

import asyncio
import importlib.util
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from docpages import BLOCK, ENDS_WITHIN_S, ROOT

from chancy import Chancy, Job, Worker
from chancy_core.testing.fixtures import WITHIN_S

fastapi = pytest.importorskip("fastapi")
pytest.importorskip("uvicorn", reason="it comes with chancy-dashboard")
httpx = pytest.importorskip("httpx")
EXAMPLE = ROOT / "examples" / "fastapi"


@pytest.fixture
def shop(environment: dict[str, str], tmp_path: Path) -> Iterator[Any]:
    """A client of the example, which runs on a socket that nobody else can have taken."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        command = [sys.executable, "-m", "uvicorn", "app:app", "--app-dir", EXAMPLE, "--fd", str(listening.fileno())]
        server = subprocess.Popen(
            command,
            env={**environment, "WITH_WORKER": "1", "CHANCY_DISCOVER": "true"},
            pass_fds=[listening.fileno()],
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            with httpx.Client(base_url=f"http://127.0.0.1:{listening.getsockname()[1]}", timeout=WITHIN_S) as client:
                yield client
            server.send_signal(signal.SIGTERM)
            _, errors = server.communicate(timeout=ENDS_WITHIN_S)
            assert "Application shutdown complete" in errors
            assert "Traceback" not in errors
        finally:
            server.kill()
            server.communicate()


def ended(client: Any, id_: str) -> dict[str, Any]:
    """The job, when it has ended."""
    deadline = time.monotonic() + ENDS_WITHIN_S
    while True:
        told = client.get(f"/progress/{id_}").json()
        if told["state"] in ("succeeded", "failed", "cancelled"):
            return told
        assert time.monotonic() < deadline, told
        time.sleep(0.05)


def test_orders_of_a_web_shop_get_their_jobs(shop, query, dsn):
    """In the request's transaction, from `async def` and from `def`, watched to their end; and it closes in order."""
    assert shop.get("/health/live").json() == shop.get("/health/ready").json() == {"status": "ok"}
    try:
        refused = shop.post("/orders", params={"item": "nothing"})
        assert refused.status_code == 422
        taken = shop.post("/orders", params={"item": "tea"}).json()
        reminded = shop.post("/reminders", params={"order": 5}).json()
        told = ended(shop, taken["job"])
        assert (told["state"], told["result"]) == ("succeeded", f"order {taken['order']} is confirmed")
        assert told["progress"]["fraction"] == 1.0
        assert ended(shop, reminded["job"])["kwargs"] == {"order": 5}
        assert query("SELECT item FROM shop_orders WHERE id = %s", taken["order"]) == [("tea",)]
        assert query("SELECT count(*) FROM {s}.finished_jobs") == [(2,)]
        assert query("SELECT count(*) FROM {s}.jobs") == [(0,)]
        assert shop.get("/progress/none").status_code == 422
        assert shop.get(f"/progress/{'0' * 32}").status_code == 404
        if importlib.util.find_spec("chancy_dashboard"):
            assert "<html" in shop.get("/jobs/").text
    finally:
        query("DROP TABLE IF EXISTS shop_orders")


async def test_a_lifespan_opens_and_closes(new_chancy):
    """And gives requests the Chancy; what an application opens inside of it is closed before."""
    chancy = new_chancy()
    async with chancy.lifespan(object()) as state, Worker(chancy):
        assert state == {"chancy": chancy}
        reference = await chancy.push(Job(func="jobs.echo", kwargs={"value": 1}))
        assert (await reference.wait(timeout=WITHIN_S)).result == 1
    with pytest.raises(Exception, match="has been closed"):
        await chancy.push(Job(func="jobs.echo"))


def test_starlette_and_fastapi_take_it_as_it_is(dsn, schema):
    """`FastAPI(lifespan=chancy.lifespan)`: the application opens it, and requests find it in their state."""

    testing = pytest.importorskip("starlette.testclient")
    chancy = Chancy(dsn, schema=schema, discover=False)
    app = fastapi.FastAPI(lifespan=chancy.lifespan)

    @app.get("/")
    async def push(request: fastapi.Request) -> str:
        assert request.state.chancy is chancy
        return str(await request.state.chancy.push(Job(func="jobs.echo")))

    with testing.TestClient(app) as client:
        id_ = client.get("/").json()
    assert asyncio.run(_state(dsn, schema, id_)) == "pending"


async def _state(dsn: str, schema: str, id_: str) -> str:
    return (await Chancy(dsn, schema=schema, discover=False).get_job(id_)).state


def test_the_page_shows_the_example():
    """Each block of the page that is said to be of the example stands in it."""
    page = (ROOT / "docs/how-to/fastapi.md").read_text()
    code = (EXAMPLE / "app.py").read_text()
    shown = [block for kind, title, _, block in BLOCK.findall(page) if (kind, title) == ("python", "app.py")]
    assert len(shown) >= 4
    for block in shown:
        for piece in block.strip().split("\n\n\n"):
            assert piece.strip() in code
