"""Workers with plugins, for tests."""

from __future__ import annotations

import asyncio
from typing import Any

from making import ECHO
from support import WITHIN_S

from chancy import Chancy, Job, Worker

RAISED = [ValueError("no"), NotImplementedError(), asyncio.CancelledError(), SystemExit(3), KeyboardInterrupt()]


async def run_one(chancy: Chancy, job: Job = ECHO) -> Any:
    async with Worker(chancy, grace_s=1):
        return await (await chancy.push(job)).wait(timeout=WITHIN_S)


async def run_query(chancy: Chancy, sql: str) -> list[Any]:
    async with chancy.pool.connection() as connection:
        cursor = await connection.execute(sql.replace("{schema}", chancy.settings.schema).encode())
        return await cursor.fetchall()
