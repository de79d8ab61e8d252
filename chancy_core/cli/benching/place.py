"""A schema of the benchmark's own: made, dropped afterwards, and swept at the next run if nobody could."""

from __future__ import annotations

import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import msgspec
from psycopg.conninfo import make_conninfo

from chancy_core.app import Chancy
from chancy_core.cli.benching.jobs import QUEUE
from chancy_core.config import Settings
from chancy_core.errors import ChancyError
from chancy_core.store import benching
from chancy_core.store.flow import AsyncConnection, run
from chancy_core.store.store import Store
from chancy_core.values.queue import Queue

#: What the sessions of a benchmark are called, in pg_stat_activity.
SESSIONS: Final = "chancy bench"
# Behind a transaction pooler nobody can hold a lock for as long as he lives; what is so old was left by a killed run.
FORGOTTEN_S: Final = 6 * 3600.0
_POOLED: Final = "p"


class Place:
    """Where it is measured.

    Attributes:
        chancy: open, without plugins, in the schema of the benchmark.
        swept: the schemas of earlier runs that were killed, which have been dropped.
    """

    def __init__(self, chancy: Chancy, swept: list[str]) -> None:
        self.chancy: Final = chancy
        self.swept: Final = swept

    @property
    def settings(self) -> dict[str, Any]:
        """What a worker's process is told."""
        given = self.chancy.settings
        return {
            "dsn": given.dsn,
            "schema": given.schema,
            "pooler": given.pooler,
            "notifications": given.notifications,
            "discover": False,
            "auto_migrate": False,
        }


@asynccontextmanager
async def place(settings: Settings, dsn: str) -> AsyncIterator[Place]:
    """Make the schema, and drop it at the end, however that comes.

    Args:
        settings: the user's.
        dsn: the database.

    Raises:
        ChancyError: this role may make no schema there, or it is a standby.
    """
    schema = f"chancy_bench_{int(time.time()):x}_{secrets.token_hex(3)}{_POOLED if settings.pooler else ''}"
    made = msgspec.structs.replace(
        settings,
        dsn=make_conninfo(dsn, application_name=SESSIONS),
        schema=schema,
        functions=None,
        auto_migrate=True,
        discover=False,
        plugin_order=[],
        queues={},
        plugins={},
    )
    async with _chancy(made).connections.connect(application_name=SESSIONS) as connection:
        swept = await _sweep(connection)
        await run(connection, benching.lock_bench(Store(schema)))
        try:
            async with _chancy(made) as chancy:
                await chancy.declare(Queue(QUEUE, concurrency=100), upsert=True)
                yield Place(chancy, swept)
        finally:
            await run(connection, benching.drop_bench(Store(schema)))


def _chancy(settings: Settings) -> Chancy:
    given: Any = settings
    return Chancy(config=given)


async def look(settings: Settings, dsn: str) -> benching.ServerLook:
    """What can be said of the server before anything is done there.

    Raises:
        ChancyError: nothing can be measured there.
    """
    found = msgspec.structs.replace(settings, dsn=dsn, discover=False, queues={}, plugins={}, plugin_order=[])
    async with _chancy(found).connections.connect(application_name=SESSIONS) as connection:
        server = await run(connection, benching.look_at_server(Store(settings.schema)))
    if server.in_recovery:
        raise ChancyError("This server is a standby, which takes no changes. Give the DSN of the primary, with --dsn.")
    if not server.may_create:
        raise ChancyError(
            "This role may make no schema in this database, and the benchmark needs one of its own. As the database's "
            "owner: GRANT CREATE ON DATABASE … TO …, and afterwards REVOKE it; or give a role that may, with --dsn."
        )
    return server


async def _sweep(connection: AsyncConnection) -> list[str]:
    """Drop what runs have left that were killed."""
    swept = []
    for name in await run(connection, benching.find_benches(Store("chancy"))):
        age_s = time.time() - int(name.split("_")[2], 16)
        pooled = name.endswith(_POOLED)
        if age_s < FORGOTTEN_S and (pooled or not await run(connection, benching.lock_bench(Store(name)))):
            continue
        await run(connection, benching.drop_bench(Store(name)))
        swept.append(name)
    return swept
