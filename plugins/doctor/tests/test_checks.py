"""The other checks, each made for real."""

from __future__ import annotations

from psycopg.conninfo import make_conninfo

from chancy import Job, Queue
from chancy_doctor.checks.database import _snapshot


async def test_jobs_of_a_deleted_queue_are_told(chancy, finding):
    """`queue delete --keep-jobs`: nobody looks there any more."""
    await chancy.declare(Queue("gone"))
    await chancy.push(Job(func="shop_jobs.ok", queue="gone"))
    await chancy.delete_queue("gone", purge_jobs=False)
    found = await finding("queue-undeclared")
    assert found["fix"] == "chancy queue declare gone"


async def test_jobs_of_a_queue_that_cannot_be_read_are_told(chancy, finding, query):
    """Somebody wrote its row by hand."""
    await chancy.declare(Queue("odd"))
    await chancy.push(Job(func="shop_jobs.ok", queue="odd"))
    query("UPDATE {s}.queues SET tags = ARRAY['('] WHERE name = 'odd'")
    found = await finding("queue-unreadable")
    assert "odd" in found["what"]


async def test_jobs_that_wait_for_long_are_told(chancy, worker, finding):
    """Workers serve the queue, and do not keep up."""
    await worker("--concurrency", "1")
    await chancy.push_many([Job(func="shop_jobs.nap")] * 3)
    found = await finding("jobs-wait-long", CHANCY_PLUGINS__DOCTOR__WAIT_S="0.5")
    assert found["fix"] == "chancy why queue default"


async def test_a_prepared_transaction_that_was_forgotten_is_told(chancy, finding, query):
    """Where the server allows them; here the row that it would show is all there is to see."""
    if query("SELECT current_setting('max_prepared_transactions')") == [("0",)]:
        found = _snapshot("prepared", "it's", "of role app", "prepared", 4000.0, 12)
        assert found.fix == "ROLLBACK PREPARED 'it''s';"


async def test_a_table_without_autovacuum_is_told(chancy, finding, query):
    """With the statement that mends it, which does."""
    query("ALTER TABLE {s}.jobs SET (autovacuum_enabled = off)")
    found = await finding("autovacuum-off")
    query(found["fix"])


async def test_dead_rows_are_told(chancy, finding, query, until, dsn):
    """Rows that vacuum has not removed."""
    query("ALTER TABLE {s}.jobs SET (autovacuum_enabled = off)")
    await chancy.push_many([Job(func="shop_jobs.ok", queue="default")] * 200)
    query("UPDATE {s}.jobs SET priority = 1")
    query("DELETE FROM {s}.jobs")
    found = await finding("dead-rows", CHANCY_PLUGINS__DOCTOR__DEAD_ROWS="100")
    assert found["fix"].startswith("VACUUM")


async def test_an_index_that_was_not_built_to_its_end_is_told(chancy, finding, query):
    """With the statement that builds it."""
    query("UPDATE pg_index SET indisvalid = false WHERE indexrelid = '{s}.jobs_due'::regclass")
    found = await finding("index-invalid")
    assert "jobs_due" in found["what"]
    query(found["fix"])


async def test_a_right_that_is_missing_is_told(chancy, finding, query, dsn, schema):
    """A role that may look and not work: the tables, and the GRANT, which mends it."""
    role = f"reader_{schema}"
    query(f"CREATE ROLE {role} LOGIN")
    try:
        query(f"GRANT USAGE ON SCHEMA {{s}} TO {role}")
        query(f"GRANT SELECT ON ALL TABLES IN SCHEMA {{s}} TO {role}")
        found = await finding("right-missing", CHANCY_DSN=make_conninfo(dsn, user=role))
        assert role in found["what"]
        assert "DELETE" in found["what"]
        query(found["fix"])
    finally:
        query(f"DROP OWNED BY {role}")
        query(f"DROP ROLE {role}")


async def test_a_database_that_takes_no_changes_is_told(chancy, finding, dsn):
    """A default that somebody set for maintenance, and forgot."""
    read_only = make_conninfo(dsn, options="-c default_transaction_read_only=on")
    found = await finding("database-read-only", CHANCY_DSN=read_only)
    assert "read-only" in found["what"]


async def test_a_unique_key_that_is_held_for_long_is_told(chancy, finding):
    """Whoever pushes with it is given the old job."""
    await chancy.pause_queue("default")
    await chancy.push(Job(func="shop_jobs.ok", unique_key="report"))
    found = await finding("unique-key-held", CHANCY_PLUGINS__DOCTOR__KEY_HELD_S="0.1")
    assert "'report'" in found["what"]


async def test_a_history_that_nobody_prunes_is_told(chancy, worker, finding, query):
    """Many finished jobs, and no live worker that prunes."""
    await worker(CHANCY_PLUGINS__PRUNER__ENABLED="false")
    reference = await chancy.push(Job(func="shop_jobs.ok"))
    await reference.wait(timeout=120)
    query("ANALYZE {s}.finished_jobs")
    query("ANALYZE {s}.finished_succeeded_default")
    found = await finding("history-not-pruned", CHANCY_PLUGINS__DOCTOR__HISTORY_ROWS="1")
    assert found["fix"] == "pip install chancy-pruner"


async def test_a_plugin_that_fails_in_workers_is_told(chancy, worker, finding, query):
    """Its table was dropped: which plugin, on which workers, and with what."""
    await worker("--name", "poor")
    query("DROP TABLE {s}.cron_schedules CASCADE")
    found = await finding("plugin-failing")
    assert found["subject"] == {"kind": "plugin", "name": "cron"}
    assert "poor" in found["what"]
