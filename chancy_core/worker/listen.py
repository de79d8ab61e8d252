"""Listen: be told of pushes, promotions and changed queues, instead of polling for them."""

from __future__ import annotations

from chancy_core.store.listening import ListeningConnection


class Listener:
    """Sees to it that the connection which hears notifications is there, even while nobody uses it."""

    def __init__(self, connection: ListeningConnection) -> None:
        self._connection = connection

    async def run(self) -> None:
        """Listen until the connection is lost, which raises."""
        await self._connection.listen()
