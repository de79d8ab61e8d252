"""`apart`: an application once more, with connections of its own, for whoever must not be in the way of the first."""

from __future__ import annotations

import psycopg
import pytest

from chancy import Chancy, Job, Queue
from chancy.errors import SchemaError
from chancy.plugin import apart, opened


async def test_it_looks_and_changes_nothing(chancy, query):
    """Read-only, few connections, a time for each statement; the first one goes on as it was."""
    await chancy.declare(Queue("mail"))
    other = apart(chancy, read_only=True, statement_timeout_s=0.1, pool_max_size=1)
    try:
        assert [queue.name for queue in await other.get_all_queues()] == ["default", "mail"]
        async with other.pool.connection() as connection:
            with pytest.raises(psycopg.errors.QueryCanceled):
                await connection.execute("SELECT pg_sleep(3600)")
            with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
                await connection.execute(f'DELETE FROM "{chancy.settings.schema}".queues'.encode())
        # What people are told to type does not change by it.
        assert other.settings.dsn == chancy.settings.dsn
        assert other.settings.pool_max_size == 1
    finally:
        await other.close()
    await chancy.push(Job("app.send", queue="mail"))
    assert query("SELECT count(*) FROM {s}.jobs") == [(1,)]


async def test_it_makes_no_schema_and_declares_no_queue(dsn, schema, query):
    """Whoever looks leaves no trace."""
    first = Chancy(dsn, schema=schema, discover=False, auto_migrate=True)
    other = apart(first)
    try:
        with pytest.raises(SchemaError):
            await opened(other)
    finally:
        await other.close()
    assert query("SELECT count(*) FROM pg_tables WHERE schemaname = '" + schema + "'") == [(0,)]


async def test_it_leads_elsewhere_if_it_is_told(chancy):
    """As to a replica, with the options that its DSN has kept."""
    elsewhere = psycopg.conninfo.make_conninfo(chancy.dsn, options="-c work_mem=7MB", application_name="replica")
    other = apart(chancy, dsn=elsewhere, read_only=True)
    try:
        pool = await opened(other)
        async with pool.connection() as connection:
            for name, value in (("work_mem", "7MB"), ("transaction_read_only", "on"), ("application_name", "replica")):
                cursor = await connection.execute(f"SHOW {name}".encode())
                assert await cursor.fetchone() == (value,)
    finally:
        await other.close()
