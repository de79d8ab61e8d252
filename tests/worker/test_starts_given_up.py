"""A worker that is stopped while it starts."""

from __future__ import annotations

import asyncio

import psycopg
import pytest
from making import plugin
from support import lock_tables, until

from chancy import Worker


async def test_a_worker_that_gave_up_its_start_looked_alive_until_its_lease_ran_out(chancy, new_chancy, dsn, schema):
    """Its row is there by then, and goes with it."""

    async def on_end(self, ended):
        """It hears of ends, and so there is more to do than to write the row."""

    async with (
        new_chancy(plugins=[plugin("ears", on_end=on_end)]) as its,
        await psycopg.AsyncConnection.connect(dsn) as somebody,
    ):
        await lock_tables(somebody, schema, "listeners")
        starting = asyncio.ensure_future(Worker(its).start())
        await until(chancy.get_workers)
        starting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await starting
        assert await chancy.get_workers() == []
