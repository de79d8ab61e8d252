"""What the gauges say of the database, and what looking costs."""

import metrics_jobs
import psycopg
import pytest

from chancy import Job, Plugin, Queue, Worker, hookimpl
from chancy.plugin import statement
from chancy.plugins.metrics import Metrics
from chancy_metrics import database
from chancy_metrics.database import Reader

INSERT = (
    "INSERT INTO {s}.jobs (id, queue, func, priority, state, worker, scheduled_at, created_at) "
    "SELECT gen_random_uuid(), %s, 'f', %s, %s, %s, now() + %s * interval '1 second', now() - %s * interval '1 second' "
    "FROM generate_series(1, %s)"
)


@pytest.fixture
def insert(query):
    """Puts jobs into the table."""

    def put(count, queue="default", state="pending", *, priority=0, due_in_s=None, age_s=0):
        worker = "somebody" if state == "running" else None
        query(INSERT, queue, priority, state, worker, due_in_s, age_s, count)

    return put


@pytest.fixture
async def connection(dsn):
    """A connection of the kind that plugins get."""
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as opened:
        yield opened


@pytest.fixture
def read(chancy, schema, connection):
    """Looks once."""

    async def look(limit=10_000):
        return await Reader(schema, limit).read(connection)

    return look


def value(metrics, name, **labels):
    return metrics.registry.get_sample_value(name, labels)


async def test_depths_are_exact_up_to_the_limit(chancy, read, insert):
    """Jobs of every state are counted for every declared queue, down to none."""
    await chancy.declare(Queue("mail"))
    insert(3)
    insert(2, "mail", "running")
    insert(4, "mail", "scheduled", due_in_s=60)
    insert(1, "mail", "retrying", due_in_s=60)
    states = ("pending", "running", "scheduled", "retrying")
    depths = (await read()).depths
    assert [depths["default", state] for state in states] == [3, 0, 0, 0]
    assert [depths["mail", state] for state in states] == [0, 2, 4, 1]


async def test_depths_beyond_the_limit_are_estimated(chancy, read, insert, query):
    """A backlog past the limit is estimated from a sample, while a short queue beside it stays exact."""
    await chancy.declare(Queue("mail"))
    insert(60_000)
    insert(7, "mail")
    insert(20_000, state="scheduled", due_in_s=3600)
    depths = (await read(limit=1000)).depths
    assert depths["default", "pending"] == pytest.approx(60_000, rel=0.3)
    assert depths["default", "scheduled"] == pytest.approx(20_000, rel=0.3)
    assert depths["mail", "pending"] == 7


async def test_a_large_backlog_is_not_read_from_end_to_end(chancy, connection, schema, insert, query):
    """Whatever statistics say, looking at 60,000 jobs touches few of its pages."""
    insert(60_000)
    query("ANALYZE {s}.jobs")
    await chancy.declare(Queue("empty"))
    async with connection.transaction():
        await database.SQL.rows(connection, schema, "pin", statement_ms="1000", lock_ms="100")
        for name, params in (
            ("count_pending", {"limit": 100}),
            ("count_later", {"limit": 100}),
            ("count_running", {"limit": 100}),
            ("oldest_runnable", {"levels": database.LEVELS, "heads": database.HEADS}),
        ):
            text = statement(name, schema, database.SQL.package)
            rows = await (await connection.execute(b"EXPLAIN (COSTS OFF) " + text, params)).fetchall()
            plan = "\n".join(row[0] for row in rows)
            assert "Seq Scan on jobs" not in plan, plan
            assert "Sort Key: jobs" not in plan, plan
            assert "workers" not in plan, plan


async def test_the_age_of_the_oldest_sees_starving_priorities(chancy, read, insert):
    """An old job behind a thousand more urgent ones is the oldest, and a paused or empty queue is no exception."""
    await chancy.declare(Queue("mail"))
    insert(1000, priority=-5)
    insert(1, priority=7, age_s=500)
    oldest = (await read()).oldest_s
    assert 500 <= oldest["default"] < 3600
    assert oldest["mail"] == 0


async def test_a_retry_waits_since_it_became_due(chancy, read, insert):
    """A job of yesterday that became due a minute ago has waited a minute, promoted or not."""
    await chancy.declare(Queue("mail"))
    insert(1, age_s=86_400, due_in_s=-60)
    insert(1, "mail", "retrying", age_s=86_400, due_in_s=-90)
    insert(1, "mail", "scheduled", age_s=86_400, due_in_s=900)
    oldest = (await read()).oldest_s
    assert 60 <= oldest["default"] < 3600
    assert 90 <= oldest["mail"] < 3600


async def test_table_sizes_include_indexes_and_partitions(chancy, read, insert, query):
    """A table that grows is seen to grow, and finished jobs are added up over their partitions."""
    before = (await read()).sizes_bytes
    insert(5000)
    query(
        "INSERT INTO {s}.finished_jobs (id, queue, func, priority, state, max_attempts, attempts, claims, created_at) "
        "SELECT gen_random_uuid(), 'default', 'f', 0, 'failed', 1, 1, 1, now() FROM generate_series(1, 5000)"
    )
    after = (await read()).sizes_bytes
    assert after["jobs"] > before["jobs"] + 500_000
    assert after["finished_jobs"] > before["finished_jobs"] + 500_000


async def test_an_open_transaction_is_seen(chancy, read, dsn, query, until):
    """A transaction that holds a snapshot is seen with its age; once it ends, it is gone."""

    async def age_s():
        return (await read()).transaction_s

    with psycopg.connect(dsn) as holder:
        holder.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        holder.execute("SELECT 1")
        await until(lambda: _at_least(age_s, 0.3))
        reading = await read()
        query("CREATE TABLE {s}.other ()")
        assert (await read()).horizon > reading.horizon

    async def gone():
        return await age_s() < 0.3

    await until(gone)


async def _at_least(age_s, wanted):
    return await age_s() > wanted


async def test_one_statement_that_waits_for_a_lock_hides_no_other(chancy, read, dsn, schema, insert):
    """While somebody alters a table, its size is missing and the rest is there, without waiting for him."""
    insert(3)
    with psycopg.connect(dsn) as holder:
        holder.execute(f'LOCK TABLE "{schema}".finished_failed IN ACCESS EXCLUSIVE MODE'.encode())
        reading = await read()
    assert reading.sizes_bytes == {}
    assert reading.depths["default", "pending"] == 3


async def test_the_gauges_are_read_on_ticks_not_on_scrapes(new_chancy, until, query):
    """However often it is scraped, the database is asked once an interval."""
    metrics = Metrics(port=0, interval=3600)
    async with new_chancy(metrics) as chancy, Worker(chancy):
        await until(lambda: value(metrics, "chancy_queue_jobs", queue="default", state="pending") == 0)
        query("UPDATE {s}.queues SET state = 'paused'")
        await chancy.pause_queue("default")
        await chancy.push(Job.from_func(metrics_jobs.nothing).with_priority(1))
        for _ in range(20):
            status, body = await metrics_jobs.fetch(metrics.address, "/metrics")
            assert status == 200
            assert 'chancy_queue_jobs{queue="default",state="pending"} 0.0' in body
    assert value(metrics, "chancy_database_reading_failures_total") == 0


async def test_nobody_reads_the_database_for_nobody(new_chancy, until):
    """Without a port and without anyone who collects, ticks ask nothing; the first to collect changes that."""
    metrics = Metrics(interval=1)
    async with new_chancy(metrics) as chancy, Worker(chancy):
        await until(lambda: chancy.plugins.last_tick_at.get("metrics"))
        assert metrics._reading is None
        await until(lambda: value(metrics, "chancy_queue_jobs", queue="default", state="pending") == 0)


class Follower(Plugin):
    """Leaves the lead to somebody else, until told otherwise."""

    name = "follower"
    leads: bool = False

    @hookimpl
    def is_leader(self):
        return self.leads


async def test_only_the_leader_looks_at_the_database(new_chancy, metrics, until):
    """A follower says that it does not lead, and leaves what all workers share to the leader."""
    follower = Follower()
    async with new_chancy(metrics, follower) as chancy, Worker(chancy):
        await until(lambda: value(metrics, "chancy_leader") == 0)
        assert value(metrics, "chancy_queue_jobs", queue="default", state="pending") is None
        follower.leads = True
        await until(lambda: value(metrics, "chancy_leader") == 1)
        await until(lambda: value(metrics, "chancy_queue_jobs", queue="default", state="pending") == 0)


async def test_slots_are_told_by_queue(chancy, metrics, until):
    """The slots of a worker, and those that are used."""
    await chancy.declare(Queue("mail", concurrency=4))
    metrics_jobs.gate = metrics_jobs.asyncio.Event()
    async with Worker(chancy) as worker:
        await chancy.push_many([Job.from_func(metrics_jobs.wait_at_gate).with_queue("mail")] * 3)
        await until(lambda: worker.running == 3)
        assert value(metrics, "chancy_slots", queue="mail") == 4
        assert value(metrics, "chancy_slots_used", queue="mail") == 3
        assert value(metrics, "chancy_slots_used", queue="default") == 0
        metrics_jobs.gate.set()
        await until(lambda: value(metrics, "chancy_slots_used", queue="mail") == 0)


async def test_a_queue_declared_later_gets_a_label(chancy, metrics, until):
    """A queue that is declared while the worker runs has a label from the next look on."""
    async with Worker(chancy):
        await chancy.declare(Queue("later"))
        await until(lambda: value(metrics, "chancy_queue_jobs", queue="later", state="pending") == 0)
        await chancy.push(Job.from_func(metrics_jobs.nothing).with_queue("later"))
        assert value(metrics, "chancy_jobs_pushed_total", queue="later") == 1


async def test_old_readings_are_not_shown(chancy, metrics, until):
    """What could not be read for some intervals is left out, and the failures are counted; the rest stays."""
    async with Worker(chancy):
        await until(lambda: value(metrics, "chancy_queue_jobs", queue="default", state="pending") == 0)
        metrics._read_at -= 10
        with pytest.MonkeyPatch.context() as patch:

            async def broken(*_):
                raise psycopg.OperationalError("gone")

            patch.setattr(Reader, "read", broken)
            await until(lambda: value(metrics, "chancy_database_reading_failures_total") > 0)
            metrics._read_at -= 10
            assert value(metrics, "chancy_queue_jobs", queue="default", state="pending") is None
            assert value(metrics, "chancy_slots", queue="default") is not None
        await until(lambda: value(metrics, "chancy_queue_jobs", queue="default", state="pending") == 0)


@pytest.mark.parametrize("created", ["infinity", "-infinity", "4000-01-01 BC"])
async def test_a_time_that_somebody_wrote_hides_no_other_job(chancy, tick_of, query, created):
    """The oldest of the others is shown, and the reading does not fail."""
    await chancy.push_many([Job(func="a.b")] * 2)
    # The kernel refuses such a time, unless somebody has taken that away.
    query("ALTER TABLE {s}.jobs DROP CONSTRAINT jobs_moments")
    query(
        "UPDATE {s}.jobs SET created_at = CASE WHEN id = (SELECT min(id::text)::uuid FROM {s}.jobs) THEN %s "
        "ELSE now() - interval '1 minute' END",
        created,
    )
    async with tick_of(chancy).connection() as connection:
        reading = await Reader(chancy.settings.schema, 1000).read(connection)
    assert reading.oldest_s["default"] >= 60
