"""Workers behind a way to the database that can fall silent."""

from __future__ import annotations

from contextlib import asynccontextmanager

from chaos.relay import Relay

from chancy_core.app import Chancy
from chancy_core.worker import Worker

# What an idle machine does in a second or two.
PATIENCE_S = 90.0


@asynccontextmanager
async def behind(relay: Relay, chancy: Chancy, **options):
    """A worker whose connections go through the relay."""
    async with (
        Chancy(relay.dsn, schema=chancy.settings.schema, discover=False) as other,
        Worker(other, **options) as it,
    ):
        yield it


def lost(chancy_query) -> list:
    return chancy_query("SELECT id FROM {s}.finished_jobs WHERE errors::text LIKE '%%WorkerLost%%'")
