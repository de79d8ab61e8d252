"""One `Chancy` of a web application: Flask under a server that forks, and FastAPI with a session of SQLAlchemy."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import textwrap
import time
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from support import WITHIN_S

from chancy import Job

FLASK = """
    import os, threading
    from chancy import Chancy, Job
    from flask import Flask

    chancy = Chancy({dsn!r}, schema={schema!r}, discover=False)
    if {before}:
        chancy.sync_push(Job(func="jobs.echo", kwargs={{"value": 0}}))
    app = Flask(__name__)

    @app.get("/")
    def push():
        reference = chancy.sync_push(Job(func="jobs.echo", kwargs={{"value": 1}}))
        assert reference.sync_get().state == "pending"
        return str(os.getpid())
    """


def get(port: int) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=WITHIN_S) as answer:
        return str(answer.read().decode())


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Callable[[str], tuple[int, subprocess.Popen[str]]]]:
    """Serves an application with gunicorn, which loads it and then forks; once it answers, its port."""
    running: list[subprocess.Popen[str]] = []

    def serve(program: str) -> tuple[int, subprocess.Popen[str]]:
        (tmp_path / "app.py").write_text(textwrap.dedent(program))
        # The socket is made here and handed over, so that nobody else can have its port.
        with socket.create_server(("127.0.0.1", 0)) as server:
            port, fd = server.getsockname()[1], server.fileno()
            options = ["--preload", "--workers", "3", "--threads", "4", "--bind", f"fd://{fd}", "app:app"]
            command = [sys.executable, "-m", "gunicorn", *options]
            process = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True, pass_fds=[fd])
        running.append(process)
        until = time.monotonic() + WITHIN_S
        while True:
            try:
                get(port)
            except OSError:
                assert process.poll() is None, process.stderr.read()
                assert time.monotonic() < until
                time.sleep(0.1)
            else:
                return port, process

    yield serve
    for process in running:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("before", [False, True], ids=["first used in a request", "used before the fork"])
def test_a_flask_view_pushes_in_threads_under_a_forking_server(served, dsn, schema, query, before):
    """Each worker process and each of its threads pushes, whoever has used it first, and it ends without complaint."""
    pytest.importorskip("flask")
    pytest.importorskip("gunicorn")
    port, process = served(FLASK.format(dsn=dsn, schema=schema, before=before))
    pids, asked = set(), 0
    # Which process takes a request is the kernel's choice: until two of them have had some.
    with ThreadPoolExecutor(12) as threads:
        while len(pids) < 2:
            pids |= set(threads.map(lambda _: get(port), range(60)))
            asked += 60
    assert query("SELECT count(*) FROM {s}.jobs") == [(asked + 1 + before,)]
    process.terminate()
    _, said = process.communicate(timeout=WITHIN_S)
    assert process.returncode == 0, said
    assert "Traceback" not in said
    assert "rror" not in said


async def asked(app: Any, path: str) -> tuple[int, Any]:
    """An answer of an ASGI application."""
    httpx = pytest.importorskip("httpx")
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        answer = await client.post(path)
        return answer.status_code, answer.json() if answer.status_code == 200 else None


async def test_fastapi_pushes_in_the_session_of_a_request(new_chancy, dsn, query):
    """With asyncio and in a `def` endpoint; a request that fails leaves neither its row nor its job."""
    fastapi = pytest.importorskip("fastapi")
    chancy = new_chancy()
    await chancy.migrate()
    query("CREATE TABLE {s}.orders (id integer)")
    engine = create_async_engine("postgresql+psycopg://", async_creator=lambda: psycopg.AsyncConnection.connect(dsn))
    app = fastapi.FastAPI()
    job = Job(func="jobs.echo", kwargs={"value": 1})

    async def session() -> Any:
        async with AsyncSession(engine) as made, made.begin():
            yield made

    @app.post("/orders")
    async def order(fails: bool = False, db: Any = fastapi.Depends(session)) -> dict[str, str]:  # noqa: B008
        await db.execute(text(f'INSERT INTO "{chancy.settings.schema}".orders VALUES (1)'))
        reference = await chancy.push(job, connection=db)
        if fails:
            raise fastapi.HTTPException(409)
        return {"job": str(reference)}

    @app.post("/mails")
    def mail() -> dict[str, str]:
        return {"job": str(chancy.sync_push(job))}

    assert (await asked(app, "/orders?fails=true"))[0] == 409
    assert await chancy.count_jobs() == {}
    answers = await asyncio.gather(*(asked(app, path) for path in ["/orders", "/mails"] * 5))
    assert {status for status, _ in answers} == {200}
    assert await chancy.get_job(answers[0][1]["job"])
    assert await chancy.count_jobs() == {"default": {"pending": 10}}
    assert query("SELECT count(*) FROM {s}.orders") == [(5,)]
    await engine.dispose()
    await chancy.close()
