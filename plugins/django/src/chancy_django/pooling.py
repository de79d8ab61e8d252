"""How a worker's threads share connections: by Django's own pool, so that there are only so many."""

from __future__ import annotations

from typing import Any, Final

from django.db import connections

# A job that has to wait for a connection waits for other jobs, and these may take a while; it is no reason to fail.
WAIT_S: Final = 600.0
# What nobody uses for so long is given back to the server.
IDLE_S: Final = 60.0


def share_connections(most: int) -> list[str]:
    """Let the threads of this process share at most so many connections to each database of PostgreSQL.

    Django gives each thread one of its own, and a worker has a hundred threads. What a site has said of pools itself
    stays. A connection that the server has dropped is found out before a job gets it.

    Args:
        most: how many connections to a database; 0: as many as there are threads.

    Returns:
        The aliases of the databases whose connections are shared.
    """
    shared = []
    for alias in connections.settings if most else ():
        connection = connections[alias]
        settings: dict[str, Any] = connection.settings_dict
        if connection.vendor != "postgresql" or "pool" in settings["OPTIONS"] or not _has_pools():
            continue
        connection.close()
        settings["OPTIONS"]["pool"] = {"min_size": 0, "max_size": most, "timeout": WAIT_S, "max_idle": IDLE_S}
        # It is the pool that keeps them, and Django keeps none beside it.
        settings.update(CONN_MAX_AGE=0, CONN_HEALTH_CHECKS=True)
        shared.append(alias)
    return shared


def _has_pools() -> bool:
    """Whether the driver is psycopg 3, the only one that has them."""
    from django.db.backends.postgresql.psycopg_any import is_psycopg3  # noqa: PLC0415 -- it needs a driver

    return bool(is_psycopg3)
