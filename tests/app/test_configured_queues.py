"""Queues of the settings exist as soon as an application has opened; nobody's changes by hand are undone by that."""

from __future__ import annotations

import secrets
from itertools import takewhile

import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from support import captured_events

from chancy import Chancy, Job, Queue, Worker
from chancy_core.errors import UnknownQueue
from chancy_core.store import run_sync
from chancy_core.store.migrate import kernel_migrations, migrate

NOOP = Job(func="jobs.noop")
QUEUES = {"mail": {"concurrency": 3}, "reports.weekly": {"tags": ["big"], "polling_interval": 2}}


async def test_a_queue_of_the_settings_was_there_for_workers_only(new_chancy):
    """What stands in the settings can be pushed to at once, as it stands there, and no worker has run."""
    async with new_chancy(queues=QUEUES) as chancy:
        await chancy.push("mail", NOOP)
        await chancy.push_many("reports.weekly", [NOOP] * 2)
        assert await chancy.get_queue("mail") == Queue("mail", concurrency=3)
        assert await chancy.get_queue("reports.weekly") == Queue("reports.weekly", tags=["big"], polling_interval=2)


def test_without_asyncio_too(new_chancy):
    """The same for whoever opens it with `with`."""
    with new_chancy(queues=QUEUES) as chancy:
        chancy.sync_push("mail", NOOP)
        assert [queue.name for queue in chancy.sync_get_all_queues()] == ["default", "mail", "reports.weekly"]


async def test_after_migrating_too(new_chancy, dsn, schema, query):
    """Where the schema did not fit at the opening, they come with `migrate`."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        before = list(takewhile(lambda step: "configured" not in step.sql, kernel_migrations()))
        run_sync(connection, migrate(schema, before))
    async with new_chancy(queues=QUEUES) as late:
        assert query("SELECT name FROM {s}.queues") == [("default",)]
        await late.migrate()
        await late.push("mail", NOOP)


async def test_opening_undoes_nothing_that_was_done_by_hand(new_chancy):
    """A pause, and a declaration, stay as they are, however many applications open; and so do they for workers."""
    async with new_chancy(queues=QUEUES) as chancy:
        await chancy.declare(Queue("mail", concurrency=1), upsert=True)
        await chancy.pause_queue("mail")
    async with new_chancy(queues=QUEUES) as again, Worker(again):
        found = await again.get_queue("mail")
        assert (found.concurrency, found.state) == (1, "paused")


async def test_a_worker_applies_what_has_changed_in_the_settings(new_chancy):
    """A file that says something else than before is applied by the next worker, and only once."""
    async with new_chancy(queues={"mail": {"concurrency": 3}}) as chancy, Worker(chancy):
        pass
    async with new_chancy(queues={"mail": {"concurrency": 5}}) as chancy:
        assert (await chancy.get_queue("mail")).concurrency == 3
        async with Worker(chancy):
            assert (await chancy.get_queue("mail")).concurrency == 5
        await chancy.declare(Queue("mail", concurrency=2), upsert=True)
        async with Worker(chancy):
            assert (await chancy.get_queue("mail")).concurrency == 2


async def test_a_worker_applies_the_settings_to_a_queue_that_somebody_else_has_declared(chancy, new_chancy):
    """Who declared it knew nothing of these settings."""
    await chancy.declare(Queue("mail", concurrency=1))
    async with new_chancy(queues=QUEUES) as configured, Worker(configured):
        assert (await configured.get_queue("mail")).concurrency == 3


async def test_two_that_open_at_once_declare_them_once(new_chancy):
    """Each finds them missing; the second insert is none."""
    async with new_chancy(queues=QUEUES) as one, new_chancy(queues=QUEUES) as other:
        assert await one.get_all_queues() == await other.get_all_queues()


async def test_a_deleted_queue_is_back_with_the_next_opening(new_chancy):
    """As long as it stands in the settings."""
    async with new_chancy(queues=QUEUES) as chancy:
        await chancy.delete_queue("mail")
        with pytest.raises(UnknownQueue):
            await chancy.push("mail", NOOP)
    async with new_chancy(queues=QUEUES) as chancy:
        await chancy.push("mail", NOOP)


async def test_tags_of_the_settings_that_match_no_worker_are_told(new_chancy):
    """Once, when the queue is declared."""
    with captured_events() as events:
        for _ in range(2):
            async with new_chancy(queues={**QUEUES, "old": {"tags": ["python=3.11"]}}):
                pass
    (told,) = [event for event in events if event["event"] == "queue_served_by_nobody"]
    assert told["queue"] == "old"
    assert r"write r'python=3\.11\..*'" in told["hint"]


@pytest.fixture
def reader(dsn, query):
    """The DSN of a role that may read, and write nothing."""
    name = f"reader_{secrets.token_hex(4)}"
    with psycopg.connect(dsn, autocommit=True) as admin:
        admin.execute(f"CREATE ROLE {name} LOGIN PASSWORD 'p'".encode())
        query(f"GRANT USAGE ON SCHEMA {{s}} TO {name}")
        query(f"GRANT SELECT ON ALL TABLES IN SCHEMA {{s}} TO {name}")
        yield make_conninfo(dsn, user=name, password="p")
        query(f"REVOKE ALL ON ALL TABLES IN SCHEMA {{s}} FROM {name}")
        query(f"REVOKE ALL ON SCHEMA {{s}} FROM {name}")
        admin.execute(f"DROP ROLE {name}".encode())


@pytest.mark.parametrize("how", ["rights", "read-only"])
async def test_who_may_only_read_opens_all_the_same(chancy, request, dsn, schema, how):
    """A role without the right to declare, or a server that takes no changes, is told once, and reads on."""
    asked = (
        request.getfixturevalue("reader")
        if how == "rights"
        else make_conninfo(dsn, options="-c default_transaction_read_only=on")
    )
    with captured_events() as events:
        async with Chancy(asked, schema=schema, discover=False, queues=QUEUES) as looking:
            assert [queue.name for queue in await looking.get_all_queues()] == ["default"]
    (told,) = [event for event in events if event["event"] == "queues_not_declared"]
    assert told["queues"] == ["mail", "reports.weekly"]
    assert "denied" in told["error"] or "read-only" in told["error"]
