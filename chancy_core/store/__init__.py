"""The only room that speaks SQL."""

from chancy_core.store.flow import Flow, Query, run, run_sync
from chancy_core.store.migrate import Migration, read_migrations
from chancy_core.store.pools import Pool
from chancy_core.store.statements import statement
from chancy_core.store.store import Store
from chancy_core.store.syncpools import SyncPool

__all__ = [
    "Flow",
    "Migration",
    "Pool",
    "Query",
    "Store",
    "SyncPool",
    "read_migrations",
    "run",
    "run_sync",
    "statement",
]
