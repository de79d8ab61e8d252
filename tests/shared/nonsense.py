"""Values that are none of a job, and what is stored after they were pushed."""

from __future__ import annotations

from typing import Any

import psycopg

from chancy import Chancy, Job

FORMS = ["push", "push_many", "transaction", "bulk_transaction"]


async def tables(chancy: Chancy) -> dict[str, int]:
    """How many rows each table has."""
    async with chancy.pool.connection() as connection:
        found = {}
        for name in ("jobs", "finished_jobs", "queues"):
            cursor = await connection.execute(f"SELECT count(*) FROM {chancy.settings.schema}.{name}".encode())
            found[name] = (await cursor.fetchone())[0]
        return found


async def push(chancy: Chancy, form: str, *pushed: Any) -> None:
    """Push good jobs and `pushed` in one of the forms; on a connection of our own, commit whatever came of it."""
    good = Job("jobs.noop")
    if form == "push":
        await chancy.push(*pushed)
    elif form == "push_many":
        await chancy.push_many([good, *pushed, good])
    else:
        async with await psycopg.AsyncConnection.connect(chancy.dsn) as connection:
            try:
                if form == "transaction":
                    await chancy.push(*pushed, connection=connection)
                else:
                    await chancy.push_many([good, *pushed, good], connection=connection)
            finally:
                await connection.commit()
