"""Plugins of applications that write down which ends they hear of, in the transaction in which they do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from making import plugin

from chancy import Plugin

HEARD = "CREATE TABLE {s}.heard (plugin text, id uuid, claims integer, how text, state text, note text, meta json)"


def writer(schema: str, name: str = "writer", then: Callable[..., Any] | None = None) -> Plugin:
    """A plugin that writes each end that it hears of into the table `heard`, and then does something else."""

    async def on_end(self: Any, ended: Any, connection: Any) -> None:
        async with connection.cursor() as cursor:
            await cursor.executemany(
                f"INSERT INTO {schema}.heard (plugin, id, claims, how, state, note, meta) VALUES"
                f" ('{name}', %s, %s, %s, %s, %s, to_json(%s::jsonb))",
                [(e.id, e.claims, e.how, e.state, e.note, f'{{"n": {e.meta.get("n", "null")}}}') for e in ended],
            )
        if then is not None:
            await then(connection)

    return plugin(name, on_end=on_end)
