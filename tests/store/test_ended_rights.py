"""An upgrade to the tables of ends stops nobody who could write jobs before."""

from __future__ import annotations

import secrets

import psycopg
import pytest

from chancy_core.store import run_sync
from chancy_core.store.migrate import kernel_migrations, migrate

# What is tested is how tables are made: none of an earlier test.
pytestmark = pytest.mark.new_tables


def test_a_role_that_may_write_jobs_may_leave_ends(dsn, schema, query):
    """Rights that were given on the tables of then are given on the new ones too."""
    role = f"app_{secrets.token_hex(4)}"
    wanted = kernel_migrations()
    before = next(m.version for m in wanted if ".ended (" in m.sql) - 1
    with psycopg.connect(dsn, autocommit=True) as connection:
        run_sync(connection, migrate(schema, wanted[:before]))
        query(f"CREATE ROLE {role}")
        try:
            query(f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {{s}} TO {role}")
            run_sync(connection, migrate(schema, wanted))
            for table in ("ended", "listeners"):
                for right in ("SELECT", "INSERT", "UPDATE", "DELETE"):
                    name = f"{schema}.{table}"
                    assert query("SELECT has_table_privilege(%s, %s, %s)", role, name, right) == [(True,)], (
                        table,
                        right,
                    )
        finally:
            query(f"DROP OWNED BY {role}; DROP ROLE {role}")
