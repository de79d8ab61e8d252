"""What the tests of the worker look at."""

from __future__ import annotations

from support import until

from chancy_core.values.queuedjob import State


async def state_of(reference) -> State:
    return (await reference.get()).state


async def started(*references) -> None:
    """Wait until all of them run."""

    async def all_run() -> bool:
        return all([await state_of(reference) is State.RUNNING for reference in references])

    await until(all_run)


async def workers(chancy) -> list[str]:
    async with chancy.pool.connection() as connection:
        cursor = await connection.execute(f"SELECT worker FROM {chancy.settings.schema}.workers ORDER BY worker")
        return [row[0] for row in await cursor.fetchall()]
