"""What the database does: its clock, a connection that hangs, read-only phases, locks, rows by hand; never two lead."""

from __future__ import annotations

import asyncio
import logging
import sys
from contextlib import AsyncExitStack
from pathlib import Path

import psycopg
import pytest

from chancy import Chancy, Worker
from chancy.plugins.leadership import Leadership

# The tests of the kernel have a way to the database that can fall silent.
sys.path.append(str(Path(__file__).parents[3] / "tests/shared"))
from silence import way_to

HOUR_AHEAD = (
    "UPDATE {s}.leadership SET lease_until = lease_until + interval '1 hour', "
    "elected_at = elected_at + interval '1 hour'"
)


def term(chancy):
    return Leadership.of(chancy).term


@pytest.fixture
def events(caplog):
    """The events of one name that were logged, as their fields."""
    caplog.set_level(logging.INFO, "chancy")
    return lambda name: [record.fields for record in caplog.records if getattr(record, "event", None) == name]


@pytest.fixture
async def crowd(new_chancy, migrated):
    """Three workers, as three processes would have them; and a watch that never sees two of them lead."""
    async with AsyncExitStack() as stack:
        chancys = [await stack.enter_async_context(new_chancy(lease_s=1.5)) for _ in range(3)]
        for chancy in chancys:
            await stack.enter_async_context(Worker(chancy))
        seen = [0]

        async def watch():
            while True:
                seen[0] = max(seen[0], sum(term(chancy) is not None for chancy in chancys))
                await asyncio.sleep(0.002)

        watching = asyncio.create_task(watch())
        yield chancys
        watching.cancel()
        assert seen[0] == 1


async def leads(chancys, until, beyond=0):
    """Wait until one of them leads in a term beyond that one. Returns the term."""
    return await until(lambda: max((term(one) or 0 for one in chancys), default=0) > beyond, within_s=60) and max(
        term(one) or 0 for one in chancys
    )


@pytest.mark.parametrize("holder", ["gone", "", "\u2028 ; DROP TABLE x"])
async def test_a_dead_leaders_lease_that_lies_an_hour_ahead_counts_from_now(
    new_chancy, migrated, query, until, events, holder
):
    """The clock was set back after it had died: another leads after one lease, and it is said once."""
    query(
        "UPDATE {s}.leadership SET holder = %s, term = 7, elected_at = now(), lease_s = 1.5, "
        "lease_until = now() + interval '1 hour'",
        holder,
    )
    async with new_chancy(lease_s=1.5) as chancy, Worker(chancy):
        assert await until(lambda: term(chancy), within_s=60) == 8
        assert [(e["holder"], e["term"]) for e in events("lease_shortened")] == [(holder, 7)]


@pytest.mark.parametrize("until_at", ["infinity", "200000-01-01", "9999-12-31"])
async def test_a_lease_without_end_ends(new_chancy, migrated, query, until, until_at):
    """Somebody has written it by hand: who leads can be asked, and another leads after one lease."""
    query("UPDATE {s}.leadership SET holder = 'x', term = 7, elected_at = %s, lease_until = %s", until_at, until_at)
    async with new_chancy(lease_s=1.5) as chancy:
        assert (await Leadership.get_leader(chancy)).holder == "x"
        async with Worker(chancy):
            assert await until(lambda: term(chancy), within_s=60) == 8


async def test_a_living_leader_goes_on_when_the_clock_is_set_back(new_chancy, migrated, query, until):
    """Its next renewal makes the lease as long as it is; its term stays."""
    async with new_chancy(lease_s=6.0) as chancy, Worker(chancy):
        query(HOUR_AHEAD)
        await until(lambda: query("SELECT lease_until < now() + interval '7 seconds' FROM {s}.leadership")[0][0])
        assert term(chancy) == 1


async def test_nobody_waits_for_a_leader_that_resigned_before_the_clock_was_set_back(
    new_chancy, migrated, query, until
):
    """Without a holder there is no lease, however far ahead its time lies."""
    async with new_chancy(lease_s=6.0) as chancy:
        async with Worker(chancy):
            assert term(chancy) == 1
        query(HOUR_AHEAD)
        async with Worker(chancy):
            assert await until(lambda: term(chancy), within_s=60) == 2


async def test_a_lease_that_is_longer_than_ones_own_is_left_alone(new_chancy, migrated, query, until, events):
    """The leader says how long its lease is; who waits with a shorter one of its own does not unseat it."""
    async with new_chancy(lease_s=600.0) as one, Worker(one), new_chancy(lease_s=0.5) as other, Worker(other):
        ((before,),) = query("SELECT lease_until FROM {s}.leadership")
        answers = Leadership.of(other)._elector
        start = answers._answers
        await until(lambda: answers._answers >= start + 5)
        assert query("SELECT lease_until FROM {s}.leadership") == [(before,)]
        assert not events("lease_shortened")


async def test_a_term_that_cannot_rise_is_told_with_what_to_do(new_chancy, migrated, query, until):
    """Nobody leads, and the plugin's last error has the statement that mends it."""
    query("UPDATE {s}.leadership SET term = 9223372036854775807, elected_at = now()")
    async with new_chancy(lease_s=0.5) as chancy, Worker(chancy):
        error = await until(lambda: chancy.plugins.last_error.get("leadership"))
        assert "SET term" in error
        query("UPDATE {s}.leadership SET term = 4")
        assert await until(lambda: term(chancy)) == 5


async def test_a_connection_that_hangs_costs_the_leader_nothing(migrated, dsn, query, until):
    """It is given up after a third of the lease: the lease is renewed on another one, in the same term."""
    async with way_to(dsn) as way:
        chancy = Chancy(way.dsn, schema=migrated, discover=False, plugins=[Leadership(lease_s=15.0)])
        async with chancy, Worker(chancy):
            elector = Leadership.of(chancy)._elector
            way.silence(elector._current)
            ((before,),) = query("SELECT lease_until FROM {s}.leadership")
            await until(lambda: query("SELECT lease_until > %s FROM {s}.leadership", before)[0][0], within_s=60)
            assert query("SELECT term FROM {s}.leadership") == [(1,)]
            assert term(chancy) == 1


async def test_never_two_lead_while_the_database_is_read_only(crowd, dsn, schema, query, until):
    """Sessions are read-only for longer than a lease, then not: one leads again by itself."""
    before = await leads(crowd, until)
    query(
        "CREATE FUNCTION {s}.refuse() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION USING ERRCODE = '25006', MESSAGE = 'read-only transaction'; END $$"
    )
    await asyncio.to_thread(
        query, "CREATE TRIGGER refuse BEFORE UPDATE ON {s}.leadership EXECUTE FUNCTION {s}.refuse()"
    )
    await until(lambda: all(term(one) is None for one in crowd), within_s=60)
    await asyncio.to_thread(query, "DROP TRIGGER refuse ON {s}.leadership")
    assert await leads(crowd, until) >= before
    assert all(not chancy.plugins.failures for chancy in crowd)


@pytest.mark.parametrize("state", ["53100", "53300", "58030", "40001", "57014"])
async def test_a_state_of_the_server_is_waited_out(crowd, query, until, state, events):
    """A full disk, no connection left, a broken disk, a serialization failure, a time-out: said once, counted never."""
    await leads(crowd, until)
    query(
        "CREATE FUNCTION {s}.refuse() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN RAISE EXCEPTION USING ERRCODE = '{state}', MESSAGE = 'not now'; END $$"
    )
    await asyncio.to_thread(
        query, "CREATE TRIGGER refuse BEFORE UPDATE ON {s}.leadership EXECUTE FUNCTION {s}.refuse()"
    )
    await until(lambda: all(term(one) is None for one in crowd), within_s=60)
    await asyncio.to_thread(query, "DROP TRIGGER refuse ON {s}.leadership")
    await leads(crowd, until)
    assert all(not chancy.plugins.failures for chancy in crowd)
    assert all(event["error"] for event in events("leadership_interrupted"))


async def test_a_lock_on_the_row_is_waited_out_and_no_session_piles_up(crowd, dsn, schema, query, until):
    """Somebody holds the table for longer than a lease: nobody leads meanwhile, one does afterwards."""
    await leads(crowd, until)
    async with await psycopg.AsyncConnection.connect(dsn) as holder:
        await holder.execute(f'LOCK TABLE "{schema}".leadership'.encode())
        await until(lambda: all(term(one) is None for one in crowd), within_s=60)
        waiting = (
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'chancy leadership' AND query LIKE %s "
            "AND wait_event_type = 'Lock'"
        )
        # One may be about to be ended; if they piled up, there would be more and more of them.
        await until(lambda: query(waiting, f"%{schema}%")[0][0] <= len(crowd))
    await leads(crowd, until)
    assert all(not chancy.plugins.failures for chancy in crowd)


async def test_never_two_lead_when_the_clock_is_set_back_again_and_again(crowd, query, until):
    """Each time the lease lies an hour ahead, whoever holds it."""
    for _ in range(3):
        before = await leads(crowd, until)
        query(HOUR_AHEAD)
        # Lost without a word, as by a kill: it never renews again.
        query("UPDATE {s}.leadership SET holder = holder || ' lost', lease_until = now() + interval '1 hour'")
        assert await leads(crowd, until, beyond=before) > before


async def test_sessions_of_the_pool_that_the_server_has_ended_are_replaced(new_chancy, migrated, query):
    """Who leads can be asked."""
    async with new_chancy() as chancy:
        async with chancy.pool.connection() as connection:
            pid = connection.info.backend_pid
        query("SELECT pg_terminate_backend(%s, 10000)", pid)
        assert await Leadership.get_leader(chancy) is None


async def test_a_leader_resigns_though_the_queue_of_notifications_is_full(new_chancy, migrated, query, events):
    """The server refuses what would notify the others: the leader resigns without a word to them."""
    async with new_chancy() as chancy:
        async with Worker(chancy):
            query("CREATE SEQUENCE {s}.tries")
            query(
                "CREATE FUNCTION {s}.refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
                "IF NEW.holder IS NULL AND nextval('{s}.tries') = 1 THEN RAISE EXCEPTION USING ERRCODE = '54000', "
                "MESSAGE = 'too many notifications in the NOTIFY queue'; END IF; RETURN NEW; END $$"
            )
            query("CREATE TRIGGER refuse BEFORE UPDATE ON {s}.leadership FOR EACH ROW EXECUTE FUNCTION {s}.refuse()")
        assert query("SELECT holder, last_value FROM {s}.leadership, {s}.tries") == [(None, 2)]
    assert not events("leader_not_resigned")
