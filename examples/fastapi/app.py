"""Orders in a web shop: what a request writes and the jobs that belong to it are one transaction.

From this folder: `pip install 'chancy-core[embedded]' fastapi uvicorn 'sqlalchemy[asyncio]'`, then `uvicorn app:app`.
`CHANCY_DSN` names the database; without it there is a private one. `WITH_WORKER=1` runs the jobs in the same process,
for development.
"""

import asyncio
import importlib.util
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Annotated, Any
from uuid import UUID

import psycopg
from fastapi import Depends, FastAPI, HTTPException, Request
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine

from chancy import Chancy, JobContext, Worker, job
from chancy.errors import DatabaseUnavailable

chancy = Chancy()
# An application that knows its database writes create_async_engine("postgresql+psycopg://localhost/shop").
engine = create_async_engine("postgresql+psycopg://", async_creator=lambda: psycopg.AsyncConnection.connect(chancy.dsn))
Session = async_sessionmaker(engine)


@job(max_attempts=3)
async def confirm(*, order: int, context: JobContext) -> str:
    """Send a confirmation, in four steps that can be watched."""
    for step in range(4):
        context.progress(step / 4, f"step {step + 1}")
        await asyncio.sleep(0.05)
    return f"order {order} is confirmed"


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, Any]]:
    """Open the Chancy, make the table, and perhaps run a worker; all of it is closed in the reverse order."""
    async with AsyncExitStack() as stack:
        state = await stack.enter_async_context(chancy.lifespan(app))
        stack.push_async_callback(engine.dispose)
        async with Session.begin() as session:
            await session.execute(text("CREATE TABLE IF NOT EXISTS shop_orders (id serial PRIMARY KEY, item text)"))
        if os.environ.get("WITH_WORKER"):
            await stack.enter_async_context(Worker(chancy))
        yield state


app = FastAPI(lifespan=lifespan)
if importlib.util.find_spec("chancy_dashboard"):
    from chancy_dashboard import Dashboard

    # In an application with users: authorize=lambda request: …
    app.mount("/jobs", Dashboard(chancy))


def get_chancy(request: Request) -> Chancy:
    """The application's Chancy; tests put another in its place (`app.dependency_overrides`)."""
    return request.state.chancy


async def get_session() -> AsyncIterator[AsyncSession]:
    """A session for a request, which commits what it wants to keep."""
    async with Session() as session:
        yield session


TheChancy = Annotated[Chancy, Depends(get_chancy)]
TheSession = Annotated[AsyncSession, Depends(get_session)]


@app.post("/orders", status_code=202)
async def order(item: str, chancy: TheChancy, session: TheSession) -> dict[str, Any]:
    """The order and its job: both, or neither."""
    inserted = await session.execute(text("INSERT INTO shop_orders (item) VALUES (:item) RETURNING id"), {"item": item})
    id_ = inserted.scalar_one()
    reference = await chancy.push(confirm.job.with_kwargs(order=id_), connection=session)
    if item == "nothing":
        # The session is closed without a commit.
        raise HTTPException(422, "We do not sell that.")
    await session.commit()
    return {"order": id_, "job": str(reference)}


@app.post("/reminders", status_code=202)
def remind(order: int, chancy: TheChancy) -> dict[str, Any]:
    """A `def` endpoint runs in a thread, and pushes without asyncio."""
    return {"job": str(chancy.sync_push(confirm.job.with_kwargs(order=order)))}


@app.get("/progress/{id_}")
async def progress(id_: UUID, chancy: TheChancy) -> dict[str, Any]:
    """Where a job is by now, as JSON."""
    found = await chancy.get_job(id_)
    if found is None:
        raise HTTPException(404)
    return found.to_dict()


@app.get("/health/live")
async def live() -> dict[str, str]:
    """The process answers."""
    return {"status": "ok"}


@app.get("/health/ready")
async def ready(chancy: TheChancy) -> dict[str, str]:
    """It can push: the database answers."""
    try:
        await chancy.get_queue("default")
    except DatabaseUnavailable as error:
        raise HTTPException(503, str(error)) from error
    return {"status": "ok"}
