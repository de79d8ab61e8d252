"""Which peers there are, made ready for a run, and which are not to be had here, and why."""

from __future__ import annotations

import importlib
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType

from benchmarks.peers.environments import PeerUnavailableError, environment
from benchmarks.peers.redis_server import redis

POSTGRESQL = ("pgqueuer", "awa", "chancy", "procrastinate")
ON_REDIS = {
    "saq": "unix://{socket}",
    "celery": "redis+socket://{socket}",
    "dramatiq": "unix://{socket}",
    "taskiq": "unix://{socket}",
}
# Has nothing but workflows.
OF_WORKFLOWS = ("dbos",)
EVERY = (*POSTGRESQL, *ON_REDIS, *OF_WORKFLOWS)


@dataclass(frozen=True)
class Peer:
    """A peer that can be measured.

    Attributes:
        name: of its driver.
        driver: its constants; the library itself is only in its own environment.
        python: the Python of that environment.
        redis: the DSN, for those that keep their jobs there.
    """

    name: str
    driver: ModuleType
    python: Path
    redis: str | None = None

    @property
    def label(self) -> str:
        return str(self.driver.NAME)


@dataclass
class Catalog:
    """Attributes:
    postgresql: those that keep their jobs in PostgreSQL, the fastest first.
    on_redis: those that do not.
    of_workflows: those that are measured where workflows are, and nowhere else.
    missing: why others are not here, by name.
    """

    postgresql: list[Peer] = field(default_factory=list)
    on_redis: list[Peer] = field(default_factory=list)
    of_workflows: list[Peer] = field(default_factory=list)
    missing: dict[str, str] = field(default_factory=dict)

    @property
    def all(self) -> list[Peer]:
        return self.postgresql + self.on_redis

    @property
    def everyone(self) -> list[Peer]:
        """Those of workflows, too."""
        return self.all + self.of_workflows

    def names(self, *, redis: bool = True) -> list[str]:
        return [peer.label for peer in (self.all if redis else self.postgresql)]


@asynccontextmanager
async def catalog(wanted: Iterable[str]) -> AsyncIterator[Catalog]:
    """Make environments where there are none, and start Redis if somebody needs it."""
    found = Catalog()
    async with AsyncExitStack() as stack:
        socket: Path | None = None
        for name in wanted:
            driver = importlib.import_module(f"benchmarks.peers.{name}")
            try:
                if name in ON_REDIS and socket is None:
                    socket = await stack.enter_async_context(redis())
                python = await environment(name, driver.PACKAGES)
            except PeerUnavailableError as reason:
                found.missing[driver.NAME] = str(reason)
                continue
            if name in OF_WORKFLOWS:
                found.of_workflows.append(Peer(name, driver, python))
            elif name in ON_REDIS:
                found.on_redis.append(Peer(name, driver, python, ON_REDIS[name].format(socket=socket)))
            else:
                found.postgresql.append(Peer(name, driver, python))
        yield found
