"""Connections to the database of the tests by other drivers than psycopg 3."""

from __future__ import annotations

from typing import Any

from psycopg.conninfo import conninfo_to_dict


def asyncpg_arguments(dsn: str) -> dict[str, Any]:
    """What asyncpg's `connect` takes for a DSN of libpq."""
    given = conninfo_to_dict(dsn)
    return {name: given[key] for key, name in _NAMES.items() if key in given}


_NAMES = {"host": "host", "port": "port", "user": "user", "password": "password", "dbname": "database"}
