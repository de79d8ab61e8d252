"""A plugin that writes down each end it hears of, for workers in processes of their own, and applications."""

from __future__ import annotations

import asyncio
import os
import random
from typing import Any, ClassVar

from chancy import Plugin, hookimpl


class Ears(Plugin):
    """Writes into the table `heard`, and fails now and then: before it writes, after, or by taking a while."""

    name: ClassVar[str] = "ears"

    @hookimpl
    async def on_open(self, chancy: Any) -> None:
        self.schema = chancy.settings.schema

    @hookimpl
    async def on_end(self, ended: Any, connection: Any) -> None:
        fate = random.random()
        if fate < 0.05:
            raise ValueError("before")
        if fate < 0.15:
            await asyncio.sleep(0.02)
        await connection.execute(
            f"INSERT INTO {self.schema}.heard (id, claims, how, state, pid) SELECT *, %s"
            " FROM unnest(%s::uuid[], %s::integer[], %s::text[], %s::text[])",
            [os.getpid(), *map(list, zip(*((one.id, one.claims, one.how, one.state) for one in ended), strict=True))],
        )
        if fate > 0.95:
            raise ValueError("after")
