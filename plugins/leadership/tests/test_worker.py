"""Workers that lead, in this process."""

import asyncio
import time

import psycopg
import pytest
from click.testing import CliRunner

from chancy import Job, Plugin, Worker, hookimpl
from chancy.plugins.leadership import Leadership, NotLeader, TermsLost
from chancy_leadership.commands import leader as leader_command


class Counting(Plugin):
    """Counts the ticks that are for the leader only."""

    name = "counting"
    leader_only = True
    interval: float = 0.05

    def __post_init__(self):
        self.ticks = 0

    @hookimpl
    async def on_tick(self, tick):
        assert tick.is_leader
        self.ticks += 1


# A lease that ends in no test, and with it an interval after which no test looks.
LONG_S = 3600.0


@pytest.fixture
async def pair(new_chancy, migrated):
    """Two applications, as two processes would have them."""
    async with new_chancy(Counting(), lease_s=LONG_S) as one, new_chancy(Counting(), lease_s=LONG_S) as other:
        yield one, other


def ticks(chancy):
    return next(one.plugin for one in chancy.plugins.loaded if one.name == "counting").ticks


async def test_one_of_two_leads_and_only_there_the_leaders_ticks_run(pair, until):
    """The worker that came first leads from its first tick on; the other one ticks for nobody."""
    one, other = pair
    async with Worker(one) as leading, Worker(other):
        assert Leadership.of(one).term == 1
        assert Leadership.of(other).term is None
        assert one.plugins.is_leader()
        assert not other.plugins.is_leader()
        await until(lambda: ticks(one) >= 3)
        assert ticks(other) == 0
        found = await Leadership.get_leader(other)
        assert (found.holder, found.term) == (leading.name, 1)
        assert 0 < found.left_s <= LONG_S


async def test_after_a_clean_stop_another_leads_at_once(pair, until):
    """The lease would have lasted an hour more; the resignation wakes the other worker."""
    one, other = pair
    leading, waiting = Worker(one), Worker(other)
    await leading.start()
    await waiting.start()
    await leading.stop()
    await until(lambda: Leadership.of(other).term == 2)
    assert Leadership.of(one).term is None
    await waiting.stop()
    assert (await Leadership.get_leader(one)).holder is None


class Hourly(Counting):
    """As Counting, with an interval that no test waits for."""

    interval: float = 3600.0


async def test_the_new_leaders_ticks_do_not_wait_for_an_interval(new_chancy, migrated, until):
    """A plugin for the leader only ticks on the new leader at once, though its interval is an hour."""
    async with new_chancy(Hourly(), lease_s=LONG_S) as one, new_chancy(Hourly(), lease_s=LONG_S) as other:
        leading = Worker(one)
        await leading.start()
        async with Worker(other):
            await until(lambda: ticks(one) == 1)
            assert ticks(other) == 0
            await leading.stop()
            await until(lambda: Leadership.of(other).term == 2)
            await until(lambda: ticks(other) == 1)


async def hold():
    await asyncio.sleep(LONG_S)


async def test_a_leader_that_waits_for_its_jobs_to_end_lets_another_lead_meanwhile(pair, until):
    """Its ticks have ended when it was told to stop, however long its last job takes."""
    one, other = pair
    leading = Worker(one, grace_s=LONG_S)
    await leading.start()
    await one.push(Job.from_func(hold))
    await until(lambda: leading.running)
    async with Worker(other, grace_s=0):
        stopping = asyncio.create_task(leading.stop())
        await until(lambda: Leadership.of(other).term == 2)
        assert leading.running
        leading.shut_down()
        await stopping


async def test_without_notifications_another_leads_after_the_poll(new_chancy, migrated, until):
    """Nobody is woken, and the next look finds that the leader has resigned, long before the lease's end."""
    settings = {"notifications": False, "lease_s": LONG_S, "interval": 0.5}
    async with new_chancy(**settings) as one, new_chancy(**settings) as other:
        leading = Worker(one)
        await leading.start()
        async with Worker(other):
            await leading.stop()
            await until(lambda: Leadership.of(other).term == 2)


async def test_the_workers_of_one_chancy_lead_as_one(new_chancy, migrated):
    """The process goes on leading, in the same term, until the last of its workers has stopped."""
    async with new_chancy() as chancy:
        first, second = Worker(chancy), Worker(chancy)
        await first.start()
        await second.start()
        await first.stop()
        assert Leadership.of(chancy).term == 1
        await second.stop()
        assert Leadership.of(chancy).term is None
        async with Worker(chancy):
            assert Leadership.of(chancy).term == 2


async def test_a_leader_renews_for_longer_than_one_lease(new_chancy, migrated, until, query):
    """Its first lease is over, nobody else was elected, and at no time did it doubt itself."""
    # A renewal that a busy machine delays is no doubt: there are fifty of them in a lease.
    async with new_chancy(lease_s=5.0, interval=0.1) as chancy, Worker(chancy):
        (first_end,) = query("SELECT lease_until FROM {s}.leadership")[0]
        doubts = 0

        def over():
            nonlocal doubts
            doubts += Leadership.of(chancy).term != 1
            return query("SELECT clock_timestamp() > %s", first_end)[0][0]

        await until(over)
        assert query("SELECT lease_until > %s FROM {s}.leadership", first_end) == [(True,)]
        assert doubts == 0


async def test_a_blocked_loop_is_not_the_leader_afterwards(new_chancy, migrated, until):
    """A job that blocks the loop for longer than the lease: what runs next does not think that it leads."""
    async with new_chancy(lease_s=3.0) as chancy, Worker(chancy):
        await until(lambda: Leadership.of(chancy).term)
        time.sleep(3.1)  # noqa: ASYNC251 -- that is the point
        assert not chancy.plugins.is_leader()


async def test_it_stands_again_when_its_connection_is_killed(new_chancy, migrated, until, query):
    """The lease is renewed on a new connection, in the same term."""
    async with new_chancy(lease_s=LONG_S, interval=0.5) as chancy, Worker(chancy):
        (before,) = query("SELECT lease_until FROM {s}.leadership")[0]
        await until(
            lambda: query(
                # Its own, and not those of the tests beside it.
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE application_name = 'chancy leadership' AND query LIKE '%%{s}%%'"
            )
        )
        await until(lambda: query("SELECT lease_until > %s FROM {s}.leadership", before)[0][0])
        assert Leadership.of(chancy).term == 1


async def test_what_goes_wrong_is_reported_through_the_host(new_chancy, migrated, until, query):
    """Without its table nobody is elected; the worker lives, and the plugin's last error says why."""
    query("ALTER TABLE {s}.leadership RENAME TO gone")
    async with new_chancy(lease_s=0.5) as chancy, Worker(chancy):
        assert Leadership.of(chancy).term is None
        error = await until(lambda: chancy.plugins.last_error.get("leadership"))
        assert "leadership" in error
        assert "does not exist" in error
        query("ALTER TABLE {s}.gone RENAME TO leadership")
        await until(lambda: Leadership.of(chancy).term)


async def test_a_lost_count_of_terms_is_not_begun_anew(new_chancy, migrated, until, query):
    """A term that comes twice would let an old leader through a fence: nobody leads until the row is back."""
    query("DELETE FROM {s}.leadership")
    async with new_chancy(lease_s=0.5) as chancy, Worker(chancy):
        error = await until(lambda: chancy.plugins.last_error.get("leadership"))
        assert "Put it back" in error
        assert Leadership.of(chancy).term is None
        with pytest.raises(TermsLost):
            await Leadership.get_leader(chancy)
        query("INSERT INTO {s}.leadership (term, elected_at) VALUES (41, now())")
        assert await until(lambda: Leadership.of(chancy).term) == 42


async def test_a_fenced_transaction_is_the_leaders(pair, dsn, until):
    """The leader gets its term; whoever does not lead, or leads no more, gets NotLeader."""
    one, other = pair
    async with Worker(one), Worker(other), one.pool.connection() as connection:
        async with connection.transaction():
            assert await Leadership.of(one).fence(connection) == 1
        async with connection.transaction():
            with pytest.raises(NotLeader, match="does not lead now"):
                await Leadership.of(other).fence(connection)
        with pytest.raises(ValueError, match="outside a transaction"):
            await Leadership.of(one).fence(connection)
        await connection.execute(f"UPDATE \"{one.settings.schema}\".leadership SET term = 9, holder = 'x'".encode())
        async with connection.transaction():
            with pytest.raises(NotLeader, match="somebody else was elected"):
                await Leadership.of(one).fence(connection)


async def test_a_fence_works_on_a_connection_that_begins_its_own_transactions(new_chancy, migrated, dsn):
    """The first statement of a connection without autocommit begins the transaction."""
    async with (
        new_chancy() as chancy,
        Worker(chancy),
        await psycopg.AsyncConnection.connect(dsn) as connection,
    ):
        assert await Leadership.of(chancy).fence(connection) == 1


async def test_one_object_for_two_applications_is_refused(new_chancy, migrated):
    """They would lead each other's schema."""
    async with new_chancy() as one, new_chancy() as other, Worker(one):
        with pytest.raises(ValueError, match="give each its own"):
            await Leadership.of(one).on_start(Worker(other))


async def test_the_command_shows_who_leads(new_chancy, migrated):
    """Before anyone led, while one leads, and after it has resigned."""

    async def shown():
        result = await asyncio.to_thread(CliRunner().invoke, leader_command, obj=new_chancy)
        assert result.exit_code == 0, result.output
        return result.output

    async with new_chancy() as chancy:
        assert "nobody ever did" in await shown()
        async with Worker(chancy) as worker:
            told = await shown()
            assert worker.name in told
            assert "term    1" in told
            assert "s left" in told
        assert "Nobody leads. Term 1 ended at" in await shown()


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"lease_s": 0}, "lease_s is 0: give seconds from 0.5 to 3,600"),
        ({"lease_s": 4000}, "lease_s is 4000"),
        ({"lease_s": float("nan")}, "lease_s is nan"),
        ({"lease_s": "15"}, "lease_s is '15'"),
        ({"lease_s": True}, "lease_s is True"),
        ({"interval": 8}, "at most half of lease_s, which is 15"),
        ({"interval": 0}, "interval is 0"),
    ],
)
def test_settings_out_of_range_are_refused_where_they_are_made(settings, told):
    """With the value, and what to give."""
    with pytest.raises(ValueError, match=told.replace("(", r"\(")):
        Leadership(**settings)


def test_the_interval_is_a_third_of_the_lease():
    """Two renewals may fail before the lease is in danger."""
    assert Leadership(lease_s=30).interval == 10
