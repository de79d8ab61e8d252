"""Listen: be told of pushes, promotions and changed queues, instead of polling for them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from chancy_core.log import log
from chancy_core.store.connect import connect
from chancy_core.store.flow import AsyncConnection

# A connection that died in silence is noticed after this, plus the time of a probe.
PROBE_EVERY_S: Final = 15.0
PROBE_TIMEOUT_S: Final = 5.0


class Listener:
    """One LISTEN connection. Polling covers when it is away.

    Args:
        channel: the channel of the schema.
        dsn: the database.
        hear: called with the payload of each notification, and with None after each connection is
            made, because anything may have been missed before.
    """

    def __init__(self, channel: str, dsn: Callable[[], str], hear: Callable[[str | None], None]) -> None:
        self._channel = channel
        self._dsn = dsn
        self._hear = hear

    async def run(self) -> None:
        """Listen until the connection is lost, which raises."""
        connection = await connect(self._dsn(), application_name="chancy listen")
        try:
            await connection.execute(f'LISTEN "{self._channel}"'.encode())
            log.debug("listening", channel=self._channel)
            self._hear(None)
            while True:
                async for notification in connection.notifies(timeout=PROBE_EVERY_S):
                    self._hear(notification.payload)
                await self._probe(connection)
        finally:
            await connection.close()

    @staticmethod
    async def _probe(connection: AsyncConnection) -> None:
        async with asyncio.timeout(PROBE_TIMEOUT_S):
            await connection.execute(b"SELECT 1")
