"""Where an application's database is: at a DSN, or in the embedded PostgreSQL, which runs while somebody needs it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from chancy_core.errors import NotOpen

if TYPE_CHECKING:
    from chancy_core.embedded import EmbeddedServer


class Database:
    """The database in use.

    Args:
        dsn: where it is; None: the embedded one, which has to be started.
    """

    def __init__(self, dsn: str | None) -> None:
        self._dsn = dsn
        self._server: EmbeddedServer | None = None
        self._starting = threading.Lock()

    @property
    def dsn(self) -> str:
        """Where it is. Raises NotOpen before the embedded one has been started."""
        if self._dsn is not None:
            return self._dsn
        if self._server is None:
            raise NotOpen("No DSN was given, and the embedded PostgreSQL starts when Chancy is opened.")
        return self._server.dsn

    @property
    def must_start(self) -> bool:
        """Whether there is no DSN yet."""
        return self._dsn is None and self._server is None

    def start(self) -> None:
        """Start the embedded PostgreSQL, or share the one that runs, if no DSN was given. Blocks."""
        with self._starting:
            if self.must_start:
                from chancy_core import embedded  # noqa: PLC0415 -- ten modules, for those who name no database

                self._server = embedded.acquire()

    def release(self) -> None:
        """Let the embedded PostgreSQL go."""
        server, self._server = self._server, None
        if server is not None:
            server.close()

    def leave_to_parent(self) -> object:
        """In a forked child: use the server by its DSN. Returns what belongs to the parent, which nobody may close."""
        server, self._server, self._starting = self._server, None, threading.Lock()
        if server is not None:
            self._dsn = server.dsn
        return server
